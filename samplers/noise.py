"""Where step noise comes from. A source opens a draw; a draw answers (s, t) with unit noise for that interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor

Draw = Callable[[float, float], "Tensor"]


class NoiseSource(Protocol):
    def open(self, x: Tensor, sigmas: tuple[float, ...], seed: int) -> Draw: ...


@dataclass(frozen=True)
class Iid:
    """Independent noise per call, on x's device. The processor's generator takes seed + 1: the first noise of a run
    used `seed` itself."""

    def open(self, x: Tensor, sigmas: tuple[float, ...], seed: int) -> Draw:
        import torch

        on_cpu = x.device.type == "cpu"
        generator = torch.Generator(device=x.device).manual_seed(wrap(seed + 1 if on_cpu else seed))

        def draw(s: float, t: float) -> Tensor:
            return torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator)

        return draw


@dataclass(frozen=True)
class Brownian:
    """Increments of one Brownian path over sigma, so that any subdivision of an interval sees the same noise.

    `device`: "cpu" gives the same path on every machine; "same" keeps it beside x, with other numbers on a GPU.
    """

    device: Literal["cpu", "same"] = "cpu"

    def open(self, x: Tensor, sigmas: tuple[float, ...], seed: int) -> Draw:
        import torch
        import torchsde

        home = torch.device("cpu") if self.device == "cpu" else x.device
        positive = [s for s in sigmas if s > 0]
        begin, end = min(positive), max(positive)
        tree = torchsde.BrownianTree(begin, torch.zeros(x.shape, dtype=x.dtype, device=home), end, entropy=seed)

        def at(sigma: float) -> float:
            # The tree looks levels up to six decimals, so their float32 rounding is part of the numbers.
            value = float(torch.tensor(sigma, dtype=torch.float32))
            return min(max(value, round(begin, 6)), round(end, 6))

        def draw(s: float, t: float) -> Tensor:
            sign = 1.0 if t > s else -1.0
            increment: Tensor = tree(at(min(s, t)), at(max(s, t)))
            return (increment * (sign / math.sqrt(abs(t - s)))).to(x.device)

        return draw


def first_noise(shape: Sequence[int], seed: int, batch_index: Sequence[int] | None = None) -> Tensor:
    """The noise a run starts from: float32, drawn on the processor. shape: b c *space.

    With `batch_index`, item k is the noise that the k-th single draw of the same generator gives, so that one picture
    of a batch can be made again alone.
    """
    import torch

    # The global generator, on purpose: patches that draw from it later in a run are repeatable only if this came first.
    torch.manual_seed(wrap(seed))
    if batch_index is None:
        return torch.randn(tuple(shape), dtype=torch.float32)
    wanted = sorted(set(batch_index))
    drawn: dict[int, Tensor] = {}
    for index in range(wanted[-1] + 1):
        noise = torch.randn((1, *shape[1:]), dtype=torch.float32)
        if index in wanted:
            drawn[index] = noise
    return torch.cat([drawn[index] for index in batch_index])


def per_image_noise(shape: Sequence[int], seed: int) -> Tensor:
    """Like `first_noise`, but item k equals the noise of seed + k alone: a batch matches single runs."""
    import torch

    generators = [torch.Generator().manual_seed(wrap(seed + k)) for k in range(shape[0])]
    return torch.cat([torch.randn((1, *shape[1:]), generator=g) for g in generators])


def wrap(seed: int) -> int:
    """Seeds are 64-bit; one past the last starts again at 0."""
    return seed & 0xFFFF_FFFF_FFFF_FFFF
