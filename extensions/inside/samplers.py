"""Our samplers as the host's SAMPLER objects, and the host's own among ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...errors import Unsupported
from ...models.guider import Guider
from ...samplers.adaptive import Adaptive
from ...samplers.integrate import Ask, Estimates, OnStep, Row, Sampler, Step
from ...samplers.noise import Draw, Iid
from .model import path_of

if TYPE_CHECKING:
    from torch import Tensor

    from ...models.custom import Noise
    from ...models.residency import Residency
    from ...models.sampling import Result
    from ...models.values import Latent
    from ...samplers.path import Path

POST = "sampler_post_cfg_function"


@dataclass(frozen=True, eq=False)
class Theirs:
    """A sampler of the host's, where one of ours is expected. It runs on the host's models only."""

    sampler: Any
    drop_second_last: bool = False
    fresh_mask_noise: bool = False

    def run(
        self, ask: Ask, x: Tensor, sigmas: Sequence[float], path: Path, seed: int, on_step: OnStep | None = None
    ) -> Tensor:
        raise Unsupported(
            "the host's samplers cannot run a model of Carrara's own engine", got=type(self.sampler).__name__,
            remedy="Choose the sampler with a Carrara node.",
        )  # fmt: skip

    def conduct(
        self, guider: Guider, noise: Noise, sampler: Sampler, sigmas: Sequence[float], latent: Latent,
        residency: Residency, on_step: Callable[[Step], None] | None, before: Callable[[], None] | None = None,
    ) -> Result:  # fmt: skip
        leader = guider.model.steered
        if leader is None:
            self.run(lambda x, sigma: Estimates(x, x, x), latent.samples, sigmas, guider.model.sampling.path, 0)
        assert leader is not None
        return leader.conduct(guider, noise, sampler, sigmas, latent, residency, on_step, before)


def host_sampler(sampler: Sampler) -> Any:
    """A SAMPLER of the host's that takes our steps; one that is the host's already is handed back."""
    if isinstance(sampler, Theirs):
        return sampler.sampler
    options = {"random": True} if sampler.fresh_mask_noise else {}
    return import_module("comfy.samplers").KSAMPLER(Steps(sampler), inpaint_options=options)


def our_sampler(sampler: Any) -> Sampler:
    """What is inside a SAMPLER of the host's."""
    steps = getattr(sampler, "sampler_function", None)
    plain = not getattr(sampler, "extra_options", None)
    return steps.sampler if isinstance(steps, Steps) and plain else Theirs(sampler)


@dataclass(frozen=True)
class AsTheHost:
    """Independent noise per step, drawn as the host draws it: its versions differ in the seed they take."""

    def open(self, x: Tensor, sigmas: tuple[float, ...], seed: int) -> Draw:
        drawn = import_module("comfy.k_diffusion.sampling").default_noise_sampler(x, seed=seed)
        return lambda s, t: drawn(x.new_tensor(s), x.new_tensor(t))


def at_home(sampler: Sampler) -> Sampler:
    """The same steps with the host's noise."""
    if isinstance(sampler, Row | Adaptive) and isinstance(sampler.noise, Iid):
        return replace(sampler, noise=AsTheHost())
    return sampler


@dataclass(frozen=True, eq=False)
class Steps:
    """The function that the host's SAMPLER objects call."""

    sampler: Sampler

    @property
    def __name__(self) -> str:
        return f"carrara_{type(self.sampler).__name__.lower()}"

    def __call__(
        self, model: Any, x: Tensor, sigmas: Tensor, extra_args: Mapping[str, Any] | None = None,
        callback: Callable[[dict[str, Any]], None] | None = None, disable: bool | None = None,
    ) -> Tensor:  # fmt: skip
        """x: noised already, in the model's scale. model: (x, sigma per item, **extra_args) -> the clean estimate."""
        extra = dict(extra_args or {})
        path = path_of(model.inner_model.model_patcher.get_model_object("model_sampling"))
        with bar(len(sigmas) - 1, bool(disable)) as advance:

            def on_step(step: Step) -> None:
                advance()
                if callback is not None:
                    levels = {"sigma": step.sigma, "sigma_hat": step.sigma}
                    callback({"i": step.index, "x": step.x, "denoised": step.denoised, **levels})

            ask, seed = self._ask(model, extra), extra.get("seed") or 0
            return at_home(self.sampler).run(ask, x, sigmas.tolist(), path, seed, on_step)

    def _ask(self, model: Any, extra: dict[str, Any]) -> Ask:
        """The host tells the guided estimate; a last hook behind its guidance sees what that was made of."""
        seen: list[Mapping[str, Any]] = []

        def look(args: Mapping[str, Any]) -> Tensor:
            seen.append(args)
            estimate: Tensor = args["denoised"]
            return estimate

        options = dict(extra.get("model_options") or {})
        options[POST] = [*options.get(POST, ()), look]
        row = self.sampler
        both = isinstance(row, Row) and (row.cfg_pp or row.asks_uncond)
        if both:
            options["disable_cfg1_optimization"] = True
        extra["model_options"] = options

        def ask(x: Tensor, sigma: float) -> Estimates:
            seen.clear()
            guided = model(x, x.new_full((len(x),), sigma), **extra)
            if seen:
                return Estimates(guided, seen[-1]["cond_denoised"], seen[-1]["uncond_denoised"])
            if both:
                raise Unsupported("this sampler follows the negative estimate too, which this guider does not tell")
            return Estimates(guided, guided, guided)

        return ask


@contextmanager
def bar(total: int, hidden: bool) -> Iterator[Callable[[], None]]:
    """A line in the host's console that grows, as its own samplers show one."""
    with import_module("tqdm.auto").tqdm(total=total, disable=hidden) as line:
        yield lambda: line.update() and None
