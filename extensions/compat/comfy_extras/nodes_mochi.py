"""`comfy_extras.nodes_mochi`: its nodes as classes."""

from nodes import _fill

_fill(globals())
