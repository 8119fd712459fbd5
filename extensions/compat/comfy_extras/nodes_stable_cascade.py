"""`comfy_extras.nodes_stable_cascade`: its nodes as classes."""

from _core_classes import fill

fill(globals())
