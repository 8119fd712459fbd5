"""A video as nodes see it, under its older name."""

from comfy_api.latest._input.video_types import VideoInput

__all__ = ["VideoInput"]
