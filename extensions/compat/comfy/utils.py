"""`comfy.utils`: progress, files of tensors, resizing, batches, attributes by dotted name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from comfy._state_dicts import (
    ATTR_UNSET,
    calculate_parameters,
    clip_text_transformers_convert,
    convert_sd_to,
    copy_to_param,
    get_attr,
    pack_latents,
    set_attr,
    set_attr_param,
    state_dict_key_replace,
    state_dict_prefix_replace,
    swap_scale_shift,
    transformers_convert,
    unet_to_diffusers,
    unpack_latents,
    weight_dtype,
)
from comfy._tiles import get_tiled_scale_steps, tiled_scale, tiled_scale_multidim
from torch import Tensor

from ....models import resample
from ....models.load import PickleFile, open_weights
from ....models.picture.batches import fit_batch
from ....models.picture.names import IMAGE_METHODS, LATENT_METHODS
from ...calling import CURRENT

__all__ = [
    "ATTR_UNSET", "PROGRESS_BAR_ENABLED", "PROGRESS_BAR_HOOK", "ProgressBar", "bislerp", "calculate_parameters",
    "clip_text_transformers_convert", "comfy_tqdm", "common_upscale", "convert_sd_to", "copy_to_param", "get_attr",
    "get_tiled_scale_steps", "lanczos", "load_torch_file", "pack_latents", "read_all", "repeat_to_batch_size",
    "reshape_mask", "resize_list_to_batch_size", "resize_to_batch_size", "safetensors_header", "save_torch_file",
    "set_attr", "set_attr_param", "set_progress_bar_enabled", "set_progress_bar_global_hook",
    "state_dict_key_replace", "state_dict_prefix_replace", "string_to_seed", "swap_scale_shift", "tiled_scale",
    "tiled_scale_multidim", "transformers_convert", "unet_to_diffusers", "unpack_latents", "upscale_dit_mask",
    "weight_dtype",
]  # fmt: skip

Hook = Callable[..., None]


# --- progress ------------------------------------------------------------------------------------------------


def _report(value: float, total: float, preview: Any = None, node_id: str | None = None) -> None:
    """Tell the run that the calling node belongs to. Raises Interrupted when it was stopped."""
    import comfy.model_management
    import comfy_execution.progress

    comfy.model_management.throw_exception_if_processing_interrupted()
    call = CURRENT.get()
    if node_id is None:
        node_id = "" if call is None else call.ctx.node_id
    comfy_execution.progress.get_progress_state().update_progress(node_id, value, total, preview)


PROGRESS_BAR_ENABLED = True
"""Whether samplers draw a bar in the terminal."""
PROGRESS_BAR_HOOK: Hook | None = _report


def set_progress_bar_enabled(enabled: bool) -> None:
    global PROGRESS_BAR_ENABLED
    PROGRESS_BAR_ENABLED = enabled


def set_progress_bar_global_hook(function: Hook | None) -> None:
    """Whom the bars made from now on tell: (value, total, preview, node_id=)."""
    global PROGRESS_BAR_HOOK
    PROGRESS_BAR_HOOK = function


class ProgressBar:
    """How far the node is that makes it, on any thread. preview: (format, PIL picture, longest side) or None."""

    def __init__(self, total: float, node_id: str | None = None) -> None:
        self.total = total
        self.current: float = 0
        self.hook = PROGRESS_BAR_HOOK
        self.node_id = node_id
        self._made_in = copy_context()

    def update_absolute(self, value: float, total: float | None = None, preview: Any = None) -> None:
        if total is not None:
            self.total = total
        self.current = min(value, self.total)
        if self.hook is not None:
            told = partial(self.hook, self.current, self.total, preview, node_id=self.node_id)
            if CURRENT.get() is None:
                self._made_in.copy().run(told)
            else:
                told()

    def update(self, value: float) -> None:
        self.update_absolute(self.current + value)


@contextmanager
def comfy_tqdm() -> Iterator[None]:
    """While entered, bars of tqdm made in this process are bars of the calling node too."""
    from tqdm import tqdm

    make, advance = tqdm.__init__, tqdm.update

    def made(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        self._progress_bar = ProgressBar(self.total or 0)

    def advanced(self: Any, n: float = 1) -> Any:
        done = advance(self, n)
        self._progress_bar.update(n)
        return done

    tqdm.__init__, tqdm.update = made, advanced
    try:
        yield
    finally:
        tqdm.__init__, tqdm.update = make, advance


# --- files ---------------------------------------------------------------------------------------------------


def load_torch_file(
    ckpt: str | Path, safe_load: bool = False, device: torch.device | None = None, return_metadata: bool = False
) -> Any:
    """Name -> tensor on the processor or `device`; with return_metadata also the file's texts, or None.

    Pickles are always read as `safe_load` says: tensors and plain containers, never code. Raises FileNotFoundError,
    BadWeights.
    """
    path = Path(ckpt)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    metadata = None
    if path.suffix.lower() in (".safetensors", ".sft"):
        weights = open_weights(path)
        with read_all(weights) as tensors:
            loaded: Any = tensors
        metadata = dict(weights.metadata) or None
    else:
        loaded = PickleFile(path, "").loaded
        if isinstance(loaded, dict):
            inner = loaded.get("state_dict", next(iter(loaded.values())) if len(loaded) == 1 else None)
            loaded = inner if isinstance(inner, dict) else loaded
    if device is not None and torch.device(device).type != "cpu":
        loaded = {key: v.to(device) if isinstance(v, Tensor) else v for key, v in loaded.items()}
    return (loaded, metadata) if return_metadata else loaded


@contextmanager
def read_all(weights: Any) -> Iterator[dict[str, Tensor]]:
    """All tensors of one opened file."""
    files = {piece.file for piece in weights.values()}
    found: dict[str, Tensor] = {}
    for file in files:
        with file.open() as read:
            found |= {key: read(piece.key) for key, piece in weights.items() if piece.file is file}
    yield {key: found[key] for key in weights}


def save_torch_file(sd: dict[str, Tensor], ckpt: str | Path, metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file."""
    from safetensors.torch import save_file

    save_file({key: value.contiguous() for key, value in sd.items()}, str(ckpt), metadata=metadata)


