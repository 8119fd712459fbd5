"""`comfy_extras.nodes_morphology`: its nodes as classes."""

from nodes import _fill

_fill(globals())
