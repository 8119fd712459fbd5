"""Network, conditionings and guidance as one function: ask(x, sigma) -> clean estimates.

The state x stays float32; the network computes in its own format. Sigmas are Python floats, so nothing here waits for
a device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError, OutOfMemory
from ..samplers.integrate import Ask, Estimates
from .batching import Job, concats, contexts, crop, groups, states
from .conds import Grid, Part, sides, weight_map
from .control import Chain, as_type
from .guider import Guider
from .handles import ControlNet, Model
from .inpainting import concat_for
from .layers.call import Call
from .looks import Looks
from .unet import Control

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
def denoising(guider: Guider, canvas: Canvas, residency: Residency, *, both: bool = False) -> Iterator[Ask]:
    """The networks of a run in place, and the function that samplers ask.

    both: evaluate the negative side even where the scale cancels it. Raises InputError for conditionings that do not
    fit the network.
    """
    model, mix = guider.model, guider.mix
    levels = model.sampling.levels
    own = [look.text for look in model.looks if look.text is not None]
    texts = sides(
        (*guider.texts, *own),
        canvas.grid,
        levels.percent_to_sigma,
        lambda entry: concat_for(entry, model, canvas.latent, canvas.mask),
        canvas.latent.device,
    )
    needed = mix.needed(model.guiding, both or any(look.both for look in model.looks))
    asked = [bool(parts) and wanted for parts, wanted in zip(texts, needed, strict=False)]
    _check(model, [part for i, parts in enumerate(texts) if i >= len(asked) or asked[i] for part in parts])
    with ExitStack() as stack:
        network = stack.enter_context(residency.use(model.unet))
        nets = {id(u.net): u.net for parts in texts for part in parts for u in part.control}
        controls = {key: stack.enter_context(residency.use(net.network)) for key, net in nets.items()}

        dtype = residency.format(model.unet)

        def call_control(net: ControlNet, seen: Tensor, hint: Tensor, t: Tensor, context: Tensor) -> Control:
            return as_type(residency.call(controls[id(net)], seen, hint, t, context), dtype)

        evaluate = Evaluator(model, network, residency, Chain(call_control, levels.percent_to_sigma), canvas.grid)
        jobs = [[Job(part, i, weight_map(part, canvas.grid)) for part in parts] for i, parts in enumerate(texts)]
        mixed = mix.start(model.guiding)
        looks = Looks(model, mix.scale, len(guider.texts)) if model.looks else None

        def ask(x: Tensor, sigma: float) -> Estimates:
            call = looks.watch() if looks is not None else model.call
            answers = evaluate(x, sigma, [jobs[i] for i, wanted in enumerate(asked) if wanted or i == 0], call)
            found = [answers.get(i, answers[0]) for i in range(len(asked))]
            result = mixed(x, found, sigma)
            if looks is None:
                return result

            def again(x: Tensor, text: int, call: Call) -> Tensor:
                return evaluate(x, sigma, [jobs[text] or jobs[0]], call).popitem()[1]

            return looks.follow(x, result, sigma, again)

        yield ask


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Blended estimates of texts at one level."""

    model: Model
    network: Any
    residency: Residency
    chain: Chain
    grid: Grid

    def __call__(self, x: Tensor, sigma: float, texts: Sequence[Sequence[Job]], call: Call | None) -> dict[int, Tensor]:
        """By the number of the text; 0 where nothing says anything."""
        jobs = [job for text in texts for job in active(text, sigma, self.grid)]
        numbers = [text[0].side if text else 0 for text in texts]
        sums = {side: torch.zeros_like(x) for side in numbers}
        weights = {side: torch.full_like(x[:, :1], NOTHING) for side in numbers}
        for group in groups(jobs, self.grid):
            for job, estimate in zip(group, self.run(group, x, sigma, call), strict=True):
                crop(job.part, sums[job.side], self.grid).add_(estimate * job.weights)
                crop(job.part, weights[job.side], self.grid).add_(job.weights)
        return {side: sums[side] / weights[side] for side in numbers}

    def run(self, group: Sequence[Job], x: Tensor, sigma: float, call: Call | None) -> tuple[Tensor, ...]:
        """A clean estimate per job: in one network call, or in more where that is too much for the device."""
        try:
            return self.call(group, x, sigma, call)
        except OutOfMemory:
            if len(group) == 1:
                raise
        half = len(group) // 2
        return *self.run(group[:half], x, sigma, call), *self.run(group[half:], x, sigma, call)

    def call(self, group: Sequence[Job], x: Tensor, sigma: float, call: Call | None) -> tuple[Tensor, ...]:
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
        if call is not None:
            rows = tuple(job.side for job in group for _ in range(self.grid.batch))
            call = replace(call, sigma=sigma, rows=rows, shape=tuple(x.shape))
        out = self.residency.call(self.network, inputs.to(dtype), t, context.to(dtype), control=control, call=call)
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


def _check(model: Model, parts: Sequence[Part]) -> None:
    width = model.unet.config.context_dim
    for part in parts:
        found = part.given.context.shape[-1]
        if found != width:
            raise InputError(
                "the text encoder does not belong to this model", got=f"text states of width {found}",
                expected=f"width {width}", remedy="Encode the prompts with the CLIP of the same checkpoint.",
            )


