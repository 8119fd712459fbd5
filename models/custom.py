"""What custom sampling sends along links: a sampler, and where a run's first noise comes from. Importable without
torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from torch import Tensor

    from ..samplers.integrate import Sampler


@dataclass(frozen=True, eq=False)
class SamplerChoice:
    """What carries a state down the levels, with its settings."""

    socket: ClassVar[str] = "SAMPLER"

    sampler: Sampler


@dataclass(frozen=True)
class Noise:
    """First noise of a run. The seed also feeds samplers that draw on the way.

    kind: "batch", one draw of the whole batch; "each", item k as if made alone with seed + k; "none", no noise.
    """

    socket: ClassVar[str] = "NOISE"

    seed: int = 0
    kind: Literal["batch", "each", "none"] = "batch"

    def draw(self, shape: Sequence[int], batch_index: Sequence[int] | None = None) -> Tensor:
        """shape: b c *space. float32, on the processor."""
        import torch

        from ..samplers.noise import first_noise, per_image_noise

        if self.kind == "none":
            return torch.zeros(tuple(shape))
        if self.kind == "batch":
            return first_noise(shape, self.seed, batch_index)
        if batch_index is None:
            return per_image_noise(shape, self.seed)
        every = per_image_noise((max(batch_index) + 1, *shape[1:]), self.seed)
        return every[list(batch_index)]
