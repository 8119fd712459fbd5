"""What nodes take, as types."""

from comfy_api.latest._input.basic_types import AudioInput, ImageInput, LatentInput, MaskInput
from comfy_api.latest._input.video_types import VideoInput

__all__ = ["AudioInput", "ImageInput", "LatentInput", "MaskInput", "VideoInput"]
