"""`comfy_extras.nodes_video_model`: its nodes as classes."""

from _core_classes import fill

fill(globals())
