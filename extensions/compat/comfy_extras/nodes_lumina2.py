"""`comfy_extras.nodes_lumina2`: its nodes as classes."""

from nodes import _fill

_fill(globals())
