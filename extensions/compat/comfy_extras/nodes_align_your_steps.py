"""`comfy_extras.nodes_align_your_steps`: its nodes as classes."""

from _core_classes import fill

fill(globals())
