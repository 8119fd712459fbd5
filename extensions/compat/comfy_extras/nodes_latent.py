"""`comfy_extras.nodes_latent`: its nodes as classes."""

from nodes import _fill

_fill(globals())
