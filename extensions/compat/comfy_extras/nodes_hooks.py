"""`comfy_extras.nodes_hooks`: its nodes as classes."""

from nodes import _fill

_fill(globals())
