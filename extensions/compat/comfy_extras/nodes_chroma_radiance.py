"""`comfy_extras.nodes_chroma_radiance`: its nodes as classes."""

from _core_classes import fill

fill(globals())
