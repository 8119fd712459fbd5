"""Deep shrink: a U-Net's middle works on smaller maps while a picture is planned (Kohya 2023, kohya_hires_fix)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from .layers.call import Site


@dataclass(frozen=True)
class Shrink:
    """After input block `block`, between two levels. factor: by which sides shrink; below 1 they grow."""

    block: int
    factor: float
    high: float
    low: float
    method: str

    def __call__(self, h: Tensor, site: Site) -> Tensor:
        from .resample import resample

        if site.number != self.block or not self.low <= site.call.sigma <= self.high:
            return h
        height, width = (round(side * (1.0 / self.factor)) for side in h.shape[-2:])
        return resample(h, width, height, self.method)


@dataclass(frozen=True)
class Regrow:
    """Ahead of an output block whose skip is of another size."""

    method: str

    def __call__(self, h: Tensor, skip: Tensor, site: Site) -> tuple[Tensor, Tensor]:
        from .resample import resample

        if h.shape[2] != skip.shape[2]:
            h = resample(h, skip.shape[-1], skip.shape[-2], self.method)
        return h, skip
