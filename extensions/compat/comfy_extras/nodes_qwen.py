"""`comfy_extras.nodes_qwen`: its nodes as classes."""

from nodes import _fill

_fill(globals())
