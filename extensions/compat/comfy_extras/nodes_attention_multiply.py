"""`comfy_extras.nodes_attention_multiply`: its nodes as classes."""

from _core_classes import fill

fill(globals())
