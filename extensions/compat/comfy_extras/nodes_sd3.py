"""`comfy_extras.nodes_sd3`: its nodes as classes."""

from nodes import _fill

_fill(globals())
