"""`comfy_extras.nodes_lt`: its nodes as classes."""

from nodes import _fill

_fill(globals())
