"""`comfy_extras.nodes_video_model`: its nodes as classes."""

from nodes import _fill

_fill(globals())
