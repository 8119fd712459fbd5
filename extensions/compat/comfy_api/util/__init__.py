"""Forms of videos, under their older name."""

from comfy_api.latest._util import VideoCodec, VideoComponents, VideoContainer

__all__ = ["VideoCodec", "VideoComponents", "VideoContainer"]
