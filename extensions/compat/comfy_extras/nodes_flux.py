"""`comfy_extras.nodes_flux`: its nodes as classes."""

from nodes import _fill

_fill(globals())
