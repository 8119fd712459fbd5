"""`comfy_extras.nodes_apg`: its nodes as classes."""

from nodes import _fill

_fill(globals())
