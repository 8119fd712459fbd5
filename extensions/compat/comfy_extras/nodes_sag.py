"""`comfy_extras.nodes_sag`: its nodes as classes."""

from nodes import _fill

_fill(globals())
