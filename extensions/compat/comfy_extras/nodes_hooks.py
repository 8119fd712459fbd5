"""`comfy_extras.nodes_hooks`: its nodes as classes."""

from _core_classes import fill

fill(globals())
