"""`comfy_extras.nodes_chroma_radiance`: its nodes as classes."""

from nodes import _fill

_fill(globals())
