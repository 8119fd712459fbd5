"""`comfy_extras.nodes_optimalsteps`: its nodes as classes."""

from nodes import _fill

_fill(globals())
