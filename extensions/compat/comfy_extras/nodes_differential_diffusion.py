"""`comfy_extras.nodes_differential_diffusion`: its nodes as classes."""

from nodes import _fill

_fill(globals())
