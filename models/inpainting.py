"""The extra input channels of inpainting networks: a mask and the latent of the picture without what it covers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import Unsupported
from .handles import Model
from .picture.batches import fit_latent
from .resample import resample
from .values import CondEntry

BLANK = (0.8223, -0.6876, 0.6364, 0.1380)
"""Mid grey seen through SD1's autoencoder, in the model's scale."""


def concat_for(entry: CondEntry, model: Model, latent: Tensor, mask: Tensor | None) -> Tensor | None:
    """b 1+c h w for a network with that many more inputs than outputs; None for an ordinary one.

    The entry's own picture and mask come first, then the latent and noise mask of the run, else all is generated.
    latent, mask: b c h w of the run, in the model's scale.
    """
    extra = model.unet.config.in_channels - model.latent.channels
    if extra == 0:
        return None
    if extra != 1 + model.latent.channels:
        raise Unsupported(
            "a network with other extra inputs than inpainting ones", got=f"{extra} extra channels",
            expected=f"0 or {1 + model.latent.channels}",
        )
    chosen = entry.concat_mask if entry.concat_mask is not None else mask
    if chosen is None:
        blank = torch.tensor(BLANK, device=latent.device).view(1, -1, 1, 1).expand_as(latent)
        return torch.cat([torch.ones_like(latent[:, :1]), blank], dim=1)
    picture = latent
    if entry.concat_latent is not None:
        own = entry.concat_latent.to(latent)
        picture = (own - model.latent.shift) * model.latent.scale
    return torch.cat([_mask_like(chosen, latent), spread(fit_latent(picture, latent), len(latent))], dim=1)


def _mask_like(mask: Tensor, latent: Tensor) -> Tensor:
    """0 or 1 per cell: b 1 h w."""
    if mask.ndim == 4:
        mask = mask[:, :1]
    mask = mask.reshape(-1, 1, *mask.shape[-2:]).to(latent)
    if mask.shape[-2:] != latent.shape[-2:]:
        mask = resample(mask, latent.shape[-1], latent.shape[-2], "bilinear", "center")
    return spread(mask.round(), len(latent))


def spread(x: Tensor, count: int) -> Tensor:
    """Take `count` items of x: b … evenly: ends meet ends when fewer are wanted, each is repeated when more."""
    have = len(x)
    if have == count:
        return x
    if count <= 1:
        return x[:count]
    if count < have:
        picks = [min(round(i * (have - 1) / (count - 1)), have - 1) for i in range(count)]
    else:
        picks = [min(math.floor((i + 0.5) * have / count), have - 1) for i in range(count)]
    return x[picks]
