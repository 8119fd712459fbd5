"""The newest version of the interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import comfy_api.latest._io_public as io
import comfy_api.latest._ui_public as ui
from comfy_api.internal import ComfyAPIBase
from comfy_api.internal.async_to_sync import create_sync_class
from comfy_api.internal.singleton import ProxiedSingleton
from comfy_api.latest import _node_replace
from comfy_api.latest._input import AudioInput, ImageInput, LatentInput, MaskInput, VideoInput
from comfy_api.latest._input_impl import VideoFromComponents, VideoFromFile
from comfy_api.latest._progress import report
from comfy_api.latest._util import MESH, SVG, VOXEL, File3D, VideoCodec, VideoComponents, VideoContainer

from ....missing import MissingAttribute

IO = io
UI = ui


class ComfyAPI_latest(ComfyAPIBase):
    """What nodes may ask of the program while they run."""

    VERSION = "latest"
    STABLE = False

    class Execution(ProxiedSingleton):
        async def set_progress(
            self,
            value: float,
            max_value: float,
            node_id: str | None = None,
            preview_image: Any = None,
            ignore_size_limit: bool = False,
        ) -> None:
            """Say that `value` of `max_value` is done. preview_image: a PIL picture, or b h w c in 0..1."""
            report(value, max_value, node_id, preview_image, ignore_size_limit)

    class NodeReplacement(ProxiedSingleton):
        async def register(self, node_replace: Any) -> None:
            """Let one node class stand in for another."""
            _node_replace.register(node_replace)

    def __init__(self) -> None:
        self.execution = self.Execution()
        self.node_replacement = self.NodeReplacement()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise MissingAttribute(f"comfy_api.latest.ComfyAPI.{name}")


class ComfyExtension(ABC):
    """What `comfy_entrypoint` gives."""

    async def on_load(self) -> None:  # noqa: B027
        """Called before the nodes are asked for."""

    @abstractmethod
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """The node classes."""


class Input:
    Image = ImageInput
    Audio = AudioInput
    Mask = MaskInput
    Latent = LatentInput
    Video = VideoInput


class InputImpl:
    VideoFromFile = VideoFromFile
    VideoFromComponents = VideoFromComponents


class Types:
    VideoCodec = VideoCodec
    VideoContainer = VideoContainer
    VideoComponents = VideoComponents
    MESH = MESH
    VOXEL = VOXEL
    SVG = SVG
    File3D = File3D


ComfyAPI = ComfyAPI_latest
ComfyAPISync = create_sync_class(ComfyAPI_latest)

__all__ = [
    "IO",
    "UI",
    "ComfyAPI",
    "ComfyAPISync",
    "ComfyExtension",
    "Input",
    "InputImpl",
    "Types",
    "io",
    "ui",
]
