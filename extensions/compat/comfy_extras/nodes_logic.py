"""`comfy_extras.nodes_logic`: its nodes as classes."""

from nodes import _fill

_fill(globals())
