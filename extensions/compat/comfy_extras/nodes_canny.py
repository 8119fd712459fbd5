"""`comfy_extras.nodes_canny`: its nodes as classes."""

from nodes import _fill

_fill(globals())
