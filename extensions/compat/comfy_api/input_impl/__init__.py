"""Videos that nodes give, under their older name."""

from comfy_api.latest._input_impl import VideoFromComponents, VideoFromFile

__all__ = ["VideoFromComponents", "VideoFromFile"]
