"""Runs that foreign code takes part in: our nodes' arguments in its form, and its results in ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ...models.custom import Noise, SamplerChoice
from ...models.denoiser import Canvas
from ...models.guider import Guider, Pair
from ...models.handles import Model
from ...models.sampling import Result, fitted
from ...models.values import Conditioning, Latent
from ...samplers.integrate import Ask, Estimates, Sampler, Step
from ...samplers.path import Path
from .levels import level_tensor

if TYPE_CHECKING:
    from torch import Tensor

    from ...models.residency import Residency
    from ...samplers.prediction import Sampling
    from ..host import Host

OnStep = Callable[[Step], None]
Before = Callable[[], None]


def conducted(
    host: Host, guider: Any, noise: Noise, sampler: Sampler, sigmas: Sequence[float], latent: Latent,
    on_step: OnStep | None, before: Before | None = None,
) -> Result:  # fmt: skip
    """A whole run the ecosystem's way. guider: ours, or one of theirs in our form."""
    import torch

    form = guider.model.latent
    theirs = guider_of(host, guider)
    start = fitted(latent.samples, form)
    first = noise.draw(start.shape, latent.batch_index)
    levels = torch.tensor(list(sigmas), dtype=torch.float32)
    last: Tensor | None = None

    def callback(index: int, denoised: Tensor, x: Tensor, total: int) -> None:
        nonlocal last
        last = denoised
        if on_step is not None:
            on_step(Step(index, total, sigmas[min(index, len(sigmas) - 1)], x, denoised))

    chosen = sampler.theirs if isinstance(sampler, TheirSampler) else host.border.outward(SamplerChoice(sampler))
    with interruptible(theirs, before), torch.no_grad():
        out = theirs.sample(
            first, start, chosen, levels, denoise_mask=latent.noise_mask, callback=callback, disable_pbar=True,
            seed=noise.seed,
        )  # fmt: skip
    done = latent.with_samples(out.float().cpu())
    if last is None:
        return Result(done, done)
    believed = theirs.model_patcher.model.process_latent_out(last.to(torch.float32))
    return Result(done, latent.with_samples(believed.cpu()))


@contextmanager
def interruptible(guider: Any, before: Before | None) -> Iterator[None]:
    """`before` is called ahead of each network call inside."""
    model = getattr(getattr(guider, "model_patcher", None), "model", None)
    if before is None or model is None:
        yield
        return
    last = model.__dict__.get("before")
    model.__dict__["before"] = before
    try:
        yield
    finally:
        model.__dict__["before"] = last


def guider_of(host: Host, guider: Any) -> Any:
    """The ecosystem's guider for one of ours."""
    if isinstance(guider, TheirGuider):
        return guider.theirs
    samplers = host.modules.load("comfy.samplers")
    patcher = host.border.outward(guider.model)
    texts = [host.border.outward(text) for text in guider.texts]
    if isinstance(guider.mix, Pair):
        made = samplers.CFGGuider(patcher)
        made.set_conds(texts[0], texts[1])
        made.set_cfg(guider.mix.scale)
        return made
    names = ["positive", *(f"text {i}" for i in range(1, len(texts)))]
    mixing = mixed_guider(samplers)(patcher)
    mixing.inner_set_conds(dict(zip(names, texts, strict=True)))
    mixing.set_cfg(guider.mix.scale)
    mixing.mix = guider.mix
    return mixing


def mixed_guider(samplers: Any) -> type:
    """A guider of the host that mixes several texts as a `Mix` of ours says."""

    class Mixed(samplers.CFGGuider):  # type: ignore[misc, name-defined]
        mix: Any = None

        def predict_noise(self, x: Tensor, timestep: Tensor, model_options: Any = None, seed: Any = None) -> Tensor:
            options = model_options or {}
            entries = list(self.conds.values())
            found = samplers.calc_cond_batch(self.inner_model, entries, x, timestep, options)
            found = [one if text else found[0] for one, text in zip(found, entries, strict=True)]
            guiding = _Outside(samplers, self.inner_model, timestep, options, entries)
            return self.mix.start(guiding)(x, found, _level(timestep)).guided  # type: ignore[no-any-return]

    return Mixed


def _level(timestep: Tensor) -> float:
    from .levels import level_of

    return level_of(timestep)


@dataclass(frozen=True, eq=False)
class _Outside:
    """The hooks of a model in the place of a `Guiding`, for one level."""

    samplers: Any
    model: Any
    timestep: Tensor
    options: Any
    entries: Any

    def preparing(self, scale: float) -> Callable[..., Any]:
        return lambda x, cond, uncond, sigma: (cond, uncond)

    def following(self, scale: float) -> Callable[..., Estimates]:
        return lambda x, found, sigma: found

    def combining(self, scale: float) -> Callable[..., Estimates]:
        return self.start(scale)

    def start(self, scale: float) -> Callable[..., Estimates]:
        def guided(x: Tensor, cond: Tensor, uncond: Tensor, sigma: float) -> Estimates:
            found = self.samplers.cfg_function(
                self.model, cond, uncond, scale, x, self.timestep, model_options=self.options, cond=self.entries[0],
                uncond=self.entries[-1],
            )  # fmt: skip
            return Estimates(found, cond, uncond)

        return guided


