"""`comfy_extras.nodes_attention_multiply`: its nodes as classes."""

from nodes import _fill

_fill(globals())
