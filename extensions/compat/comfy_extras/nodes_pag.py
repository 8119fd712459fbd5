"""`comfy_extras.nodes_pag`: its nodes as classes."""

from _core_classes import fill

fill(globals())
