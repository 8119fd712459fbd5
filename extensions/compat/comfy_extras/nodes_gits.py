"""`comfy_extras.nodes_gits`: its nodes as classes."""

from nodes import _fill

_fill(globals())
