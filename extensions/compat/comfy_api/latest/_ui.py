"""What nodes show: pictures, sound, text, shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from comfy_api.latest._io import FolderType, _UIOutput
from comfy_api.latest._ui_files import AudioSaveHelper, ImageSaveHelper, SavedResult, preview_prefix, save_background


class SavedImages(_UIOutput):
    """Pictures that lie on disk already."""

    def __init__(self, results: Sequence[SavedResult], is_animated: bool = False) -> None:
        self.results = list(results)
        self.is_animated = is_animated

    def as_dict(self) -> dict[str, Any]:
        return {"images": self.results, **({"animated": (True,)} if self.is_animated else {})}


class SavedAudios(_UIOutput):
    """Sound that lies on disk already."""

    def __init__(self, results: Sequence[SavedResult]) -> None:
        self.results = list(results)

    def as_dict(self) -> dict[str, Any]:
        return {"audio": self.results}


class PreviewImage(_UIOutput):
    """Pictures, b h w c in 0..1, written to the temp folder."""

    def __init__(self, image: torch.Tensor, animated: bool = False, cls: Any = None, **kwargs: Any) -> None:
        self.values = ImageSaveHelper.save_images(image, preview_prefix(), FolderType.temp, cls, compress_level=1)
        self.animated = animated

    def as_dict(self) -> dict[str, Any]:
        return {"images": self.values, "animated": (self.animated,)}


class PreviewMask(PreviewImage):
    """Masks, b h w in 0..1, as grey pictures."""

    def __init__(self, mask: torch.Tensor, animated: bool = False, cls: Any = None, **kwargs: Any) -> None:
        grey = mask.reshape(-1, *mask.shape[-2:], 1).expand(-1, -1, -1, 3)
        super().__init__(grey, animated, cls, **kwargs)


class PreviewAudio(_UIOutput):
    """Sound, written to the temp folder."""

    def __init__(self, audio: Mapping[str, Any], cls: Any = None, **kwargs: Any) -> None:
        self.values = AudioSaveHelper.save_audio(audio, preview_prefix(), FolderType.temp, cls)

    def as_dict(self) -> dict[str, Any]:
        return {"audio": self.values}


class PreviewVideo(_UIOutput):
    """Videos that lie on disk already."""

    def __init__(self, values: Sequence[SavedResult | Mapping[str, Any]], **kwargs: Any) -> None:
        self.values = list(values)

    def as_dict(self) -> dict[str, Any]:
        return {"images": self.values, "animated": (True,)}


class PreviewUI3D(_UIOutput):
    """A 3D model's file, how it is looked at, and what lies behind it (`bg_image`: b h w c)."""

    def __init__(self, model_file: Any, camera_info: Any, **kwargs: Any) -> None:
        self.model_file = model_file
        self.camera_info = camera_info
        behind = kwargs.get("bg_image")
        self.bg_image_path = None if behind is None else save_background(behind[0])

    def as_dict(self) -> dict[str, Any]:
        return {"result": [self.model_file, self.camera_info, self.bg_image_path]}


class PreviewText(_UIOutput):
    """A text."""

    def __init__(self, value: str, **kwargs: Any) -> None:
        self.value = value

    def as_dict(self) -> dict[str, Any]:
        return {"text": (self.value,)}


__all__ = [
    "AudioSaveHelper",
    "ImageSaveHelper",
    "PreviewAudio",
    "PreviewImage",
    "PreviewMask",
    "PreviewText",
    "PreviewUI3D",
    "PreviewVideo",
    "SavedAudios",
    "SavedImages",
    "SavedResult",
]
