"""More parts for `guides.Guiding`, each from its paper: changes before the combination, other combinations, and changes
of the result.

Tensors are clean estimates, b c *space; noise directions are x minus an estimate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from .guidance import CFG, Guidance
from .integrate import Estimates
from .path import Path

if TYPE_CHECKING:
    from torch import Tensor

    from .guides import ChangePair, ChangeResult, Combine, Pair


def inner(a: Tensor, b: Tensor) -> Tensor:
    """Scalar product per item, shaped to broadcast."""
    return (a * b).flatten(1).sum(dim=1).reshape(-1, *([1] * (a.ndim - 1)))


@dataclass(frozen=True)
class TangentialDamping:
    """Keep of the negative direction what it shares with the positive one: TCFG, Kwon et al. 2025, arXiv:2503.18137.

    The shared direction is the first right singular vector of the two.
    """

    compares: ClassVar[bool] = True

    def start(self, scale: float) -> ChangePair:
        import torch

        def change(x: Tensor, cond: Tensor, uncond: Tensor, sigma: float) -> Pair:
            both = torch.stack([(x - uncond).flatten(1), (x - cond).flatten(1)], dim=1)
            shared = torch.linalg.svd(both, full_matrices=False).Vh[:, :1]
            damped = (both[:, :1] @ shared.transpose(1, 2)) @ shared
            return cond, x - damped.reshape_as(x)

        return change


@dataclass(frozen=True)
class Interval:
    """Guidance only between two levels: Kynkäänniemi et al. 2024, arXiv:2404.07724. Outside, the positive estimate."""

    low: float = 0.0
    high: float = math.inf
    inside: Combine | None = None

    def start(self, scale: float) -> Guidance:
        guide = CFG(scale) if self.inside is None else self.inside.start(scale)

        def guided(x: Tensor, cond: Tensor, uncond: Tensor, sigma: float) -> Estimates:
            if self.low <= sigma <= self.high:
                return guide(x, cond, uncond, sigma)
            return Estimates(cond, cond, uncond)

        return guided


@dataclass(frozen=True)
class Renorm:
    """Guidance whose result is no longer than `longest` times the positive estimate, and only below `below`.

    Lumina-Image 2.0, Qin et al. 2025, arXiv:2503.21758, section 3.4. longest = 0: no bound. The bound is on the whole
    batch, as where saved workflows come from.
    """

    below: float = 100.0
    longest: float = 1.0

    def start(self, scale: float) -> Guidance:
        def guided(x: Tensor, cond: Tensor, uncond: Tensor, sigma: float) -> Estimates:
            if sigma >= self.below:
                return Estimates(cond, cond, uncond)
            mixed = uncond + scale * (cond - uncond)
            if self.longest > 0:
                mixed = mixed * (self.longest * cond.norm() / mixed.norm()).clamp(max=1.0)
            return Estimates(mixed, cond, uncond)

        return guided


@dataclass(frozen=True)
class ZeroStar:
    """Scale the negative estimate to its best match before extrapolating: CFG-Zero*, Fan et al. 2025,
    arXiv:2503.18886, eq. 9. The match is measured on noise directions."""

    def start(self, scale: float) -> ChangeResult:
        def follow(x: Tensor, found: Estimates, sigma: float) -> Tensor:
            positive, negative = x - found.cond, x - found.uncond
            match = inner(positive, negative) / (inner(negative, negative) + 1e-8)
            return found.guided + found.uncond * (match - 1.0) * (1.0 - scale)

        return follow


@dataclass(frozen=True)
class Norm:
    """Make the guided estimate no longer than the positive one at each cell, times `strength`."""

    strength: float = 1.0

    def start(self, scale: float) -> ChangeResult:
        def follow(x: Tensor, found: Estimates, sigma: float) -> Tensor:
            kept: Tensor = found.cond.norm(dim=1, keepdim=True) / (found.guided.norm(dim=1, keepdim=True) + 1e-8)
            return found.guided * kept.clamp(max=1.0) * self.strength

        return follow


@dataclass(frozen=True)
class Mahiro:
    """Lean towards the positive direction where the two disagree: yoinked's "mahiro", a heuristic without a paper."""

    def start(self, scale: float) -> ChangeResult:
        import torch.nn.functional as F

        def rooted(v: Tensor) -> Tensor:
            return v.abs().sqrt() * v.sign()

        def follow(x: Tensor, found: Estimates, sigma: float) -> Tensor:
            leap = scale * found.cond
            merged = (leap + found.guided) / 2
            agreement = F.cosine_similarity(rooted(scale * found.uncond), rooted(merged)).mean()
            share = (agreement + 1.0) / 2
            return share * found.guided + (1.0 - share) * leap

        return follow


