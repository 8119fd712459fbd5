"""`comfy_extras.nodes_hunyuan3d`: where packs look for the classes of shapes in space."""

from comfy_api.latest._util import MESH, VOXEL

__all__ = ["MESH", "VOXEL"]
