"""`comfy_extras.nodes_primitive`: its nodes as classes."""

from nodes import _fill

_fill(globals())
