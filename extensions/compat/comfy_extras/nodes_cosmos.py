"""`comfy_extras.nodes_cosmos`: its nodes as classes."""

from nodes import _fill

_fill(globals())
