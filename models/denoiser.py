"""Network, conditionings and guidance as one function: ask(x, sigma) -> clean estimates.

The state x stays float32; the network computes in its own format. Sigmas are Python floats, so nothing here waits for
a device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError, OutOfMemory
from ..samplers.integrate import Ask, Estimates
from .batching import Job, concats, contexts, crop, groups, states
from .conds import Grid, Part, refuse_foreign, sides, weight_map
from .control import Chain, as_type
from .guider import Guider
from .handles import ControlNet, Model
from .inpainting import concat_for
from .layers.call import Call
from .looks import Looks
from .reuse import Reusing
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
def denoising(
    guider: Guider,
    canvas: Canvas,
    residency: Residency,
    *,
    both: bool = False,
    before: Callable[[], None] | None = None,
) -> Iterator[Ask]:
    """The networks of a run in place, and the function that samplers ask.

    both: evaluate the negative side even where the scale cancels it. before: called ahead of each network call; what it
    raises ends the run. The estimate of a side that nobody evaluates is 0.
    Raises InputError for conditionings that do not fit the network, Unsupported for what foreign nodes hung on them.
    """
    model, mix = guider.model, guider.mix
    if model.steered is not None:
        with model.steered.asking(guider, canvas, residency, both=both, before=before) as steered:
            yield steered
        return
    refuse_foreign(guider.texts)
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

        reusing = None if model.reuse is None else model.reuse.start(levels)
        net = Network(model, network, residency, before, reusing)
        chain = Chain(call_control, levels.percent_to_sigma)
        evaluate = Evaluator(canvas.grid, net, lambda uses, batch: chain(uses, *net.seen(batch)))
        jobs = [[Job(part, i, weight_map(part, canvas.grid)) for part in parts] for i, parts in enumerate(texts)]
        looks = Looks(model, mix.sides, len(guider.texts))
        mixed = mix.start(replace(looks.guiding(model.guiding), alone=not asked[mix.sides[1]]))

        def ask(x: Tensor, sigma: float) -> Estimates:
            def again(x: Tensor, text: int, call: Call) -> Tensor:
                if reusing is not None:
                    reusing.begin()
                alone = [replace(job, side=0) for job in jobs[text] or jobs[0]]
                return evaluate(x, sigma, [alone], call)[0]

            looks.again = again
            if reusing is not None:
                reusing.begin()
            wanted = [jobs[i] for i, wanted in enumerate(asked) if wanted or i == 0]
            answers = evaluate(x, sigma, wanted, looks.watch())
            return mixed(x, [answers[i] if i in answers else torch.zeros_like(x) for i in range(len(asked))], sigma)

        yield ask if reusing is None else reusing.asked(ask)


@dataclass(frozen=True, eq=False)
class Batch:
    """What one network call is about. noisy: n·b c h w, not scaled for the network; context: n·b m d.

    sides: of each of the n parts, in their order. concat: n·b c h w.
    """

    noisy: Tensor
    sigma: float
    context: Tensor
    sides: tuple[int, ...] = (0,)
    concat: Tensor | None = None
    control: Control | None = None
    call: Call | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, eq=False)
class Network:
    """A model's network in place: noisy states in, clean estimates out. before: called ahead of each call."""

    model: Model
    module: Any
    residency: Residency
    before: Callable[[], None] | None = None
    reusing: Reusing | None = None

    def seen(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, float, int]:
        """What a ControlNet is told: the scaled state, timesteps, texts, the level, and of how many parts."""
        sampling = self.model.sampling
        seen = sampling.prediction.scale_in(batch.noisy, batch.sigma)
        return seen, self.timesteps(batch), batch.context, batch.sigma, len(batch.sides)

    def timesteps(self, batch: Batch) -> Tensor:
        level = self.model.sampling.levels.timestep(batch.sigma)
        return torch.full((len(batch.noisy),), level, device=batch.noisy.device)

    def __call__(self, batch: Batch) -> Tensor:
        if self.before is not None:
            self.before()
        prediction = self.model.sampling.prediction
        inputs = prediction.scale_in(batch.noisy, batch.sigma)
        if batch.concat is not None:
            inputs = torch.cat([inputs, batch.concat], dim=1)
        dtype = self.residency.format(self.model.unet)

        def network() -> Tensor:
            return self.residency.call(  # type: ignore[no-any-return]
                self.module, inputs.to(dtype), self.timesteps(batch), batch.context.to(dtype),
                control=batch.control, call=batch.call,
            )  # fmt: skip

        if self.reusing is None:
            out = network()
        else:
            own = inputs[:, : batch.noisy.shape[1]].to(dtype)
            out = self.reusing.network(own, batch.parts, batch.sigma, network)
        return prediction.denoised(out.float(), batch.noisy, batch.sigma)


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Blended estimates of texts at one level. apply: one network call; control: of parts that have some."""

    grid: Grid
    apply: Callable[[Batch], Tensor]
    control: Callable[[tuple[Any, ...], Batch], Control | None]

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
        sides = tuple(job.side for job in group)
        if call is not None:
            rows = tuple(side for side in sides for _ in range(self.grid.batch))
            call = replace(call, sigma=sigma, rows=rows, shape=tuple(x.shape))
        noisy, context = states(group, x, self.grid), contexts(group, self.grid.batch)
        parts = tuple(job.part for job in group)
        batch = Batch(noisy, sigma, context, sides, concats(group, self.grid), call=call, parts=parts)
        uses = group[0].part.control
        if uses:
            batch = replace(batch, control=self.control(uses, batch))
        return self.apply(batch).chunk(len(group))


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


