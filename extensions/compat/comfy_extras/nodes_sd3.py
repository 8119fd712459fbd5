"""`comfy_extras.nodes_sd3`: its nodes as classes."""

from _core_classes import fill

fill(globals())
