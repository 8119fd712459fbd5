"""One resumable training loop.

Each step draws its data and noise from (seed, step) alone, so the whole state is weights, optimiser and a step count:
an interrupted run goes on to the same bits as one that was not interrupted (same machine, same number of threads).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .ema import Average

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Loss = Callable[[int], "Tensor"]
"""step -> scalar loss of that step's batch."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast. rate: the largest learning rate; warmup, cooldown: steps at the two ends.

    The rate rises linearly, stays, and falls as 1 - sqrt (Hägele et al. 2024, arXiv:2405.18392), which allows one to
    prolong a run: only the last part depends on the length.
    """

    steps: int
    rate: float
    warmup: int = 200
    cooldown: int = 0
    decay: float = 0.01
    average: float = 0.999
    clip: float = 1.0
    save_every: int = 500

    def rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        rise = min(1.0, (step + 1) / max(self.warmup, 1))
        left = self.steps - step
        fall = 1.0 if left >= self.cooldown else 1 - math.sqrt(1 - left / self.cooldown)
        return self.rate * rise * fall


@dataclass(frozen=True, slots=True)
class Progress:
    """What a listener is told after each step. loss is a tensor: reading it may wait for the device."""

    step: int
    total: int
    loss: Tensor
    rate: float


class Run:
    """Weights, their mean, the optimiser and the count of steps done."""

    def __init__(self, network: nn.Module, plan: Plan) -> None:
        import torch

        self.network, self.plan = network, plan
        self.average = Average(network, plan.average)
        matrices = [p for p in network.parameters() if p.ndim > 1]
        others = [p for p in network.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": plan.decay}, {"params": others, "weight_decay": 0.0}]
        self.optimiser: torch.optim.Optimizer = torch.optim.AdamW(groups, lr=plan.rate, betas=(0.9, 0.99), foreach=True)
        self.step = 0

    def advance(self, loss: Loss) -> Progress:
        """One step."""
        import torch

        rate = self.plan.rate_at(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        value = loss(self.step)
        self.optimiser.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.clip)
        self.optimiser.step()
        self.average.update(self.network)
        self.step += 1
        return Progress(self.step, self.plan.steps, value.detach(), rate)

    def save(self, path: Path) -> None:
        """Write everything, atomically: a reader sees the old file or the new one."""
        import torch

        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state(),
            "optimiser": self.optimiser.state_dict(),
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a saved state."""
        import torch

        state = torch.load(path, map_location="cpu", weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.restore(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])


def train(
    run: Run,
    loss: Loss,
    file: Path | None = None,
    *,
    minutes: float | None = None,
    on_step: Callable[[Progress], None] | None = None,
) -> bool:
    """Go on until the plan is done or the time is up; True when it is done. Raise from `on_step` to stop.

    The state is saved to `file` every `plan.save_every` steps and at the end; an interruption may come in the middle of
    a step, so it saves nothing and costs what came after the last save.
    """
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    while run.step < run.plan.steps and (deadline is None or time.monotonic() < deadline):
        progress = run.advance(loss)
        if file is not None and run.step % run.plan.save_every == 0:
            run.save(file)
        if on_step is not None:
            on_step(progress)
    if file is not None:
        run.save(file)
    return run.step >= run.plan.steps
