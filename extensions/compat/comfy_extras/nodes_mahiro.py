"""`comfy_extras.nodes_mahiro`: its nodes as classes."""

from _core_classes import fill

fill(globals())