@dataclass(frozen=True, eq=False)
class Steered:
    """Foreign nodes' part of a model. patcher: theirs, never changed again. sampling: what it makes of the levels."""

    host: Host
    patcher: Any
    sampling: Sampling

    def conduct(
        self, guider: Guider, noise: Noise, sampler: Sampler, sigmas: Sequence[float], latent: Latent,
        residency: Residency, on_step: OnStep | None, before: Before | None = None,
    ) -> Result:  # fmt: skip
        return conducted(self.host, guider, noise, sampler, sigmas, latent, on_step, before)

    @contextmanager
    def asking(
        self, guider: Guider, canvas: Canvas, residency: Residency, *, both: bool = False, before: Before | None = None
    ) -> Iterator[Ask]:
        theirs = guider_of(self.host, guider)
        with interruptible(theirs, before), theirs.prepared(canvas.latent, canvas.mask) as options:

            def ask(x: Tensor, sigma: float) -> Estimates:
                seen: list[Estimates] = []

                def look(args: Any) -> Tensor:
                    seen[:] = [Estimates(args["denoised"], args["cond_denoised"], args["uncond_denoised"])]
                    return args["denoised"]  # type: ignore[no-any-return]

                posts = [*options.get("sampler_post_cfg_function", ()), look]
                more = {**options, "sampler_post_cfg_function": posts}
                if both:
                    more["disable_cfg1_optimization"] = True
                guided = theirs(x, level_tensor(sigma, x), model_options=more, seed=None)
                return seen[0]._replace(guided=guided) if seen else Estimates(guided, guided, guided)

            yield ask


@dataclass(frozen=True, eq=False)
class TheirSampler:
    """A foreign SAMPLER object. It leads the whole run, or, asked alone, goes down the levels by a bare function."""

    host: Host
    theirs: Any
    drop_second_last: bool = False

    @property
    def fresh_mask_noise(self) -> bool:
        return bool(getattr(self.theirs, "inpaint_options", {}).get("random", False))

    def conduct(
        self, guider: Guider, noise: Noise, sampler: Sampler, sigmas: Sequence[float], latent: Latent,
        residency: Residency, on_step: OnStep | None, before: Before | None = None,
    ) -> Result:  # fmt: skip
        return conducted(self.host, guider, noise, sampler, sigmas, latent, on_step, before)

    def run(
        self, ask: Ask, x: Tensor, sigmas: Sequence[float], path: Path, seed: int, on_step: OnStep | None = None
    ) -> Tensor:
        import torch

        function = self.theirs.sampler_function

        def model(x: Tensor, sigma: Tensor, **_: Any) -> Tensor:
            return ask(x, _level(sigma)).guided

        def callback(about: Any) -> None:
            if on_step is not None:
                i = about["i"]
                on_step(Step(i, len(sigmas) - 1, float(sigmas[i]), about["x"], about["denoised"]))

        levels = torch.tensor(list(sigmas), dtype=torch.float32, device=x.device)
        options = getattr(self.theirs, "extra_options", {})
        return function(  # type: ignore[no-any-return]
            model, x, levels, extra_args={"seed": seed}, callback=callback, disable=True, **options
        )


@dataclass(frozen=True, eq=False)
class TheirNoise:
    """A foreign NOISE object."""

    socket: ClassVar[str] = "NOISE"

    theirs: Any

    @property
    def seed(self) -> int:
        return int(getattr(self.theirs, "seed", 0))

    @property
    def kind(self) -> str:
        return "batch"

    def draw(self, shape: Sequence[int], batch_index: Sequence[int] | None = None) -> Tensor:
        import torch

        latent: dict[str, Any] = {"samples": torch.zeros(tuple(shape))}
        if batch_index is not None:
            latent["batch_index"] = list(batch_index)
        return self.theirs.generate_noise(latent)  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class TheirGuider:
    """A foreign GUIDER object: it has model and texts itself."""

    socket: ClassVar[str] = "GUIDER"

    host: Host
    theirs: Any
    texts: tuple[Conditioning, ...] = ()
    mix: Any = None

    @property
    def model(self) -> Model:
        return self.host.border.inward(self.theirs.model_patcher, "MODEL")  # type: ignore[no-any-return]

    def conduct(
        self, guider: Any, noise: Noise, sampler: Sampler, sigmas: Sequence[float], latent: Latent,
        residency: Residency, on_step: OnStep | None, before: Before | None = None,
    ) -> Result:  # fmt: skip
        return conducted(self.host, self, noise, sampler, sigmas, latent, on_step, before)

