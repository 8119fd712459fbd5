"""`comfy_extras.nodes_preview_any`: its nodes as classes."""

from _core_classes import fill

fill(globals())
