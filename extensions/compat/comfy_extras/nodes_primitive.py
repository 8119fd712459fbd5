"""`comfy_extras.nodes_primitive`: its nodes as classes."""

from _core_classes import fill

fill(globals())
