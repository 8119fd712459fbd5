"""Files behind what is shown: pictures and sound in the output and temp folders."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

import torch

from comfy_api.latest._io import FolderType
from comfy_api.latest._ui_sound import packed

from .....models.picture import codec
from .....nodes.store import Files

if TYPE_CHECKING:
    from ....host import Host

HOST: Host
SHOWN_LEVEL = 1
EXIF_PROMPT, EXIF_FIRST = 0x0110, 0x010F
"""Tags of animated WebP: the prompt's, and the first of those that count down for the rest."""


class SavedResult(dict):
    """A file as the editor finds it."""

    def __init__(self, filename: str, subfolder: str, type: FolderType) -> None:
        super().__init__(filename=filename, subfolder=subfolder, type=FolderType(type).value)

    @property
    def filename(self) -> str:
        return str(self["filename"])

    @property
    def subfolder(self) -> str:
        return str(self["subfolder"])

    @property
    def type(self) -> FolderType:
        return FolderType(self["type"])


def preview_prefix() -> str:
    """File names of what is looked at once."""
    return "ComfyUI_temp_" + "".join(secrets.choice(ascii_lowercase) for _ in range(5))


def workflow_texts(cls: Any) -> dict[str, str]:
    """What a node class in a call (`cls`) writes about the making of its files."""
    hidden = None if cls is None else cls.hidden
    if not HOST.services[Files].metadata or not hidden:
        return {}
    known = {"prompt": hidden.prompt, **(hidden.extra_pnginfo or {})}
    return {key: json.dumps(value) for key, value in known.items() if value is not None}


def written(
    prefix: str, folder: FolderType, size: tuple[int, int], suffix: str, batch: Sequence[Callable[[], bytes]]
) -> list[SavedResult]:
    """Numbered files, one for each of the batch. size: width, height."""
    files = HOST.services[Files]
    slot = files.slot(prefix, *size, FolderType(folder).value)
    counter = slot.counter
    results = []
    for index, encoded in enumerate(batch):
        saved = files.save(slot, counter, suffix, encoded(), index)
        counter = saved.counter + 1
        results.append(SavedResult(saved.path.name, saved.subfolder, folder))
    return results


def save_background(image: torch.Tensor) -> str:
    """One picture, h w c, in the temp folder; where the editor's 3D view finds it."""
    (saved,) = written("bg", FolderType.temp, _size(image[None]), "png", [lambda: codec.png(image, {}, SHOWN_LEVEL)])
    return f"temp/{saved.filename}"


def _size(images: Any) -> tuple[int, int]:
    return images[0].shape[1], images[0].shape[0]


class ImageSaveHelper:
    """Pictures b h w c in 0..1 to files. cls: the node class, whose hidden values the files carry; or None."""

    @staticmethod
    def _convert_tensor_to_pil(image_tensor: torch.Tensor) -> Any:
        from PIL import Image

        return Image.fromarray(codec.to_bytes(image_tensor).numpy())

    @staticmethod
    def save_images(
        images: Any, filename_prefix: str, folder_type: FolderType, cls: Any, compress_level: int = 4
    ) -> list[SavedResult]:
        """One PNG each."""
        texts = workflow_texts(cls)
        batch = [partial(codec.png, one, texts, compress_level) for one in images]
        return written(filename_prefix, folder_type, _size(images), "png", batch)

    @staticmethod
    def save_animated_png(
        images: Any, filename_prefix: str, folder_type: FolderType, cls: Any, fps: float, compress_level: int
    ) -> SavedResult:
        """All in one animated PNG."""
        data = codec.animated_png(_batch(images), workflow_texts(cls), fps, compress_level)
        return written(filename_prefix, folder_type, _size(images), "png", [lambda: data])[0]

    @staticmethod
    def save_animated_webp(
        images: Any,
        filename_prefix: str,
        folder_type: FolderType,
        cls: Any,
        fps: float,
        lossless: bool,
        quality: int,
        method: int,
    ) -> SavedResult:
        """All in one animated WebP."""
        exif: dict[int, str] = {}
        free = EXIF_FIRST
        for key, text in workflow_texts(cls).items():
            if key == "prompt":
                exif[EXIF_PROMPT] = f"{key}:{text}"
            else:
                exif[free] = f"{key}:{text}"
                free -= 1
        data = codec.animated_webp(_batch(images), exif, fps, lossless, quality, method)
        return written(filename_prefix, folder_type, _size(images), "webp", [lambda: data])[0]

    @staticmethod
    def get_save_images_ui(images: Any, filename_prefix: str, cls: Any, compress_level: int = 4) -> Any:
        from comfy_api.latest._ui import SavedImages

        save = ImageSaveHelper.save_images
        return SavedImages(save(images, filename_prefix, FolderType.output, cls, compress_level))

    @staticmethod
    def get_save_animated_png_ui(images: Any, filename_prefix: str, cls: Any, fps: float, compress_level: int) -> Any:
        from comfy_api.latest._ui import SavedImages

        save = ImageSaveHelper.save_animated_png
        saved = save(images, filename_prefix, FolderType.output, cls, fps, compress_level)
        return SavedImages([saved], is_animated=len(images) > 1)

    @staticmethod
    def get_save_animated_webp_ui(
        images: Any, filename_prefix: str, cls: Any, fps: float, lossless: bool, quality: int, method: int
    ) -> Any:
        from comfy_api.latest._ui import SavedImages

        save = ImageSaveHelper.save_animated_webp
        saved = save(images, filename_prefix, FolderType.output, cls, fps, lossless, quality, method)
        return SavedImages([saved], is_animated=len(images) > 1)


def _batch(images: Any) -> torch.Tensor:
    return images if isinstance(images, torch.Tensor) else torch.stack(list(images))


class AudioSaveHelper:
    """Sound, {waveform: b channels n in -1..1, sample_rate}, to files."""

    @staticmethod
    def save_audio(
        audio: Mapping[str, Any],
        filename_prefix: str,
        folder_type: FolderType,
        cls: Any,
        format: str = "flac",
        quality: str = "128k",
    ) -> list[SavedResult]:
        """One file each: FLAC of 16 bits, or mp3 and opus in that `quality`, which need PyAV."""
        from .....models.sound import flac

        texts = workflow_texts(cls)
        rate = int(audio["sample_rate"])
        sounds = audio["waveform"].cpu()
        batch = [partial(flac, one, rate, texts) for one in sounds]
        if format != "flac":
            batch = [partial(packed, one, rate, format, quality, texts) for one in sounds]
        return written(filename_prefix, folder_type, (0, 0), format, batch)

    @staticmethod
    def get_save_audio_ui(
        audio: Mapping[str, Any], filename_prefix: str, cls: Any, format: str = "flac", quality: str = "128k"
    ) -> Any:
        from comfy_api.latest._ui import SavedAudios

        save = AudioSaveHelper.save_audio
        return SavedAudios(save(audio, filename_prefix, FolderType.output, cls, format, quality))
