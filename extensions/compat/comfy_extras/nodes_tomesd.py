"""`comfy_extras.nodes_tomesd`: its nodes as classes."""

from nodes import _fill

_fill(globals())
