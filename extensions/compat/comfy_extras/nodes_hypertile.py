"""`comfy_extras.nodes_hypertile`: its nodes as classes."""

from nodes import _fill

_fill(globals())
