"""`comfy_extras.nodes_gits`: its nodes as classes."""

from _core_classes import fill

fill(globals())
