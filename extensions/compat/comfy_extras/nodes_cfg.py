"""`comfy_extras.nodes_cfg`: its nodes as classes."""

from _core_classes import fill

fill(globals())
