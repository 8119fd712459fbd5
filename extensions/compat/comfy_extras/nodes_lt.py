"""`comfy_extras.nodes_lt`: its nodes as classes."""

from _core_classes import fill

fill(globals())
