"""Models as they travel along links: descriptions of networks, not the networks.

Frozen and cheap. A node that changes a model hands on a new value; weights are read when something must run.
Importable without torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..samplers.guides import Guiding
    from ..samplers.inpaint import Gradual
    from ..samplers.prediction import Sampling
    from .blueprint import Blueprint, LatentFormat
    from .conducting import Steering
    from .layers.call import Call
    from .looks import Look
    from .reuse import Reuse


@dataclass(frozen=True, eq=False)
class Model:
    """A denoising network with how it is sampled and guided.

    call: patches hung on its blocks, if any. looks: guidance that asks the network again. steered: what foreign nodes
    hung on it; they then lead the run. masking: how a grey mask is read, if not as a share. reuse: how evaluations are
    skipped, if any are.
    """

    socket: ClassVar[str] = "MODEL"

    unet: Blueprint
    latent: LatentFormat
    sampling: Sampling
    guiding: Guiding
    call: Call | None = None
    looks: tuple[Look, ...] = ()
    steered: Steering | None = None
    masking: Gradual | None = None
    reuse: Reuse | None = None

    def but(self, **changes: object) -> Model:
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Where the words of a text encoder may be found. metadata: texts that came with the weights themselves."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


@dataclass(frozen=True, eq=False)
class Clip:
    """Text encoders. last_layer: -1 the last, -2 the one before, ...; None: the family's own choice."""

    socket: ClassVar[str] = "CLIP"

    encoders: tuple[Blueprint, ...]
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    last_layer: int | None = None

    def but(self, **changes: object) -> Clip:
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Vae:
    """An autoencoder between pictures and latents; the latents it gives are not yet scaled for a model."""

    socket: ClassVar[str] = "VAE"

    network: Blueprint
    latent: LatentFormat


@dataclass(frozen=True, eq=False)
class ControlNet:
    """A network that adds to another's blocks what it sees in a hint picture.

    soft: each residual counts `soft` times the one after it; 1 = all alike.
    """

    socket: ClassVar[str] = "CONTROL_NET"

    network: Blueprint
    soft: float = 1.0

    def but(self, **changes: object) -> ControlNet:
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class UpscaleModel:
    """A network that enlarges pictures."""

    socket: ClassVar[str] = "UPSCALE_MODEL"

    network: Blueprint

    @property
    def scale(self) -> int:
        """How many times the sides grow."""
        return int(self.network.config.scale)
