"""`comfy_extras.nodes_advanced_samplers`: its nodes as classes."""

from nodes import _fill

_fill(globals())
