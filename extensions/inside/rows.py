"""The border inside a host: its models, samplers, guiders and noises on one side, ours on the other."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...executor.spec import Blocker
from ...models.custom import Noise, SamplerChoice
from ...models.guider import Guider
from ...models.handles import Model
from ...nodes.latent_operations import LatentOperation
from ..border import Border, Kind
from ..plain import ROWS, Chain
from .own import Own

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor


def inside_border() -> Border:
    """Imports nothing of the host's before a value of that kind crosses."""
    return Border(
        (
            *ROWS,
            Kind("MODEL", Model, _is("comfy.model_patcher", "ModelPatcher"), _model_out, _model_in, claims=_any),
            Kind("SAMPLER", SamplerChoice, _never, _sampler_out, _sampler_in, claims=_has("sample")),
            Kind("GUIDER", Guider, _never, _guider_out, _guider_in, claims=_any),
            Kind("NOISE", Noise, _never, _noise_out, _noise_in, claims=_has("generate_noise")),
            Kind("CONTROL", Chain, _owned, lambda chain, border: Own(chain), _unwrapped),
            Kind("LATENT_OPERATION", LatentOperation, _never, _operation_out, _operation_in, claims=callable),
            Kind("", Blocker, _never, _blocker_out, _same),
        )
    )  # fmt: skip


def _same(value: Any, border: Border) -> Any:
    return value


def _any(value: Any) -> bool:
    return value is not None


def _never(value: Any) -> bool:
    return False


def _owned(value: Any) -> bool:
    return isinstance(value, Own)


def _unwrapped(value: Own, border: Border) -> Any:
    return value.value


def _has(method: str) -> Callable[[Any], bool]:
    """Hosts and packs have classes of their own for these; what they share is a method."""
    return lambda value: callable(getattr(value, method, None))


def _is(module: str, name: str) -> Callable[[Any], bool]:
    """A class of the host's; where its module is not loaded there are no such values."""

    def test(value: Any) -> bool:
        home = sys.modules.get(module)
        return isinstance(value, Own) or (home is not None and isinstance(value, getattr(home, name)))

    return test


def _model_out(model: Model, border: Border) -> Any:
    from .guiders import patcher_of

    return Own(model) if model.steered is None else patcher_of(model)


def _model_in(value: Any, border: Border) -> Any:
    from .runs import host_model

    return value.value if isinstance(value, Own) else host_model(value)


def _sampler_out(choice: SamplerChoice, border: Border) -> Any:
    from .samplers import host_sampler

    return host_sampler(choice.sampler)


def _sampler_in(value: Any, border: Border) -> SamplerChoice:
    from .samplers import our_sampler

    return SamplerChoice(our_sampler(value))


def _guider_out(guider: Guider, border: Border) -> Any:
    from .guiders import host_guider

    return Own(guider) if guider.model.steered is None else host_guider(guider)


def _guider_in(value: Any, border: Border) -> Any:
    from .runs import TheirGuider

    return value.value if isinstance(value, Own) else TheirGuider(value)


@dataclass(frozen=True, eq=False)
class GivenNoise:
    """Our noise, as hosts ask for it."""

    noise: Noise

    @property
    def seed(self) -> int:
        return self.noise.seed

    def generate_noise(self, input_latent: Mapping[str, Any]) -> Tensor:
        samples = input_latent["samples"]
        return self.noise.draw(samples.shape, input_latent.get("batch_index")).to(samples.dtype)


@dataclass(frozen=True, eq=False)
class TheirNoise:
    """A host's noise, as ours is asked for."""

    noise: Any

    @property
    def seed(self) -> int:
        return int(self.noise.seed)

    def draw(self, shape: Sequence[int], batch_index: Sequence[int] | None = None) -> Tensor:
        import torch

        latent: dict[str, Any] = {"samples": torch.zeros(tuple(shape))}
        if batch_index is not None:
            latent["batch_index"] = list(batch_index)
        drawn: Tensor = self.noise.generate_noise(latent)
        return drawn


def _noise_out(noise: Noise, border: Border) -> GivenNoise:
    return GivenNoise(noise)


def _noise_in(value: Any, border: Border) -> Any:
    return value.noise if isinstance(value, GivenNoise) else TheirNoise(value)


def _operation_out(operation: LatentOperation, border: Border) -> Any:
    def apply(latent: Tensor, **more: Any) -> Tensor:
        return operation.apply(latent)

    return apply


def _operation_in(value: Any, border: Border) -> LatentOperation:
    return LatentOperation(lambda latent: value(latent=latent))


def _blocker_out(blocker: Blocker, border: Border) -> Any:
    return import_module("comfy_execution.graph").ExecutionBlocker(blocker.message)
