"""`comfy_extras.nodes_canny`: its nodes as classes."""

from _core_classes import fill

fill(globals())
