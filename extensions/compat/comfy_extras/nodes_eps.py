"""`comfy_extras.nodes_eps`: its nodes as classes."""

from _core_classes import fill

fill(globals())
