"""`comfy_extras.nodes_hunyuan`: its nodes as classes."""

from nodes import _fill

_fill(globals())
