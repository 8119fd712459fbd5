"""`comfy_extras.nodes_stable_cascade`: its nodes as classes."""

from nodes import _fill

_fill(globals())
