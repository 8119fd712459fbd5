"""Shapes in space: voxels, meshes, splats, files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import IO, Any

import torch


class VOXEL:
    """data: b x y z."""

    def __init__(self, data: torch.Tensor, voxel_colors: Any = None, resolution: Any = None) -> None:
        self.data = data
        self.voxel_colors = voxel_colors
        self.resolution = resolution


class MESH:
    """vertices: b n 3; faces: b m 3. Further maps and counts are attributes."""

    def __init__(self, vertices: torch.Tensor, faces: torch.Tensor, uvs: Any = None, **more: Any) -> None:
        self.vertices = vertices
        self.faces = faces
        self.uvs = uvs
        vars(self).update(more)


class SPLAT:
    """Gaussian splats; each tensor: b n ..."""

    def __init__(
        self, positions: Any, scales: Any, rotations: Any, opacities: Any, sh: Any, counts: Any = None
    ) -> None:
        self.positions = positions
        self.scales = scales
        self.rotations = rotations
        self.opacities = opacities
        self.sh = sh
        self.counts = counts


class File3D:
    """A 3D model as a file on disk or in memory. format: its suffix without the dot."""

    def __init__(self, source: str | IO[bytes], file_format: str = "") -> None:
        self._source = source
        suffix = Path(source).suffix if isinstance(source, str) else ""
        self.format = (file_format or suffix).lstrip(".").lower()

    @property
    def is_disk_backed(self) -> bool:
        return isinstance(self._source, str)

    def get_source(self) -> str | IO[bytes]:
        if not isinstance(self._source, str):
            self._source.seek(0)
        return self._source

    def get_bytes(self) -> bytes:
        source = self.get_source()
        return Path(source).read_bytes() if isinstance(source, str) else source.read()

    def get_data(self) -> BytesIO:
        return BytesIO(self.get_bytes())

    def save_to(self, path: str) -> str:
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(self.get_bytes())
        return str(place)
