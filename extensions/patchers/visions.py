"""CLIP's picture encoder as packs know it: asked with `encode_image`, answering with states by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...models.residency import Residency
from ...models.seen import ClipVision, VisionOutput
from ..border import Border, Kind

if TYPE_CHECKING:
    from torch import Tensor

    from ..host import Host


class Output(dict[str, Any]):
    """States under their names, as attributes and as items."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class Encoder:
    """A picture encoder of ours. It lies where the engine puts it."""

    def __init__(self, ours: ClipVision, residency: Residency) -> None:
        self.ours = ours
        self._residency = residency
        self.image_size = int(ours.network.config.side)

    @property
    def model(self) -> Any:
        with self._residency.use(self.ours.network) as network:
            return network

    @property
    def load_device(self) -> Any:
        return self._residency.device

    @property
    def dtype(self) -> Any:
        return self._residency.format(self.ours.network)

    def encode_image(self, image: Tensor, crop: bool = True) -> Output:
        """image: b h w c in 0..1."""
        from ...models.vision import look

        seen = look(self.ours.network, image, bool(crop), self._residency)
        return Output(
            last_hidden_state=seen.last, image_embeds=seen.pooled, penultimate_hidden_states=seen.penultimate,
            image_sizes=[tuple(picture.shape) for picture in image.movedim(-1, 1)[:, :3]], mm_projected=None,
        )  # fmt: skip


def rows(host: Host) -> tuple[Kind, ...]:
    """CLIP_VISION and CLIP_VISION_OUTPUT."""

    def output_out(value: VisionOutput, border: Border) -> Output:
        return Output(
            last_hidden_state=value.last_hidden_state, image_embeds=value.image_embeds,
            penultimate_hidden_states=value.penultimate_hidden_states, mm_projected=None,
        )  # fmt: skip

    def output_in(value: Any, border: Border) -> VisionOutput:
        return VisionOutput(value.last_hidden_state, value.penultimate_hidden_states, value.image_embeds)

    vision = Kind(
        "CLIP_VISION", ClipVision, lambda value: isinstance(value, Encoder),
        lambda value, border: Encoder(value, host.services[Residency]), lambda value, border: value.ours,
    )  # fmt: skip
    output = Kind(
        "CLIP_VISION_OUTPUT", VisionOutput, lambda value: isinstance(value, Output), output_out, output_in,
        claims=lambda value: hasattr(value, "penultimate_hidden_states") and hasattr(value, "image_embeds"),
    )  # fmt: skip
    return vision, output
