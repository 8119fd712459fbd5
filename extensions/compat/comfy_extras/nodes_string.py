"""`comfy_extras.nodes_string`: its nodes as classes."""

from nodes import _fill

_fill(globals())
