"""`comfy_extras.nodes_rebatch`: its nodes as classes."""

from nodes import _fill

_fill(globals())
