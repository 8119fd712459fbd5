"""`comfy_extras.nodes_wan`: its nodes as classes."""

from nodes import _fill

_fill(globals())
