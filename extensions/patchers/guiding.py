"""Guidance across the border: our parts among the functions of `model_options`, and what they make of a level."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from ...models.layers.call import Call
from ...models.looks import Found, Look
from ...samplers.guides import Guiding, Plain
from ...samplers.integrate import Estimates
from .inside import written
from .levels import level_of
from .options import Options, with_function
from .sampling import sampling_of

if TYPE_CHECKING:
    from torch import Tensor

    from ...samplers.inpaint import Gradual

PRE, CFG, POST = "sampler_pre_cfg_function", "sampler_cfg_function", "sampler_post_cfg_function"
MASK = "denoise_mask_function"


@dataclass(frozen=True, eq=False)
class OurPart:
    """A part of ours in its place among theirs. runs: it, as started in this run, by scale: guiders may change theirs
    from step to step. None: no run, it is started for each call."""

    part: Any
    runs: dict[float, Any] | None = None

    def started(self) -> Self:
        return type(self)(self.part, {})

    def at(self, args: Mapping[str, Any]) -> Any:
        runs = {} if self.runs is None else self.runs
        scale = args.get("cond_scale", next(iter(runs), 1.0))
        if scale not in runs:
            runs[scale] = self.part.start(scale)
        return runs[scale]


class OurBefore(OurPart):
    """Ahead of guidance."""

    def __call__(self, args: Mapping[str, Any]) -> list[Tensor]:
        cond, uncond, *rest = args["conds_out"]
        if self.part.compares and None in args.get("conds", ())[:2]:
            return [cond, uncond, *rest]
        return [*self.at(args)(args["input"], cond, uncond, level_of(args["sigma"])), *rest]


class OurCombine(OurPart):
    """Guidance itself."""

    def guided(self, args: Mapping[str, Any]) -> Tensor:
        cond, uncond = args["cond_denoised"], args["uncond_denoised"]
        return self.at(args)(args["input"], cond, uncond, level_of(args["sigma"])).guided  # type: ignore[no-any-return]

    def __call__(self, args: Mapping[str, Any]) -> Tensor:
        return args["input"] - self.guided(args)  # type: ignore[no-any-return]


class OurAfter(OurPart):
    """Behind guidance."""

    def __call__(self, args: Mapping[str, Any]) -> Tensor:
        found = Estimates(args["denoised"], args["cond_denoised"], args["uncond_denoised"])
        return self.at(args)(args["input"], found, level_of(args["sigma"]))  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class OurLook:
    """A look of ours in the same list. text: the entries of its own text; again: evaluates a list of entries."""

    part: Look
    run: Any = None
    text: Any = None
    again: Any = None

    def __call__(self, args: Mapping[str, Any]) -> Tensor:
        looking = self.run or self.part.start(args["cond_scale"])
        texts = (args["cond"], args["uncond"], self.text)
        options = args["model_options"]

        def again(x: Tensor, text: int, call: Call) -> Tensor:
            inside = written(call, options.get("transformer_options", {}))
            entries = texts[text] or texts[0]
            found = self.again(args["model"], [entries], x, args["sigma"], {**options, "transformer_options": inside})
            return found[0]  # type: ignore[no-any-return]

        estimates = Estimates(args["denoised"], args["cond_denoised"], args["uncond_denoised"])
        own = 2 if self.text is not None else -1
        found = Found(args["input"], estimates, level_of(args["sigma"]), Call(), again, own)
        return looking.follow(found)  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class OurMasking:
    """How a model of ours reads a grey mask. straight: the host's class that marks flows."""

    part: Gradual
    straight: type

    def __call__(self, sigma: Tensor, denoise_mask: Tensor, extra_options: Mapping[str, Any]) -> Tensor:
        model = extra_options["model"].inner_model
        levels = sampling_of(model.model_sampling, self.straight).levels
        return self.part.start(denoise_mask, levels, extra_options["sigmas"].tolist())(level_of(sigma))


def guided(options: Options, guiding: Guiding, looks: tuple[Look, ...] = ()) -> Options:
    """The options with our parts added after what is there."""
    made = dict(options)
    for before in guiding.before:
        made = with_function(made, PRE, OurBefore(before))
    if not isinstance(guiding.combine, Plain):
        made[CFG] = OurCombine(guiding.combine)
    for after in guiding.after:
        made = with_function(made, POST, OurAfter(after))
    for look in looks:
        made = with_function(made, POST, OurLook(look))
    if guiding.both or any(look.both for look in looks):
        made["disable_cfg1_optimization"] = True
    return made


def running(options: Options, scale: float, prepare: Any, again: Any) -> Options:
    """The options of one run: our parts started, once. prepare: a conditioning of ours -> entries."""
    made = dict(options)
    for place in (PRE, POST):
        if place in made:
            made[place] = [part.started() if isinstance(part, OurPart) else part for part in made[place]]
    if isinstance(made.get(CFG), OurPart):
        made[CFG] = made[CFG].started()
    posts = []
    for part in made.get(POST, ()):
        if isinstance(part, OurLook):
            run = part.part.start(scale)
            inside = made.get("transformer_options", {})
            made["transformer_options"] = written(run.watch(Call()), inside)
            text = None if part.part.text is None else prepare(part.part.text)
            part = OurLook(part.part, run, text, again)
        posts.append(part)
    if posts:
        made[POST] = posts
    return made


def combined(
    model: Any, cond: Tensor, uncond: Tensor, scale: float, x: Tensor, timestep: Tensor, options: Mapping[str, Any],
    entries: Any = None, uncond_entries: Any = None,
) -> Tensor:  # fmt: skip
    """Guidance and everything behind it."""
    told = {
        "cond_scale": scale, "sigma": timestep, "input": x, "model": model, "model_options": options,
        "cond_denoised": cond, "uncond_denoised": uncond,
    }  # fmt: skip
    function = options.get(CFG)
    about = told | {"timestep": timestep, "input_cond": entries, "input_uncond": uncond_entries}
    if isinstance(function, OurCombine):
        result = function.guided(about)
    elif function is not None:
        result = x - function(about | {"cond": x - cond, "uncond": x - uncond})
    else:
        result = Plain().start(scale)(x, cond, uncond, level_of(timestep)).guided
    for function in options.get(POST, ()):
        result = function(told | {"denoised": result, "cond": entries, "uncond": uncond_entries})
    return result


def level(
    model: Any, x: Tensor, timestep: Tensor, cond: Any, uncond: Any, scale: float, options: Options, evaluate: Any,
    combine: Any,
) -> Tensor:  # fmt: skip
    """One guided estimate. evaluate, combine: the host's `calc_cond_batch` and `cfg_function`."""
    if math.isclose(scale, 1.0) and not options.get("disable_cfg1_optimization", False):
        uncond = None
    entries = [cond, uncond]
    about = {"conds": entries, "input": x, "sigma": timestep, "model": model, "model_options": options}
    own = options.get("sampler_calc_cond_batch_function")
    found = evaluate(model, entries, x, timestep, options) if own is None else own(about)
    for function in options.get(PRE, ()):
        found = function(about | {"conds_out": found, "cond_scale": scale, "timestep": timestep})
    return combine(  # type: ignore[no-any-return]
        model, found[0], found[1], scale, x, timestep, model_options=options, cond=cond, uncond=uncond
    )
