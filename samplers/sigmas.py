"""Tables made by their own rules, and tables made from tables. Plain lists of floats in, plain lists out.

Values pass through float32, as everywhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from .levels import Levels
from .published import ALIGN_YOUR_STEPS, OPTIMAL_STEPS
from .published_gits import gits_levels


def polyexponential(steps: int, high: float, low: float, rho: float = 1.0) -> list[float]:
    """Powers of an even ramp in log sigma; rho = 1 is exponential (k-diffusion)."""
    import torch

    ramp = torch.linspace(1, 0, steps) ** rho
    values: list[float] = (ramp * (math.log(high) - math.log(low)) + math.log(low)).exp().tolist()
    return [*values, 0.0]


def variance_preserving(steps: int, beta_d: float = 19.9, beta_min: float = 0.1, end: float = 0.001) -> list[float]:
    """Even in the time of a linear-beta VP process: Song et al. 2020, arXiv:2011.13456, appendix C."""
    import torch

    t = torch.linspace(1, end, steps)
    values: list[float] = (beta_d * t**2 / 2 + beta_min * t).expm1().sqrt().tolist()
    return [*values, 0.0]


def laplace(steps: int, high: float, low: float, mu: float = 0.0, beta: float = 0.5) -> list[float]:
    """Quantiles of a Laplace distribution of log sigma, clamped: Hang et al. 2024, arXiv:2407.03297, table 1.

    `steps` values; no 0 at the end.
    """
    import torch

    x = torch.linspace(0, 1, steps)
    lam = mu - beta * torch.sign(0.5 - x) * torch.log(1 - 2 * (0.5 - x).abs() + 1e-5)
    values: list[float] = lam.exp().clamp(min=low, max=high).tolist()
    return values


def turbo(levels: Levels, steps: int, denoise: float = 1.0) -> list[float]:
    """The ten levels adversarial distillation was trained on: Sauer et al. 2023, arXiv:2311.17042.

    Timesteps 999, 899, … 99. Where a model does not count to a thousand, the same fractions of its run are used.
    """
    skip = 10 - int(10 * denoise)
    ranks = range(10 - skip, 0, -1)[:steps]
    if levels.timestep(levels.sigma_max) >= 999:
        return [*(levels.sigma(rank * 100 - 1.0) for rank in ranks), 0.0]
    # At the very start percent_to_sigma would answer "before everything".
    return [*(min(levels.percent_to_sigma(1 - rank / 10), levels.sigma_max) for rank in ranks), 0.0]


def trailing(levels: Levels, steps: int) -> list[float]:
    """Timesteps counted back from the last in equal strides, for models distilled to few steps (SDXL-Lightning).

    Lin et al. 2023, arXiv:2305.08891, section 3.3; 2024, arXiv:2402.13929.
    """
    table = levels.sigmas.tolist()
    stride = len(table) / steps
    return [table[max(round(len(table) - i * stride) - 1, 0)] for i in range(steps)] + [0.0]


def align_your_steps(kind: str, steps: int, denoise: float = 1.0) -> list[float]:
    """Optimised levels of Sabour et al. 2024, arXiv:2404.14507. kind: "SD1", "SDXL" or "SVD"."""
    return from_published(ALIGN_YOUR_STEPS[kind], steps, denoise)


def optimal_steps(kind: str, steps: int, denoise: float = 1.0) -> list[float]:
    """Optimised levels of Pei et al. 2025, arXiv:2503.21774. kind: "FLUX", "Wan" or "Chroma"."""
    return from_published(OPTIMAL_STEPS[kind], steps, denoise)


def gits(coefficient: float, steps: int, denoise: float = 1.0) -> list[float]:
    """Levels found by following the bend of trajectories: Chen et al. 2024, arXiv:2405.11326.

    coefficient: 0.8 to 1.5 in steps of 0.05, the nearest counts; less: more levels at high noise. steps: 2 or more.
    """
    return from_published(gits_levels(coefficient, steps), steps, denoise)


def from_published(levels: Sequence[float], steps: int, denoise: float) -> list[float]:
    """A published table brought to another number of steps in log sigma, its last value 0, its end kept.

    Empty when denoise is 0.
    """
    import torch

    if denoise <= 0:
        return []
    keep = steps if denoise >= 1 else round(steps * denoise)
    values = list(levels) if steps + 1 == len(levels) else resampled(levels, steps + 1)
    kept = values[-(keep + 1) :]
    out: list[float] = torch.tensor([*kept[:-1], 0.0], dtype=torch.float32).tolist()
    return out


def resampled(levels: Sequence[float], count: int) -> list[float]:
    """`count` values from the piecewise linear curve through log(levels)."""
    logs = [math.log(value) for value in levels]
    values = []
    for i in range(count):
        at = i * (len(logs) - 1) / (count - 1) if count > 1 else 0.0
        low = min(int(at), len(logs) - 2)
        values.append(math.exp(logs[low] + (at - low) * (logs[low + 1] - logs[low])))
    return values


def shifted_by_tokens(
    steps: int,
    tokens: int,
    max_shift: float = 2.05,
    base_shift: float = 0.95,
    *,
    stretch: bool = True,
    terminal: float = 0.1,
) -> list[float]:
    """Straight-path levels shifted by the size of the latent: LTX-Video, HaCohen et al. 2024, arXiv:2501.00103.

    The shift is linear in tokens, base at 1024 and max at 4096. `stretch` scales them to end at `terminal` before 0.
    """
    import torch

    slope = (max_shift - base_shift) / (4096 - 1024)
    factor = math.exp(tokens * slope + base_shift - slope * 1024)
    t = torch.linspace(1.0, 0.0, steps + 1)
    sigmas = torch.where(t != 0, factor / (factor + (1 / t - 1)), torch.zeros(()))
    if stretch:
        done = 1.0 - sigmas[:-1]
        sigmas[:-1] = 1.0 - done / (done[-1] / (1.0 - terminal))
    values: list[float] = sigmas.tolist()
    return values


def flux2(steps: int, width: int, height: int) -> list[float]:
    """FLUX.2's levels: the shift depends on picture size (pixels) and on the number of steps (Black Forest Labs)."""
    import torch

    tokens = width * height / 256
    many = 0.00016927 * tokens + 0.45666666
    few = 8.73809524e-05 * tokens + 1.89833333
    mu = many if tokens > 4300 else many + (many - few) / 190.0 * (steps - 200.0)
    t = torch.linspace(1, 0, steps + 1)
    values: list[float] = (math.exp(mu) / (math.exp(mu) + (1 / t - 1))).tolist()
    return values


