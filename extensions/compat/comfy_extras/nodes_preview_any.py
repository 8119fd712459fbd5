"""`comfy_extras.nodes_preview_any`: its nodes as classes."""

from nodes import _fill

_fill(globals())
