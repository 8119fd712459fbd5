"""`comfy_extras.nodes_lumina2`: its nodes as classes."""

from _core_classes import fill

fill(globals())
