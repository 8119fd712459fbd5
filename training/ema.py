"""A running mean of a network's weights, which samples better than any single step's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


class Average:
    """Exponential moving average of parameters. Early steps count less: decay = min(decay, (1 + n) / (10 + n))."""

    def __init__(self, network: nn.Module, decay: float = 0.999) -> None:
        self.decay = decay
        self.steps = 0
        self.weights: dict[str, Tensor] = {name: p.detach().clone() for name, p in network.named_parameters()}

    def update(self, network: nn.Module) -> None:
        """Take one step of `network` into the mean."""
        import torch

        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        with torch.no_grad():
            here = dict(network.named_parameters())
            means = list(self.weights.values())
            torch._foreach_lerp_(means, [here[name].detach() for name in self.weights], 1 - keep)

    def copy_to(self, network: nn.Module) -> None:
        """Write the mean into a network of the same make."""
        import torch

        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(self.weights[name])

    def state(self) -> dict[str, object]:
        """Everything needed to go on."""
        return {"steps": self.steps, "weights": self.weights}

    def restore(self, state: dict[str, object]) -> None:
        """Go on from `state()`."""
        import torch

        self.steps = int(state["steps"])  # type: ignore[call-overload]
        with torch.no_grad():
            for name, value in state["weights"].items():  # type: ignore[attr-defined]
                self.weights[name].copy_(value)
