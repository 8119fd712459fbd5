"""Pictures to latents and back, through a VAE handle. Pictures: b h w c in 0..1; latents: b c h w, unscaled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .handles import Vae
from .picture.batches import as_masks
from .vae.strips import decode_fitting
from .vae.tiled import Tiles, decode_by, decode_tiled, encode_by, encode_tiled

if TYPE_CHECKING:
    from .residency import Residency

BYTES_PER_PIXEL = 3100 * 1.5
"""Working memory of decoding one pixel in float32 at SD1's width: the live tensors, counted, and room to spare."""

Map = Callable[[Tensor], Tensor]


class Coder(Protocol):
    """What is behind a VAE handle. Pictures b 3 H W in -1..1, latents b c h w."""

    def encode(self, x: Tensor) -> Tensor: ...

    def decode(self, z: Tensor) -> Tensor: ...


def decode(vae: Vae, samples: Tensor, residency: Residency) -> Tensor:
    """Whole, item by item; in strips, with the same numbers within rounding, where memory is short."""
    dtype = residency.format(vae.network)
    cell = BYTES_PER_PIXEL * dtype.itemsize / 4 * vae.network.config.ch / 128 * vae.latent.factor**2
    room = available(residency.device)

    def fits(height: int, width: int) -> bool:
        return vae.network.lent is not None or height * width * cell < room  # strips know our own layers only

    with residency.use(vae.network) as network:
        parts = [residency.call(decode_fitting, network, z.to(residency.device, dtype), fits) for z in samples.split(1)]
        return to_picture(torch.cat([part.float().cpu() for part in parts]))


def decode_in_tiles(vae: Vae, samples: Tensor, tile: int, overlap: int, residency: Residency) -> Tensor:
    """tile, overlap: pixels. Raises InputError for an overlap that leaves no way forward."""
    return to_picture(
        _with_decoder(vae, residency, lambda run: decode_tiled(run, samples, tile, overlap, vae.latent.factor))
    )


def decode_by_tiles(vae: Vae, samples: Tensor, tiles: Tiles, residency: Residency) -> Tensor:
    """tiles: in latent cells, taken as they are."""
    return to_picture(_with_decoder(vae, residency, lambda run: decode_by(run, samples, tiles, vae.latent.factor)))


def encode(vae: Vae, picture: Tensor, residency: Residency) -> Tensor:
    """The mean of the latent's distribution; nothing is drawn."""
    pixels = to_network(vae, picture)
    return _with_encoder(vae, residency, lambda run: torch.cat([run(item) for item in pixels.split(1)]))


def encode_in_tiles(vae: Vae, picture: Tensor, tile: int, overlap: int, residency: Residency) -> Tensor:
    """tile, overlap: pixels."""
    pixels = to_network(vae, picture)
    return _with_encoder(vae, residency, lambda run: encode_tiled(run, pixels, tile, overlap, vae.latent.factor))


def encode_by_tiles(vae: Vae, picture: Tensor, tiles: Tiles, residency: Residency) -> Tensor:
    """tiles: in pixels."""
    pixels = to_network(vae, picture)
    return _with_encoder(vae, residency, lambda run: encode_by(run, pixels, tiles, vae.latent.factor))


def _with_decoder(vae: Vae, residency: Residency, work: Callable[[Map], Tensor]) -> Tensor:
    dtype = residency.format(vae.network)
    with residency.use(vae.network) as found:
        network = cast(Coder, found)
        return work(lambda z: residency.call(network.decode, z.to(residency.device, dtype)).float().cpu())


def _with_encoder(vae: Vae, residency: Residency, work: Callable[[Map], Tensor]) -> Tensor:
    dtype = residency.format(vae.network)
    with residency.use(vae.network) as found:
        network = cast(Coder, found)
        return work(lambda x: residency.call(network.encode, x.to(residency.device, dtype)).float().cpu())


def to_picture(x: Tensor) -> Tensor:
    """b 3 h w in -1..1 -> b h w 3 in 0..1."""
    return ((x + 1.0) / 2.0).clamp(0.0, 1.0).movedim(1, -1)


def to_network(vae: Vae, picture: Tensor) -> Tensor:
    """b 3 h w in -1..1, cut in the middle to whole latent cells. Raises InputError below one cell."""
    if picture.shape[-1] < 3:
        raise InputError("the autoencoder wants colours", got=f"{picture.shape[-1]} channels", expected="3")
    cut = to_cells(picture, vae.latent.factor)
    return (cut[..., :3].float() * 2.0 - 1.0).movedim(-1, 1)


def to_cells(picture: Tensor, factor: int) -> Tensor:
    """The middle of a picture b h w c whose sides are multiples of the factor."""
    height, width = (side // factor * factor for side in picture.shape[1:3])
    if not height or not width:
        raise InputError(
            "the picture is smaller than one latent cell",
            got="×".join(map(str, picture.shape[1:3])),
            expected=f"at least {factor}×{factor} pixels",
        )
    top, left = (side % factor // 2 for side in picture.shape[1:3])
    return picture[:, top : top + height, left : left + width]


def mask_on(picture: Tensor, mask: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Picture and mask of the same size, both cut to whole cells. Returns b h w c and b 1 h w."""
    height, width = picture.shape[1:3]
    full = F.interpolate(as_masks(mask)[:, None], size=(height, width), mode="bilinear")
    return to_cells(picture, factor), to_cells(full.movedim(1, -1), factor).movedim(-1, 1)


def greyed(picture: Tensor, mask: Tensor) -> Tensor:
    """Mid grey where the mask selects. picture: b h w c; mask: b 1 h w."""
    keep = (1.0 - mask.round()).movedim(1, -1)
    return (picture[..., :3] - 0.5) * keep + 0.5


def grown(mask: Tensor, by: int) -> Tensor:
    """0 or 1, the selection `by` pixels wider in all (an even number goes further up and left). mask: b 1 h w."""
    hard = mask.round()
    if by == 0:
        return hard
    wide = F.max_pool2d(hard, by, stride=1, padding=by // 2)
    return wide[..., : mask.shape[-2], : mask.shape[-1]]


def available(device: torch.device) -> float:
    """Bytes that are free now; infinite where that cannot be known."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return float("inf")
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return found[0] if found else float("inf")
