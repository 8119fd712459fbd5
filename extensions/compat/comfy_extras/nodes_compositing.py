"""`comfy_extras.nodes_compositing`: its nodes as classes."""

from nodes import _fill

_fill(globals())
