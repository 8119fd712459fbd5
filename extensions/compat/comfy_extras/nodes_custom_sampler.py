"""`comfy_extras.nodes_custom_sampler`: its nodes as classes."""

from nodes import _fill

_fill(globals())
