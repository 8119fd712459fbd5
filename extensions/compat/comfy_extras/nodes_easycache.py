"""`comfy_extras.nodes_easycache`: its nodes as classes."""

from _core_classes import fill

fill(globals())
