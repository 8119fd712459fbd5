"""The seam for runs that are not only ours: hooks, samplers and guiders of other people around the same networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ..samplers.integrate import Ask, Sampler, Step
    from .custom import Noise
    from .denoiser import Canvas
    from .guider import Guider
    from .residency import Residency
    from .sampling import Result
    from .values import Latent


@runtime_checkable
class Conductor(Protocol):
    """Does a whole run in the place of `sampling.run`, with the same meaning of every argument."""

    def conduct(
        self, guider: Guider, noise: Noise, sampler: Sampler, sigmas: Sequence[float], latent: Latent,
        residency: Residency, on_step: Callable[[Step], None] | None, before: Callable[[], None] | None,
    ) -> Result: ...  # fmt: skip


class Steering(Conductor, Protocol):
    """What other people hung on a model."""

    def asking(
        self, guider: Guider, canvas: Canvas, residency: Residency, *, both: bool, before: Callable[[], None] | None
    ) -> AbstractContextManager[Ask]:
        """As `denoiser.denoising`."""
        ...


def conductor_of(guider: Guider, sampler: Sampler) -> Conductor | None:
    """Whoever of a run's parts must do the run itself."""
    parts: list[Any] = [guider, sampler, guider.model.steered, *_nets(guider)]
    return next((part for part in parts if isinstance(part, Conductor)), None)


def _nets(guider: Guider) -> Iterator[Any]:
    for text in guider.texts:
        for entry in text.entries:
            for use in entry.control:
                yield use.net
