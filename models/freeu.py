"""FreeU: amplify what the decoder of a U-Net makes itself, damp the low frequencies of what its skips bring.

Si et al. 2023, arXiv:2309.11497.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from .layers.call import Site


@dataclass(frozen=True)
class FreeU:
    """by_width: channels of a map -> (backbone, skip) factors. adaptive: the backbone's factor follows the map."""

    by_width: Mapping[int, tuple[float, float]]
    adaptive: bool = False

    def __call__(self, h: Tensor, skip: Tensor, site: Site) -> tuple[Tensor, Tensor]:
        import torch

        if h.shape[1] not in self.by_width:
            return h, skip
        backbone, low = self.by_width[h.shape[1]]
        half = h.shape[1] // 2
        factor = (backbone - 1.0) * relative(h) + 1.0 if self.adaptive else backbone
        return torch.cat([h[:, :half] * factor, h[:, half:]], dim=1), damped(skip, low)


def relative(h: Tensor) -> Tensor:
    """The mean over channels, between 0 and 1 in each item: b 1 h w. A flat map is all 0."""
    mean = h.mean(dim=1, keepdim=True)
    low, high = mean.amin(dim=(2, 3), keepdim=True), mean.amax(dim=(2, 3), keepdim=True)
    return ((mean - low) / (high - low)).nan_to_num(0.0)


def damped(x: Tensor, factor: float, reach: int = 1) -> Tensor:
    """x: b c h w with frequencies -reach … reach - 1 of both axes times `factor`."""
    import torch

    spectrum = torch.fft.fftn(x.float(), dim=(-2, -1))
    down, across = (torch.fft.fftfreq(n, 1 / n, device=x.device).round() for n in x.shape[-2:])
    near = [(f >= -reach) & (f < reach) for f in (down, across)]
    weights = torch.where(near[0][:, None] & near[1][None, :], factor, 1.0)
    return torch.fft.ifftn(spectrum * weights, dim=(-2, -1)).real.to(x.dtype)
