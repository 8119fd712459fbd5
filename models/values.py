"""What travels along links. Frozen: a node makes a new value, it never changes the one it was given.

Importable without torch: the annotations are the socket types of the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

    Image = Tensor
    Mask = Tensor
    Sigmas = Tensor
else:

    class Image:
        """b h w c, float32 0..1, CPU. A plain tensor at run time; this class only names the socket."""

        socket: ClassVar[str] = "IMAGE"

    class Mask:
        """b h w, float32 0..1; 1 = selected. A plain tensor at run time."""

        socket: ClassVar[str] = "MASK"

    class Sigmas:
        """steps+1 values, descending, float32. A plain tensor at run time."""

        socket: ClassVar[str] = "SIGMAS"


@dataclass(frozen=True, eq=False)
class Latent:
    """samples: b c h w, unscaled VAE output. noise_mask: b|1 1 H W of any size, 1 = generate.

    extra: what foreign nodes keep beside these; nothing here reads it.
    """

    socket: ClassVar[str] = "LATENT"

    samples: Tensor
    noise_mask: Tensor | None = None
    batch_index: tuple[int, ...] | None = None
    kind: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def with_samples(self, samples: Tensor) -> Latent:
        return replace(self, samples=samples)


@dataclass(frozen=True)
class Area:
    """A rectangle of the latent: cells, or shares of the whole when `relative`."""

    height: float
    width: float
    y: float
    x: float
    relative: bool = False


@dataclass(frozen=True, eq=False)
class ControlUse:
    """One ControlNet applied to one entry. hint: b 3 h w, 0..1. Chained nets are a tuple of these."""

    net: Any
    hint: Tensor
    strength: float = 1.0
    start_percent: float = 0.0
    end_percent: float = 1.0
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class CondEntry:
    """One text with where and when it counts. cond: 1 tokens dim; pooled: 1 dim.

    extra: what foreign nodes say beside these, under their names.
    """

    cond: Tensor
    pooled: Tensor | None = None
    area: Area | None = None
    strength: float = 1.0
    mask: Tensor | None = None
    mask_strength: float = 1.0
    mask_bounds: bool = False
    start_percent: float = 0.0
    end_percent: float = 1.0
    control: tuple[ControlUse, ...] = ()
    control_to_uncond: bool = False
    concat_latent: Tensor | None = None
    concat_mask: Tensor | None = None
    default: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    def but(self, **changes: Any) -> CondEntry:
        return replace(self, **changes)


@dataclass(frozen=True, eq=False)
class Conditioning:
    """Entries are all evaluated and blended by their weight maps."""

    socket: ClassVar[str] = "CONDITIONING"

    entries: tuple[CondEntry, ...]

    def map(self, **changes: Any) -> Conditioning:
        return Conditioning(tuple(e.but(**changes) for e in self.entries))
