"""`comfy_extras.nodes_model_advanced`: its nodes as classes."""

from nodes import _fill

_fill(globals())
