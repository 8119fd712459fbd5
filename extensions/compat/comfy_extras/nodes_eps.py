"""`comfy_extras.nodes_eps`: its nodes as classes."""

from nodes import _fill

_fill(globals())