def manual(text: str) -> list[float]:
    """Every decimal number in a text. An exponent is not part of one: "-1.5e1" reads as -1.5 and 1."""
    import torch

    found: list[float] = torch.tensor(
        [float(n) for n in re.findall(r"[-+]?(?:\d*\.*\d+)", text)], dtype=torch.float32
    ).tolist()
    return found


def split(sigmas: Sequence[float], step: int) -> tuple[list[float], list[float]]:
    """Before and after a step; both hold the level between them."""
    return list(sigmas[: step + 1]), list(sigmas[step:])


def split_denoise(sigmas: Sequence[float], denoise: float) -> tuple[list[float], list[float]]:
    """The second part keeps round(steps * denoise) steps; if that is none, the first is empty too, as elsewhere."""
    keep = round(max(len(sigmas) - 1, 0) * denoise)
    return list(sigmas[: -keep if keep else 0]), list(sigmas[-(keep + 1) :])


def flipped(sigmas: Sequence[float]) -> list[float]:
    """Upwards, for inversion. A leading 0 becomes 0.0001: no slope is defined at 0."""
    turned = list(sigmas[::-1])
    return [0.0001, *turned[1:]] if turned and turned[0] == 0 else turned


def with_first(sigmas: Sequence[float], sigma: float) -> list[float]:
    """Another first level."""
    return [sigma, *sigmas[1:]]


SPACINGS: Mapping[str, Callable[[float], float]] = {
    "linear": lambda x: x,
    "cosine": lambda x: math.sin(x * math.pi / 2),
    "sine": lambda x: 1 - math.cos(x * math.pi / 2),
}
"""Where extra levels go inside a step; "cosine" crowds them at its end, "sine" at its beginning."""


def extended(
    sigmas: Sequence[float], parts: int, begin: float, end: float, spacing: Literal["linear", "cosine", "sine"]
) -> list[float]:
    """Cut every step that begins between `begin` (negative: no limit) and `end` into `parts`."""
    top = math.inf if begin < 0 else begin
    shares = [SPACINGS[spacing](k / parts) for k in range(1, parts)]
    out: list[float] = []
    for i, sigma in enumerate(sigmas):
        out.append(sigma)
        if i + 1 < len(sigmas) and end <= sigma <= top:
            out += [sigma + share * (sigmas[i + 1] - sigma) for share in shares]
    return out


def at_percent(levels: Levels, percent: float, *, actual: bool = False) -> float:
    """The level at a fraction of the run. `actual`: the table's own ends instead of "before everything" and 0."""
    if actual and percent == 0:
        return levels.sigma_max
    if actual and percent == 1:
        return levels.sigma_min
    return levels.percent_to_sigma(percent)
