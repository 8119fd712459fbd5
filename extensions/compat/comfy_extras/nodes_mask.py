"""`comfy_extras.nodes_mask`: its nodes as classes."""

from nodes import _fill

_fill(globals())
