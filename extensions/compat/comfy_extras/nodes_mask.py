"""`comfy_extras.nodes_mask`: its nodes as classes, and the function behind two of them."""

from __future__ import annotations

from _core_classes import fill
from torch import Tensor

from ....models.picture.composite import paste


def composite(
    destination: Tensor,
    source: Tensor,
    x: int,
    y: int,
    mask: Tensor | None = None,
    multiplier: int = 8,
    resize_source: bool = False,
) -> Tensor:
    """`source` over `destination` at (x, y) in pixels, `multiplier` of which make a cell. b c h w; mask 1 = source."""
    return paste(destination, source.to(destination), x // multiplier, y // multiplier, mask, resize=resize_source)


fill(globals())
