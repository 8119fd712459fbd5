"""`comfy_extras.nodes_perpneg`: its nodes as classes."""

from nodes import _fill

_fill(globals())
