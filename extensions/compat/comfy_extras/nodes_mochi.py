"""`comfy_extras.nodes_mochi`: its nodes as classes."""

from _core_classes import fill

fill(globals())
