"""`comfy_extras.nodes_string`: its nodes as classes."""

from _core_classes import fill

fill(globals())
