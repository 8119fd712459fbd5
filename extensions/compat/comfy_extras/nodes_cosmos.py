"""`comfy_extras.nodes_cosmos`: its nodes as classes."""

from _core_classes import fill

fill(globals())
