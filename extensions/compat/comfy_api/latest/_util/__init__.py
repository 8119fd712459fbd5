"""Values that travel between nodes beside tensors."""

from comfy_api.latest._util.geometry_types import MESH, SPLAT, VOXEL, File3D
from comfy_api.latest._util.image_types import SVG
from comfy_api.latest._util.video_types import VideoCodec, VideoComponents, VideoContainer

__all__ = ["MESH", "SPLAT", "SVG", "VOXEL", "File3D", "VideoCodec", "VideoComponents", "VideoContainer"]
