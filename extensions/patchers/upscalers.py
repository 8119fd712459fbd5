"""Networks that enlarge pictures, as packs know them: called with b c h w in 0..1, bigger by `scale`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...models.handles import UpscaleModel
from ...models.residency import Residency
from ...models.upscale.others import lent
from ..border import Border, Kind

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..host import Host


class Descriptor:
    """A network of ours in the shape of spandrel's descriptors. It lies where the engine puts it."""

    def __init__(self, ours: UpscaleModel, residency: Residency) -> None:
        self.ours = ours
        self._residency = residency
        self.scale = ours.scale
        self.input_channels = self.output_channels = int(ours.network.config.channels)
        self.supports_half = self.supports_bfloat16 = False

    @property
    def model(self) -> torch.nn.Module:
        with self._residency.use(self.ours.network) as network:
            return network

    @property
    def device(self) -> torch.device:
        return self._residency.device

    @property
    def dtype(self) -> torch.dtype:
        return self._residency.format(self.ours.network)

    def to(self, *_: Any, **__: Any) -> Descriptor:
        return self

    cpu = cuda = eval = half = float = to

    def __call__(self, image: Tensor) -> Tensor:
        with self._residency.use(self.ours.network) as network:
            made = self._residency.call(network, image.to(self.device, self.dtype))
        return made.to(image).clamp(0, 1)


def row(host: Host) -> Kind:
    """UPSCALE_MODEL."""

    def outward(value: UpscaleModel, border: Border) -> Any:
        given = value.network.lent
        return Descriptor(value, host.services[Residency]) if given is None else given

    def inward(value: Any, border: Border) -> UpscaleModel:
        if isinstance(value, Descriptor):
            return value.ours
        return UpscaleModel(lent(value))

    return Kind(
        "UPSCALE_MODEL", UpscaleModel, lambda value: isinstance(value, Descriptor), outward, inward,
        claims=lambda value: hasattr(value, "scale") and callable(value),
    )  # fmt: skip
