"""`comfy_extras.nodes_fresca`: its nodes as classes."""

from nodes import _fill

_fill(globals())
