"""`comfy_extras.nodes_compositing`: its nodes as classes, and the modes they know."""

from __future__ import annotations

from enum import Enum

from _core_classes import fill
from torch import Tensor

from ....models.picture import batches, composite
from ....models.picture.names import PORTER_DUFF

PorterDuffMode = Enum("PorterDuffMode", {name: number for number, name in enumerate(PORTER_DUFF)}, module=__name__)  # type: ignore[misc]


def resize_mask(mask: Tensor, shape: tuple[int, int]) -> Tensor:
    """mask: [b] h w; shape: height and width."""
    return batches.resize_mask(mask, shape[1], shape[0])


def porter_duff_composite(
    src_image: Tensor, src_alpha: Tensor, dst_image: Tensor, dst_alpha: Tensor, mode: Enum
) -> tuple[Tensor, Tensor]:
    """Pictures h w c and transparencies h w 1, by a PorterDuffMode."""
    return composite.porter_duff(src_image, src_alpha, dst_image, dst_alpha, mode.name)


fill(globals())
