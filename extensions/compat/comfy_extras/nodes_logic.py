"""`comfy_extras.nodes_logic`: its nodes as classes."""

from _core_classes import fill

fill(globals())