@dataclass(frozen=True)
class EpsilonScaling:
    """Shrink the predicted noise a little against exposure bias: Ning et al. 2023, arXiv:2308.15321."""

    factor: float = 1.005

    def start(self, scale: float) -> ChangeResult:
        def follow(x: Tensor, found: Estimates, sigma: float) -> Tensor:
            return x - (x - found.guided) / self.factor

        return follow


@dataclass(frozen=True)
class TemporalScore:
    """Rescale the predicted noise by how much signal there is: Xu et al. 2025, arXiv:2510.01184, eq. 6.

    strength: k of the paper, 1 does nothing; deviation: its sigma, larger acts earlier. path: of the model.
    """

    path: Path
    strength: float = 0.95
    deviation: float = 1.0

    def start(self, scale: float) -> ChangeResult:
        def follow(x: Tensor, found: Estimates, sigma: float) -> Tensor:
            alpha = self.path.alpha(sigma)
            if self.strength == 1 or sigma == 0 or alpha <= 0:
                return found.guided
            signal = (alpha / sigma * self.deviation) ** 2
            ratio = (signal + 1) / (signal / self.strength + 1)
            return x / alpha + ratio * (found.guided - x / alpha)

        return follow


@dataclass(frozen=True)
class DynamicThreshold:
    """Pull in the tails that strong guidance stretches: Saharia et al. 2022, arXiv:2205.11487, section 2.3.

    Latents have no natural bound, so the bound is the `percentile` of deviations from the channel's mean that guidance
    at the milder `mimic` scale would have had.
    """

    mimic: float = 7.0
    percentile: float = 0.995

    def start(self, scale: float) -> ChangeResult:
        import torch

        def spread(v: Tensor) -> Tensor:
            centred = (v - v.flatten(2).mean(dim=2).reshape(*v.shape[:2], *([1] * (v.ndim - 2)))).abs()
            return torch.quantile(centred.flatten(1), self.percentile, dim=1).reshape(-1, *([1] * (v.ndim - 1)))

        def follow(x: Tensor, found: Estimates, sigma: float) -> Tensor:
            mild = found.uncond + self.mimic * (found.cond - found.uncond)
            mean = found.guided.flatten(2).mean(dim=2).reshape(*x.shape[:2], *([1] * (x.ndim - 2)))
            wide, bound = spread(found.guided), spread(mild)
            centred = (found.guided - mean).clamp(-wide, wide)
            return mean + centred * (bound / wide.clamp(min=1e-12)).clamp(max=1.0)

        return follow


@dataclass(frozen=True)
class Deviation:
    """Give the result, by `share`, the deviation of the positive estimate, between two levels. Over the batch."""

    share: float
    low: float = 0.0
    high: float = math.inf

    def start(self, scale: float) -> ChangeResult:
        def follow(x: Tensor, found: Estimates, sigma: float) -> Tensor:
            if not self.low <= sigma <= self.high:
                return found.guided
            return away_from(found.guided, found.cond, found.cond, 0.0, self.share)

        return follow


def perp_neg(cond: Tensor, uncond: Tensor, empty: Tensor, scale: float, negative_scale: float) -> Tensor:
    """Only that part of the negative prompt that does not oppose the positive one: Armandpour et al. 2023,
    arXiv:2304.04968, eq. 6. `empty`: the estimate of the empty prompt. One projection for the whole batch."""
    positive, negative = cond - empty, uncond - empty
    across: Tensor = negative - (negative * positive).sum() / (positive.norm() ** 2) * positive
    return empty + scale * (positive - negative_scale * across)


def away_from(guided: Tensor, cond: Tensor, weak: Tensor, scale: float, rescale: float = 0.0) -> Tensor:
    """Push away from a deliberately weakened estimate: perturbed-attention guidance (Ahn et al. 2024,
    arXiv:2403.17377), skipped layers (SLG, Hyung et al. 2024, arXiv:2411.18664), smoothed attention (Hong et al. 2022,
    arXiv:2210.00939). rescale: share by which the result is given the positive estimate's deviation, over the batch."""
    pushed = guided + scale * (cond - weak)
    return pushed * (rescale * (cond.std() / pushed.std()) + (1.0 - rescale)) if rescale else pushed


def dual(
    first: Tensor, second: Tensor, negative: Tensor, first_scale: float, second_scale: float, *, nested: bool
) -> Tensor:
    """Two positive estimates. Side by side: Brooks et al. 2022, arXiv:2211.09800, eq. 3; nested: guide the guided."""
    if nested:
        between = second + first_scale * (first - second)
        return negative + second_scale * (between - negative)
    return negative + second_scale * (second - negative) + first_scale * (first - second)
