"""`comfy_extras.nodes_sag`: its nodes as classes."""

from _core_classes import fill

fill(globals())
