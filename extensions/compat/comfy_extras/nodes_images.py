"""`comfy_extras.nodes_images`: its nodes as classes."""

from _core_classes import fill

fill(globals())
