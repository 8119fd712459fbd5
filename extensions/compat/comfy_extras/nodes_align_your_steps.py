"""`comfy_extras.nodes_align_your_steps`: its nodes as classes."""

from nodes import _fill

_fill(globals())
