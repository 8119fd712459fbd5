"""Making the batches, channels and sizes of two tensors fit each other."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

from ...errors import InputError
from ..resample import resample


def fit_batch(x: Tensor, count: int) -> Tensor:
    """Cut or cyclically repeat x: b … to `count` items."""
    if x.shape[0] == count:
        return x
    if x.shape[0] > count:
        return x[:count]
    times = math.ceil(count / x.shape[0])
    return x.repeat(times, *([1] * (x.ndim - 1)))[:count]


def fit_latent(x: Tensor, like: Tensor) -> Tensor:
    """Bring x: b c … h w to the height and width of `like` (bilinear, the middle kept); the batch stays."""
    if x.shape[1:] != like.shape[1:]:
        x = resample(x, like.shape[-1], like.shape[-2], "bilinear", "center")
    if x.shape[1:] != like.shape[1:]:
        raise InputError(
            "these latents belong to different kinds of model",
            got=f"{x.shape[1]} and {like.shape[1]} channels",
            expected="the same channels and frames",
        )
    return x


def resize_picture(x: Tensor, width: int, height: int, method: str, crop: str = "disabled") -> Tensor:
    """`resample` for pictures. x: b h w c."""
    return resample(x.movedim(-1, 1), width, height, method, crop).movedim(1, -1)


def resize_mask(mask: Tensor, width: int, height: int) -> Tensor:
    """Bilinear. mask: [b] h w → b h w."""
    return F.interpolate(as_masks(mask)[:, None], size=(height, width), mode="bilinear")[:, 0]


def as_masks(mask: Tensor) -> Tensor:
    """h w, b h w or b 1 h w → b h w."""
    return mask.reshape(-1, mask.shape[-2], mask.shape[-1])


def add_alpha(picture: Tensor, channels: int) -> Tensor:
    """Append opaque channels to picture: b h w c until it has `channels`."""
    return F.pad(picture, (0, max(0, channels - picture.shape[-1])), value=1.0)


def same_channels(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """The second picture loses what the first has not, or gains an opaque alpha. b h w c."""
    channels = first.shape[-1]
    return first, add_alpha(second[..., :channels], channels)
