"""`comfy_extras.nodes_post_processing`: its nodes as classes."""

from nodes import _fill

_fill(globals())
