"""`comfy_extras.nodes_hunyuan`: its nodes as classes."""

from _core_classes import fill

fill(globals())
