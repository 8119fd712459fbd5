"""`comfy_extras.nodes_rebatch`: its nodes as classes."""

from _core_classes import fill

fill(globals())
