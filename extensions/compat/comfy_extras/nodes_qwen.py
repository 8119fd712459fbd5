"""`comfy_extras.nodes_qwen`: its nodes as classes."""

from _core_classes import fill

fill(globals())
