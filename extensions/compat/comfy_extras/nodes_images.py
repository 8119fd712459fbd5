"""`comfy_extras.nodes_images`: its nodes as classes."""

from nodes import _fill

_fill(globals())
