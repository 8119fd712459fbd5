"""`comfy_extras.nodes_morphology`: its nodes as classes."""

from _core_classes import fill

fill(globals())
