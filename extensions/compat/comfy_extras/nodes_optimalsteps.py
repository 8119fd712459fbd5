"""`comfy_extras.nodes_optimalsteps`: its nodes as classes."""

from _core_classes import fill

fill(globals())
