"""Videos that nodes give, under their older name."""

from comfy_api.latest._input_impl.video_types import (
    VideoFromComponents,
    VideoFromFile,
    container_to_output_format,
    get_open_write_kwargs,
)

__all__ = ["VideoFromComponents", "VideoFromFile", "container_to_output_format", "get_open_write_kwargs"]
