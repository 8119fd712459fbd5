"""Network, conditionings and guidance as one function: ask(x, sigma) -> clean estimates.

The state x stays float32; the network computes in its own format. Sigmas are Python floats, so nothing here waits for
a device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError, OutOfMemory
from ..samplers.integrate import Ask, Estimates
from .batching import Job, concats, contexts, crop, groups, states
from .conds import Grid, Part, sides, weight_map
from .control import Chain, as_type
from .handles import ControlNet, Model
from .inpainting import concat_for
from .unet import Control
from .values import Conditioning

if TYPE_CHECKING:
    from .residency import Residency

NOTHING = 1e-37
"""Added to the sum of weights, so that a cell that no part claims gets 0 instead of 0 / 0."""


@dataclass(frozen=True, eq=False)
class Canvas:
    """What a run paints on, in the model's scale. latent: b c h w; mask: b c h w, 1 = generate."""

    latent: Tensor
    mask: Tensor | None = None

    @property
    def grid(self) -> Grid:
        return Grid(self.latent.shape[0], *self.latent.shape[-2:])


@contextmanager
def denoising(
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    scale: float,
    canvas: Canvas,
    residency: Residency,
    *,
    both: bool = False,
) -> Iterator[Ask]:
    """The networks of a run in place, and the function that samplers ask.

    both: evaluate the negative side even where the scale cancels it. Raises InputError for conditionings that do not
    fit the network.
    """
    levels = model.sampling.levels
    ours, theirs = sides(
        positive,
        negative,
        canvas.grid,
        levels.percent_to_sigma,
        lambda entry: concat_for(entry, model, canvas.latent, canvas.mask),
        canvas.latent.device,
    )
    needed = both or model.guiding.needs_uncond(scale)
    _check(model, ours, theirs if needed else [])
    with ExitStack() as stack:
        network = stack.enter_context(residency.use(model.unet))
        nets = {id(u.net): u.net for part in (*ours, *theirs) for u in part.control}
        controls = {key: stack.enter_context(residency.use(net.network)) for key, net in nets.items()}

        dtype = residency.format(model.unet)

        def call_control(net: ControlNet, seen: Tensor, hint: Tensor, t: Tensor, context: Tensor) -> Control:
            return as_type(residency.call(controls[id(net)], seen, hint, t, context), dtype)

        evaluate = Evaluator(model, network, residency, Chain(call_control, levels.percent_to_sigma), canvas.grid)
        guide = model.guiding.start(scale)
        weighed = [(part, weight_map(part, canvas.grid)) for part in (*ours, *theirs)]
        maps = [[Job(p, 0, w) for p, w in weighed[: len(ours)]], [Job(p, 1, w) for p, w in weighed[len(ours) :]]]

        def ask(x: Tensor, sigma: float) -> Estimates:
            cond, uncond = evaluate(x, sigma, maps[0], maps[1] if needed else [])
            return guide(x, cond, uncond, sigma)

        yield ask


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Both sides' blended estimates at one level."""

    model: Model
    network: Any
    residency: Residency
    chain: Chain
    grid: Grid

    def __call__(
        self, x: Tensor, sigma: float, positive: Sequence[Job], negative: Sequence[Job]
    ) -> tuple[Tensor, Tensor]:
        jobs = [*active(positive, sigma, self.grid), *active(negative, sigma, self.grid)]
        sums = [torch.zeros_like(x), torch.zeros_like(x)]
        weights = [torch.full_like(x[:, :1], NOTHING) for _ in sums]
        for group in groups(jobs, self.grid):
            for job, estimate in zip(group, self.run(group, x, sigma), strict=True):
                crop(job.part, sums[job.side], self.grid).add_(estimate * job.weights)
                crop(job.part, weights[job.side], self.grid).add_(job.weights)
        return sums[0] / weights[0], sums[1] / weights[1]

    def run(self, group: Sequence[Job], x: Tensor, sigma: float) -> tuple[Tensor, ...]:
        """A clean estimate per job: in one network call, or in more where that is too much for the device."""
        try:
            return self.call(group, x, sigma)
        except OutOfMemory:
            if len(group) == 1:
                raise
        half = len(group) // 2
        return *self.run(group[:half], x, sigma), *self.run(group[half:], x, sigma)

    def call(self, group: Sequence[Job], x: Tensor, sigma: float) -> tuple[Tensor, ...]:
        """One network call for a group."""
        sampling = self.model.sampling
        noisy = states(group, x, self.grid)
        seen = sampling.prediction.scale_in(noisy, sigma)
        context = contexts(group, self.grid.batch)
        t = torch.full((len(noisy),), sampling.levels.timestep(sigma), device=x.device)
        control = self.chain(group[0].part.control, seen, t, context, sigma, len(group))
        extra = concats(group, self.grid)
        inputs = seen if extra is None else torch.cat([seen, extra], dim=1)
        dtype = self.residency.format(self.model.unet)
        out = self.residency.call(
            self.network, inputs.to(dtype), t, context.to(dtype), control=control, call=self.model.call
        )
        return sampling.prediction.denoised(out.float(), noisy, sigma).chunk(len(group))


def active(jobs: Sequence[Job], sigma: float, grid: Grid) -> list[Job]:
    """The jobs that count at sigma. Default parts come last and fill what the others of their side leave."""
    now = [job for job in jobs if job.part.active(sigma)]
    plain = [job for job in now if not job.part.default]
    fillers = [job for job in now if job.part.default]
    if not fillers:
        return plain
    left = torch.ones((grid.batch, 1, grid.height, grid.width), device=fillers[0].weights.device)
    for job in plain:
        crop(job.part, left, grid).sub_(job.weights)
    left = F.relu(left)
    if not bool(left.any()):
        return plain
    return plain + [Job(job.part, job.side, crop(job.part, left, grid)) for job in fillers]


def _check(model: Model, ours: Sequence[Part], theirs: Sequence[Part]) -> None:
    width = model.unet.config.context_dim
    for part in (*ours, *theirs):
        found = part.given.context.shape[-1]
        if found != width:
            raise InputError(
                "the text encoder does not belong to this model", got=f"text states of width {found}",
                expected=f"width {width}", remedy="Encode the prompts with the CLIP of the same checkpoint.",
            )


