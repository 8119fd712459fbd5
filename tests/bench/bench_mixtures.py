"""Is `tangent` fitted to one problem? Other data with a closed-form denoiser, against the best known row on each.

python tests/bench/bench_mixtures.py      some minutes on one core

Printed: error of the best known row over ours at as many evaluations, geometric mean of three draws, VE (Karras 14.6 to
0.03) and straight path (simple, shift 3). Known rows have their own levels, none their noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import bench_accuracy

if TYPE_CHECKING:
    from torch import Tensor

EVALUATIONS = (8, 10, 15, 20, 30)
TWICE = ("heun", "dpm_2", "exp_heun_2_x0", "dpm_2_ancestral", "dpmpp_2s_ancestral", "dpmpp_sde", "seeds_2",
         "sa_solver_pece")  # fmt: skip
THRICE = ("seeds_3", "heunpp2")

Denoiser = Callable[["Tensor", float], "Tensor"]
Problem = tuple[Denoiser, tuple[int, ...]]


def elements(seed: int, width: float, reach: float = 1.0, side: int = 8) -> Problem:
    """Two points +m and -m per element, m uniform up to `reach`."""
    import problem
    import torch

    shape = (1, 4, side, side)
    m = (torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1) * reach
    return problem.on_ve(m, width), shape


def unequal(seed: int, count: int, shape: tuple[int, ...]) -> Problem:
    """Per element `count` normal parts with their own places, widths and weights."""
    import torch

    def drawn(k: int, normal: bool = False) -> Tensor:
        generator = torch.Generator().manual_seed(seed + k)
        return (torch.randn if normal else torch.rand)((count, *shape), generator=generator, dtype=torch.float64)

    mean, weight, width = drawn(0, True) * 0.8, drawn(1) + 0.1, drawn(2) * 0.4 + 0.1

    def denoise(x: Tensor, sigma: float) -> Tensor:
        total = width**2 + sigma**2
        share = (weight.log() - total.log() / 2 - (x - mean) ** 2 / (2 * total)).softmax(0)
        return (share * (width**2 * x + sigma**2 * mean) / total).sum(0)

    return denoise, shape


def pictures(
    seed: int, count: int, width: float, *, side: int = 16, pink: bool = False, guidance: float = 1.0
) -> Problem:
    """`count` whole pictures with a 1/f spectrum, each blurred by white or 1/f noise of deviation `width`.

    guidance: of the first quarter of them over all.
    """
    import torch

    shape = (1, 4, side, side)
    steps = torch.fft.fftfreq(side, dtype=torch.float64) * side
    fall = 1 / ((steps[:, None] ** 2 + steps[None] ** 2).sqrt() + 0.5)
    raw = torch.randn((count, *shape), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    mean = torch.fft.ifft2(torch.fft.fft2(raw) * fall).real
    mean = mean / mean.std()
    blur = (fall / fall.square().mean().sqrt() if pink else torch.ones_like(fall)).square() * width**2

    def side_of(chosen: Tensor, x: Tensor, sigma: float) -> Tensor:
        total = blur + sigma**2
        waves = torch.fft.fft2(x - chosen, norm="ortho")
        share = (-(waves.abs() ** 2 / total).flatten(1).sum(1) / 2).softmax(0).view(-1, 1, 1, 1, 1)
        return (share * (chosen + torch.fft.ifft2(blur / total * waves, norm="ortho").real)).sum(0)

    def denoise(x: Tensor, sigma: float) -> Tensor:
        both = side_of(mean, x, sigma)
        return both if guidance == 1 else both + guidance * (side_of(mean[: count // 4], x, sigma) - both)

    return denoise, shape


PROBLEMS: Mapping[str, Callable[[int], Problem]] = {
    "two points, width 0.3": lambda seed: elements(100 + seed, 0.3),
    "two points, width 0.15": lambda seed: elements(200 + seed, 0.15),
    "two points, width 0.6": lambda seed: elements(300 + seed, 0.6),
    "two points, twice as far, 16 × 16": lambda seed: elements(400 + seed, 0.3, 2.0, 16),
    "4 unequal parts": lambda seed: unequal(500 + seed, 4, (1, 4, 8, 8)),
    "6 unequal parts, 8 × 12 × 12": lambda seed: unequal(600 + seed, 6, (1, 8, 12, 12)),
    "8 pictures": lambda seed: pictures(700 + seed, 8, 0.2),
    "12 pictures, 24 × 24": lambda seed: pictures(800 + seed, 12, 0.3, side=24),
    "16 pictures, 1/f": lambda seed: pictures(1100 + seed, 16, 0.6, pink=True),
    "8 pictures, guidance 5": lambda seed: pictures(1000 + seed, 8, 0.25, guidance=5.0),
    "16 pictures, 1/f, guidance 5": lambda seed: pictures(1200 + seed, 16, 0.6, pink=True, guidance=5.0),
    "24 pictures, 1/f, guidance 8": lambda seed: pictures(1300 + seed, 24, 0.5, pink=True, guidance=8.0),
}


def on(grid: str, denoise: Denoiser) -> Denoiser:
    """The same data on either path."""
    if grid == "ve":
        return denoise
    far = 1e-6
    return lambda x, sigma: denoise(x / max(1 - sigma, far), sigma / max(1 - sigma, far))


def solved(denoise: Denoiser, x: Tensor, begin: float, end: float) -> Tensor:
    """Where the flow ends, by DOP853 in log sigma; at 0 by the estimate from 1e-6."""
    import numpy as np
    import torch
    from scipy.integrate import solve_ivp

    stop = max(end, 1e-6)

    def slope(tau: float, flat: Any) -> Any:
        state = torch.from_numpy(flat).view(x.shape)
        return (denoise(state, math.exp(-tau)) - state).reshape(-1).numpy()

    span = (-np.log(begin), -np.log(stop))
    found = solve_ivp(slope, span, x.reshape(-1).numpy(), method="DOP853", rtol=1e-10, atol=1e-11)
    state = torch.from_numpy(found.y[:, -1]).view(x.shape)
    return denoise(state, stop) if end == 0 else state


def errors(grid: str, name: str, names: tuple[str, ...]) -> dict[tuple[str, int], float]:
    """(row, evaluations) -> geometric mean of the errors over the draws."""
    import problem
    import test_accuracy
    import torch

    from carrara.samplers.integrate import Estimates

    logs: dict[tuple[str, int], list[float]] = {}
    for seed in range(3):
        closed, shape = PROBLEMS[name](seed)
        denoise = on(grid, closed)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed * 7 + 1), dtype=torch.float64)
        begin, end = (1.0, 0.0) if grid == "flow" else (problem.TOP, problem.BOTTOM)
        start = noise * begin
        wanted = solved(denoise, start, begin, end)
        ask = lambda x, sigma, denoise=denoise: Estimates(*[denoise(x, sigma)] * 3)  # noqa: E731
        for row in names:
            for evaluations in EVALUATIONS:
                each = 2 if row in TWICE else 3 if row in THRICE else 1
                # A run to 0 ends with a step of one evaluation; none may ask more often than ours.
                steps = evaluations // each if grid == "ve" else (evaluations + each - 1) // each
                out = test_accuracy.deterministic(row).run(
                    ask, start, problem.levels(grid, steps), problem.path_of(grid), 42
                )
                logs.setdefault((row, evaluations), []).append(math.log(problem.rms(out, wanted)))
    return {key: math.exp(sum(values) / len(values)) for key, values in logs.items()}


def main() -> None:
    bench_accuracy.bind()
    import test_accuracy
    import torch

    torch.set_num_threads(1)
    # These two cannot be given a number of evaluations, or run in float32 only; uni_pc_exact stands for the latter.
    known = sorted({name for _, name in test_accuracy.known()} - {"dpm_adaptive", "uni_pc", "uni_pc_bh2"})
    names = (*known, "uni_pc_exact", "uni_pc_bh2_exact")
    wide = " | ".join(map(str, EVALUATIONS))
    print(f"{len(names)} known rows\n\n| data | VE {wide} | straight {wide} |\n" + "|---" * 11 + "|")
    for name in PROBLEMS:
        cells = []
        for grid in ("ve", "flow"):
            found = errors(grid, name, (*names, "tangent"))
            for n in EVALUATIONS:
                best = min((found[row, n] for row in names if math.isfinite(found[row, n])), default=math.nan)
                cells.append(f"{best / found['tangent', n]:.2g}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
