"""`comfy_extras.nodes_cfg`: its nodes as classes."""

from nodes import _fill

_fill(globals())
