"""Levels as foreign code passes them: tensors, one value for each item of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

EXACT = "carrara_level"
"""A tensor we made remembers the level it was made of, which float32 may round."""


def level_tensor(sigma: float, x: Tensor) -> Tensor:
    """One level for the batch of x: b, float32."""
    import torch

    made = torch.full((x.shape[0],), sigma, device=x.device, dtype=torch.float32)
    setattr(made, EXACT, sigma)
    return made


def level_of(timestep: Any) -> float:
    """The level of a batch whose items all have the same."""
    exact = getattr(timestep, EXACT, None)
    if exact is not None:
        return exact  # type: ignore[no-any-return]
    return float(timestep.flatten()[0]) if hasattr(timestep, "flatten") else float(timestep)


def each(function: Callable[[float], float], values: Any) -> Tensor:
    """A function of one level applied to every item of a tensor (or to a number), in its shape, float32."""
    import torch

    if not isinstance(values, torch.Tensor):
        return torch.tensor(function(float(values)), dtype=torch.float32)
    made = torch.tensor([function(float(value)) for value in values.flatten()], dtype=torch.float32)
    return made.view(values.shape).to(values.device)


def spread(sigma: Tensor, ndim: int) -> Tensor:
    """sigma: b, shaped to broadcast against a tensor of so many axes."""
    return sigma if sigma.ndim == 0 else sigma.reshape(sigma.shape[:1] + (1,) * (ndim - 1))
