"""`comfy_extras.nodes_tcfg`: its nodes as classes."""

from nodes import _fill

_fill(globals())