def safetensors_header(safetensors_path: str | Path, max_size: int = 100 << 20) -> bytes | None:
    """The header's JSON; None when it claims to be longer than max_size bytes."""
    with Path(safetensors_path).open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        return None if size > max_size else file.read(size)


# --- pictures and latents ------------------------------------------------------------------------------------


def common_upscale(samples: Tensor, width: int, height: int, upscale_method: str, crop: str) -> Tensor:
    """Resize b c *frames h w by a method of torch, `bislerp` or `lanczos`; crop: center or anything else for none."""
    if upscale_method in (*IMAGE_METHODS, *LATENT_METHODS):
        return resample.resample(samples, width, height, upscale_method, crop)
    cut = resample.crop_to_aspect(samples, width, height) if crop == "center" else samples
    flat = cut.movedim(1, -3).flatten(0, -4)
    out = F.interpolate(flat, size=(height, width), mode=upscale_method)
    return out.unflatten(0, (cut.shape[0], *cut.shape[2:-2])).movedim(-3, 1)


def lanczos(samples: Tensor, width: int, height: int) -> Tensor:
    return resample.lanczos(samples, width, height)


def bislerp(samples: Tensor, width: int, height: int) -> Tensor:
    return resample.bislerp(samples, width, height)


def reshape_mask(input_mask: Tensor, output_shape: Any) -> Tensor:
    """A mask stretched to a latent's shape: b|1 1 h w of any size to b c *frames h w."""
    dims = len(output_shape) - 2
    if dims == 1:
        mode = "linear"
    elif dims == 2:
        mode = "bilinear"
        input_mask = input_mask.reshape(-1, 1, input_mask.shape[-2], input_mask.shape[-1])
    else:
        mode = "trilinear"
        if input_mask.ndim < 5:
            input_mask = input_mask.reshape(1, 1, -1, input_mask.shape[-2], input_mask.shape[-1])
    mask = F.interpolate(input_mask, size=tuple(output_shape[2:]), mode=mode)
    if mask.shape[1] < output_shape[1]:
        mask = mask.repeat(1, output_shape[1], *[1] * dims)[:, : output_shape[1]]
    return repeat_to_batch_size(mask, output_shape[0])


def upscale_dit_mask(mask: Tensor, img_size_in: tuple[int, int], img_size_out: tuple[int, int]) -> Tensor:
    """An attention mask over [text | picture] tokens for another picture size. mask: b tokens [tokens]; sizes h, w."""
    (h, w), (new_h, new_w) = img_size_in, img_size_out
    text = mask.shape[-1] - h * w

    def stretched(lines: Tensor, axis: int) -> Tensor:
        """The picture's part of one axis."""
        moved = lines.movedim(axis, -1)
        part = F.interpolate(moved.reshape(-1, 1, h, w), size=(new_h, new_w), mode="nearest-exact")
        return part.reshape(*moved.shape[:-1], new_h * new_w).movedim(-1, axis)

    for axis in range(-(mask.ndim - 1), 0):
        words = mask.narrow(axis, 0, text)
        mask = torch.cat([words, stretched(mask.narrow(axis, text, h * w), axis)], dim=axis)
    return mask


# --- batches -------------------------------------------------------------------------------------------------


def repeat_to_batch_size(tensor: Tensor, batch_size: int, dim: int = 0) -> Tensor:
    """Cut, or repeated in turn, to batch_size items along dim."""
    return tensor if tensor.shape[dim] == batch_size else fit_batch(tensor.movedim(dim, 0), batch_size).movedim(0, dim)


def resize_to_batch_size(tensor: Tensor, batch_size: int) -> Tensor:
    """Items spread evenly over another number of places."""
    places = _spread(len(tensor), batch_size)
    return tensor if places is None else tensor[places]


def resize_list_to_batch_size(l: list[Any], batch_size: int) -> list[Any]:  # noqa: E741
    places = _spread(len(l), batch_size)
    return l if places is None else [l[place] for place in places]


def _spread(count: int, wanted: int) -> list[int] | None:
    if count == wanted:
        return None
    if wanted <= 1:
        return list(range(count))[:wanted]
    if wanted < count:
        return [min(round(i * (count - 1) / (wanted - 1)), count - 1) for i in range(wanted)]
    return [min(int((i + 0.5) * count / wanted), count - 1) for i in range(wanted)]


def string_to_seed(data: bytes | str) -> int:
    """CRC-32 of the bytes: the same text gives the same seed everywhere."""
    import zlib

    return zlib.crc32(data.encode() if isinstance(data, str) else bytes(data))


def get_project_root() -> str:
    """The folder that stands for the program's own."""
    import folder_paths

    return folder_paths.base_path  # type: ignore[no-any-return]
