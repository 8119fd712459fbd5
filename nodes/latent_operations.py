"""Functions of a latent that travel along links."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from ..executor.spec import Range, node
from ..models.values import Latent

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LatentOperation:
    """b c h w → b c h w."""

    socket: ClassVar[str] = "LATENT_OPERATION"

    apply: Callable[[Tensor], Tensor]


@node("LatentApplyOperation", category="latent/advanced/operations", experimental=True)
def latent_apply_operation(samples: Latent, operation: LatentOperation) -> Latent:
    """Apply an operation to a latent."""
    return samples.with_samples(operation.apply(samples.samples))


@node("LatentOperationTonemapReinhard", category="latent/advanced/operations", experimental=True)
def latent_operation_tonemap_reinhard(
    multiplier: Annotated[float, Range(0.0, 100.0, step=0.01), "Scales the largest length left."] = 1.0,
) -> LatentOperation:
    """Compress the lengths of channel vectors as Reinhard et al. 2002 do with brightness."""

    def apply(x: Tensor) -> Tensor:
        length = x.norm(dim=1, keepdim=True) + 1e-10
        inner = tuple(range(1, x.ndim))
        top = (length.std(dim=inner, keepdim=True) * 5 + length.mean(dim=inner, keepdim=True)) * multiplier
        relative = length / top
        return x / length * (relative / (relative + 1) * top)

    return LatentOperation(apply)


@node("LatentOperationSharpen", category="latent/advanced/operations", experimental=True)
def latent_operation_sharpen(
    sharpen_radius: Annotated[int, Range(1, 31, step=1), "Cells."] = 9,
    sigma: Annotated[float, Range(0.1, 10.0, step=0.1), "In radii."] = 1.0,
    alpha: Annotated[float, Range(0.0, 5.0, step=0.01), "Strength."] = 0.1,
) -> LatentOperation:
    """Sharpen the directions of channel vectors, keeping their lengths."""

    def apply(x: Tensor) -> Tensor:
        from ..models.picture.filters import convolve, unsharp

        length = x.norm(dim=1, keepdim=True) + 1e-6
        directions = (x / length).movedim(1, -1)
        return length * convolve(directions, unsharp(sharpen_radius, sigma, alpha)).movedim(-1, 1)

    return LatentOperation(apply)
