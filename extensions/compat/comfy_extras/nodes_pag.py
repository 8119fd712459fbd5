"""`comfy_extras.nodes_pag`: its nodes as classes."""

from nodes import _fill

_fill(globals())
