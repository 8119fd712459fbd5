"""`comfy_extras.nodes_freelunch`: its nodes as classes."""

from nodes import _fill

_fill(globals())
