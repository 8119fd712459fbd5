"""A quick look at a latent without its autoencoder: a straight map to colours, or a tiny decoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CarraraError
from .services import Models

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from .handles import Model

PREVIEWS = Path(__file__).parent / "previews"
"""Decoders of models that come with the package, by the title their metadata has."""
TITLE, FACTORS = "modelspec.title", "carrara.latent_rgb"
METHODS = ("none", "auto", "latent2rgb", "taesd")
"""auto: the decoder that comes with a model, else latent2rgb. taesd: one among the `vae_approx` as well."""
TAESD = "taesd_decoder"
"""How decoders for SD1's latents are called."""

SD1 = (
    (0.298, 0.207, 0.208),
    (0.187, 0.286, 0.173),
    (-0.158, 0.189, 0.264),
    (-0.184, -0.271, -0.473),
    (0.0, 0.0, 0.0),
)
"""Red, green and blue per channel, then of nothing, for SD1's autoencoder. Turner 2022, "Decoding latents to RGB"."""


@dataclass(frozen=True, eq=False)
class Preview:
    """The clean estimate of a step. Nothing is computed, nor read back from a device, until somebody looks.

    latent: b c h w in the model's scale. model: what made it, if that is known.
    """

    latent: Tensor
    model: Model | None = None

    @property
    def title(self) -> str:
        """The model's name for itself."""
        return "" if self.model is None else self.model.unet.weights.metadata.get(TITLE, "")

    def first(self) -> Tensor:
        """The first item, on the processor: c h w."""
        latent = self.latent[0].detach().float().cpu()
        return latent if latent.ndim == 3 else latent[:, 0]

    def picture(self, factors: tuple[tuple[float, ...], ...] = SD1) -> Tensor:
        """The first item, one pixel per cell: h w 3 in 0..1, on the processor."""
        import torch

        first, table = self.first(), torch.tensor(factors)
        used = min(len(first), len(table) - 1)
        colours = torch.einsum("chw,cr->hwr", first[:used], table[:used]) + table[-1]
        return ((colours + 1) / 2).clamp(0, 1)


@dataclass(frozen=True, eq=False)
class Previewer:
    """Makes pictures of previews, for one engine. Decoders are kept once they were read. One thread at a time."""

    models: Models
    device: str = "cpu"
    _decoders: dict[Path, Decoder | None] = field(default_factory=dict, repr=False)
    _factors: dict[str, tuple[tuple[float, ...], ...]] = field(default_factory=dict, repr=False)

    def picture(self, preview: Preview, method: str = "auto") -> tuple[Tensor, int]:
        """h w 3 in 0..1 on the processor, and how many pixels of the finished picture each pixel stands for."""
        decoder = self._decoder(preview, method)
        if decoder is not None:
            return self._decoded(decoder, preview), 1
        factor = 8 if preview.model is None else preview.model.latent.factor
        return preview.picture(self.factors(preview.title)), factor

    def factors(self, title: str) -> tuple[tuple[float, ...], ...]:
        """The straight map for a model's latents."""
        if title not in self._factors:
            from .header import read_header

            own = _own(title)
            text = "" if own is None else read_header(own).metadata.get(FACTORS, "")
            rows = tuple(tuple(float(value) for value in row.split(",")) for row in text.split(";")) if text else SD1
            self._factors[title] = rows
        return self._factors[title]

    def _decoder(self, preview: Preview, method: str) -> Module | None:
        if method not in ("auto", "taesd"):
            return None
        path = _own(preview.title)
        if path is None and method == "taesd":
            names = [name for name in self.models.list("vae_approx") if Path(name).name.startswith(TAESD)]
            path = self.models.find("vae_approx", names[0]) if names else None
        if path is None:
            return None
        if path not in self._decoders:
            self._decoders[path] = _read(path, self.device)
        found = self._decoders[path]
        return found.network if found is not None and found.channels == preview.latent.shape[1] else None

    def _decoded(self, decoder: Module, preview: Preview) -> Tensor:
        import torch

        with torch.inference_mode():
            picture: Tensor = decoder(preview.first()[None].to(self.device))
        return picture[0].clamp(0, 1).permute(1, 2, 0).cpu()


def _own(title: str) -> Path | None:
    """The decoder that comes with a model of ours."""
    known = {path.stem: path for path in PREVIEWS.glob("*.safetensors")} if title else {}
    return known.get(title)


@dataclass(frozen=True, eq=False)
class Decoder:
    """A tiny decoder in memory. channels: of the latents it takes."""

    network: Module
    channels: int


def _read(path: Path, device: str) -> Decoder | None:
    """A decoder by its file's shapes; None for files that hold none."""
    import torch

    from .blueprint import Blueprint
    from .load import open_weights
    from .materialise import materialise
    from .vae.taesd import TAESDConfig, TAESDDecoder

    try:
        weights = open_weights(path)
        width, channels = weights.shape("1.weight")[:2]
        blueprint = Blueprint("vae", TAESDDecoder, TAESDConfig(channels, width), weights)
        return Decoder(materialise(blueprint, torch.device(device), torch.float32), channels)
    except (CarraraError, KeyError, ValueError):
        return None
