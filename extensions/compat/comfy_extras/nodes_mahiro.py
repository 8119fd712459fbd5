"""`comfy_extras.nodes_mahiro`: its nodes as classes."""

from nodes import _fill

_fill(globals())
