"""Which sigmas a run visits: pure functions of (levels, steps), steps + 1 values ending in 0 unless said otherwise.

Float32 arithmetic throughout, so that tables equal those that saved workflows were made with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from .integrate import Sampler
from .levels import Levels
from .prediction import Sampling

Schedule = Callable[[Levels, int], list[float]]


def simple(levels: Levels, steps: int) -> list[float]:
    """Every (N / steps)-th entry of the model's table, from the top."""
    table = levels.sigmas.tolist()
    stride = len(table) / steps
    return [table[-(1 + int(i * stride))] for i in range(steps)] + [0.0]


def normal(levels: Levels, steps: int) -> list[float]:
    """Timesteps evenly spaced from first to last. A model whose last level is 0 already needs no extra 0."""
    import torch

    start, end = levels.timestep(levels.sigma_max), levels.timestep(levels.sigma_min)
    if math.isclose(levels.sigma(end), 0.0, abs_tol=1e-5):
        return [levels.sigma(float(t)) for t in torch.linspace(start, end, steps + 1)]
    return [levels.sigma(float(t)) for t in torch.linspace(start, end, steps)] + [0.0]


def sgm_uniform(levels: Levels, steps: int) -> list[float]:
    """Timesteps evenly spaced, the last of them left out."""
    import torch

    start, end = levels.timestep(levels.sigma_max), levels.timestep(levels.sigma_min)
    return [levels.sigma(float(t)) for t in torch.linspace(start, end, steps + 1)[:-1]] + [0.0]


def ddim_uniform(levels: Levels, steps: int) -> list[float]:
    """Whole strides through the table from its second entry up: Song et al. 2020, arXiv:2010.02502.

    The stride is an integer, so the length may differ from steps + 1, and the first value lies below sigma_max.
    """
    table = levels.sigmas.tolist()
    if math.isclose(table[1], 0.0, abs_tol=1e-5):
        return table[1 :: max(len(table) // (steps + 1), 1)][::-1]
    return [0.0, *table[1 :: max(len(table) // steps, 1)]][::-1]


def karras(levels: Levels, steps: int) -> list[float]:
    """Even in sigma^(1/7): Karras et al. 2022, arXiv:2206.00364, eq. 5."""
    return karras_between(levels.sigma_min, levels.sigma_max, steps)


def karras_between(low: float, high: float, steps: int, rho: float = 7.0) -> list[float]:
    import torch

    ramp = torch.linspace(0, 1, steps)
    a, b = high ** (1 / rho), low ** (1 / rho)
    values: list[float] = ((a + ramp * (b - a)) ** rho).tolist()
    return [*values, 0.0]


def exponential(levels: Levels, steps: int) -> list[float]:
    """Even in log sigma."""
    return exponential_between(levels.sigma_min, levels.sigma_max, steps)


def exponential_between(low: float, high: float, steps: int) -> list[float]:
    import torch

    values: list[float] = torch.linspace(math.log(high), math.log(low), steps).exp().tolist()
    return [*values, 0.0]


def beta(levels: Levels, steps: int) -> list[float]:
    """Quantiles of a Beta(0.6, 0.6) over the table: Lee et al. 2024, arXiv:2407.12173."""
    return beta_quantiles(levels, steps, 0.6, 0.6)


def beta_quantiles(levels: Levels, steps: int, a: float, b: float) -> list[float]:
    """Entries that fall on the same place are kept once, so many steps over a short table give fewer."""
    from scipy.stats import beta as distribution

    table = levels.sigmas.tolist()
    share = 1.0 / steps
    at = [1.0 - i * share for i in range(steps)]
    places = [round(q * (len(table) - 1)) for q in distribution.ppf(at, a, b).tolist()]
    return [table[k] for i, k in enumerate(places) if i == 0 or k != places[i - 1]] + [0.0]


def linear_quadratic(levels: Levels, steps: int) -> list[float]:
    """A slow straight start, then a parabola: Polyak et al. 2024 (Movie Gen), arXiv:2410.13720, section 3.4."""
    import torch

    if steps == 1:
        return [levels.sigma_max, 0.0]
    threshold = 0.025
    line = steps // 2
    rest = steps - line
    gap = line - threshold * steps
    a = gap / (line * rest**2)
    b = threshold / line - 2 * gap / rest**2
    c = a * line**2
    done = [i * threshold / line for i in range(line)] + [a * i * i + b * i + c for i in range(line, steps)] + [1.0]
    values: list[float] = (torch.tensor([1.0 - u for u in done]) * levels.sigma_max).tolist()
    return values


def kl_optimal(levels: Levels, steps: int) -> list[float]:
    """Even in atan(sigma): Sabour et al. 2024 (Align Your Steps), arXiv:2404.14507, theorem 3.1.

    One step is the whole way; the formula itself is 0 / 0 there.
    """
    import torch

    if steps == 1:
        return [levels.sigma_max, 0.0]
    r = torch.arange(steps, dtype=torch.float32) / (steps - 1)
    values: list[float] = (r * math.atan(levels.sigma_min) + (1 - r) * math.atan(levels.sigma_max)).tan().tolist()
    return [*values, 0.0]


SCHEDULES: Mapping[str, Schedule] = {
    "simple": simple,
    "sgm_uniform": sgm_uniform,
    "karras": karras,
    "exponential": exponential,
    "ddim_uniform": ddim_uniform,
    "beta": beta,
    "normal": normal,
    "linear_quadratic": linear_quadratic,
    "kl_optimal": kl_optimal,
}


def without_second_last(sigmas: list[float]) -> list[float]:
    return sigmas[:-2] + sigmas[-1:]


def sigmas_for(
    sampling: Sampling, scheduler: str | Schedule, steps: int, denoise: float = 1.0, row: Sampler | None = None
) -> list[float]:
    """The levels a run visits. Empty when denoise is 0 or less: there is nothing to do.

    A denoise below 1 makes the table of int(steps / denoise) steps and keeps its end. `row` is given by KSampler
    only: some rows want the last positive level left out, and only KSampler keeps all values where a schedule gives
    more than steps + 1 of them.
    """
    dropping = row is not None and row.drop_second_last

    def table(count: int) -> list[float]:
        schedule = SCHEDULES[scheduler] if isinstance(scheduler, str) else scheduler
        made = schedule(sampling.levels, count + 1 if dropping else count)
        return without_second_last(made) if dropping else made

    if denoise > 0.9999:
        return table(steps) if row is not None else table(steps)[-(steps + 1) :]
    return table(int(steps / denoise))[-(steps + 1) :] if denoise > 0 else []


def cut(sigmas: Sequence[float], start: int = 0, end: int | None = None, *, leftover: bool = False) -> list[float]:
    """Steps `start` to `end` of a table, for a run in stages. Empty when nothing is left to do.

    A stage that stops early ends in 0 all the same, unless `leftover` noise is wanted.
    """
    kept = list(sigmas)
    if end is not None and end < len(kept) - 1:
        kept = kept[: end + 1]
        if not leftover:
            kept[-1] = 0.0
    return kept[start:] if start < len(kept) - 1 else []
