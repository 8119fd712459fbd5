"""What a network's output means, and the value that says how a model is sampled.

`denoised(out, x, sigma)` turns the output into a clean estimate; `scale_in(x, sigma)` is what the network sees.
Sigma is a float, or a tensor shaped to broadcast against x (`b 1 1 1`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .cosine import Cosine
from .levels import Continuous, ContinuousAngle, ContinuousRatio, Discrete, Levels
from .path import VE, Flow, Path

if TYPE_CHECKING:
    from torch import Tensor


class Prediction(Protocol):
    """Reads a network output."""

    def scale_in(self, x: Tensor, sigma: float | Tensor) -> Tensor: ...

    def denoised(self, out: Tensor, x: Tensor, sigma: float | Tensor) -> Tensor: ...

    def target(self, x0: Tensor, noise: Tensor, sigma: float | Tensor) -> Tensor:
        """What the network should have answered at `path.noised(x0, noise, sigma)`: the training target."""
        ...


@dataclass(frozen=True)
class Eps:
    """Predicts the noise: Ho et al. 2020, arXiv:2006.11239."""

    sigma_data: float = 1.0

    def scale_in(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return x / (sigma**2 + self.sigma_data**2) ** 0.5

    def denoised(self, out: Tensor, x: Tensor, sigma: float | Tensor) -> Tensor:
        return x - out * sigma

    def target(self, x0: Tensor, noise: Tensor, sigma: float | Tensor) -> Tensor:
        return noise


@dataclass(frozen=True)
class V:
    """Predicts alpha * noise - sigma * x0 of the unit-variance path: Salimans & Ho 2022, arXiv:2202.00512."""

    sigma_data: float = 1.0

    def scale_in(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return x / (sigma**2 + self.sigma_data**2) ** 0.5

    def denoised(self, out: Tensor, x: Tensor, sigma: float | Tensor) -> Tensor:
        total = sigma**2 + self.sigma_data**2
        return x * self.sigma_data**2 / total - out * sigma * self.sigma_data / total**0.5

    def target(self, x0: Tensor, noise: Tensor, sigma: float | Tensor) -> Tensor:
        total = sigma**2 + self.sigma_data**2
        return (self.sigma_data**2 * noise - sigma * x0) / (self.sigma_data * total**0.5)


@dataclass(frozen=True)
class EDM:
    """Preconditioned output of Karras et al. 2022, arXiv:2206.00364, table 1."""

    sigma_data: float = 0.5

    def scale_in(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return x / (sigma**2 + self.sigma_data**2) ** 0.5

    def denoised(self, out: Tensor, x: Tensor, sigma: float | Tensor) -> Tensor:
        total = sigma**2 + self.sigma_data**2
        return x * self.sigma_data**2 / total + out * sigma * self.sigma_data / total**0.5

    def target(self, x0: Tensor, noise: Tensor, sigma: float | Tensor) -> Tensor:
        total = sigma**2 + self.sigma_data**2
        return (sigma * x0 - self.sigma_data**2 * noise) / (self.sigma_data * total**0.5)


@dataclass(frozen=True)
class X0:
    """Predicts the clean image."""

    sigma_data: float = 1.0

    def scale_in(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return x / (sigma**2 + self.sigma_data**2) ** 0.5

    def denoised(self, out: Tensor, x: Tensor, sigma: float | Tensor) -> Tensor:
        return out

    def target(self, x0: Tensor, noise: Tensor, sigma: float | Tensor) -> Tensor:
        return x0


@dataclass(frozen=True)
class Unscaled:
    """Predicts the clean image, and sees its input as it is: networks from picture to picture."""

    def scale_in(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return x

    def denoised(self, out: Tensor, x: Tensor, sigma: float | Tensor) -> Tensor:
        return out

    def target(self, x0: Tensor, noise: Tensor, sigma: float | Tensor) -> Tensor:
        return x0


@dataclass(frozen=True)
class Velocity:
    """Predicts noise - x0 on the straight path: Lipman et al. 2022, arXiv:2210.02747."""

    def scale_in(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return x

    def denoised(self, out: Tensor, x: Tensor, sigma: float | Tensor) -> Tensor:
        return x - out * sigma

    def target(self, x0: Tensor, noise: Tensor, sigma: float | Tensor) -> Tensor:
        return noise - x0


@dataclass(frozen=True)
class ScaledVelocity:
    """A velocity network sampled on the VE path: its own time is tau = sigma / (sigma + 1), its input x * (1 - tau)."""

    def scale_in(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return x * (1.0 - sigma / (sigma + 1.0))

    def denoised(self, out: Tensor, x: Tensor, sigma: float | Tensor) -> Tensor:
        tau = sigma / (sigma + 1.0)
        return x * (1.0 - tau) - out * tau

    def target(self, x0: Tensor, noise: Tensor, sigma: float | Tensor) -> Tensor:
        return noise - x0


@dataclass(frozen=True)
class Consistency:
    """Epsilon output wrapped in a consistency model's boundary condition: Luo et al. 2023, arXiv:2310.04378, eq. 9.

    `levels` gives the timestep that the skip weights depend on; floats only.
    """

    levels: Levels
    sigma_data: float = 0.5
    timestep_scale: float = 10.0

    def scale_in(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return x / (sigma**2 + 1.0) ** 0.5

    def denoised(self, out: Tensor, x: Tensor, sigma: float | Tensor) -> Tensor:
        scaled = self.levels.timestep(float(sigma)) * self.timestep_scale
        total = scaled**2 + self.sigma_data**2
        return (scaled / math.sqrt(total)) * (x - out * sigma) + (self.sigma_data**2 / total) * x

    def target(self, x0: Tensor, noise: Tensor, sigma: float | Tensor) -> Tensor:
        return noise


@dataclass(frozen=True)
class Sampling:
    """How a model is sampled: the meaning of its output, its noise path and its table of levels."""

    prediction: Prediction
    path: Path
    levels: Levels

    def start(self, latent: Tensor, noise: Tensor, sigma: float) -> Tensor:
        """First state of a run that begins at `sigma`. latent, noise: b c *space, already in the model's scale."""
        top = self.levels.sigma_max
        return self.path.start(latent, noise, sigma, full=sigma > top or math.isclose(sigma, top, rel_tol=1e-5))


def discrete(kind: str = "eps", *, zsnr: bool = False, levels: Discrete | None = None) -> Sampling:
    """Sampling of a model trained on discrete steps (the thousand scaled-linear ones unless `levels` are given).

    kind: "eps", "v_prediction" (or "v"), "x0", "img_to_img", "lcm". `zsnr`: zero terminal signal-to-noise ratio.
    """
    table = levels if levels is not None else Discrete.scaled_linear(zsnr=zsnr)
    if kind == "lcm":
        table = table.thinned(50)
        return Sampling(Consistency(table), VE(progress=table.percent_to_sigma), table)
    predictions: dict[str, Prediction] = {
        "eps": Eps(), "v_prediction": V(), "v": V(), "x0": X0(), "img_to_img": Unscaled(),
    }  # fmt: skip
    return Sampling(predictions[kind], VE(progress=table.percent_to_sigma), table)


def flow(levels: Levels) -> Sampling:
    """Sampling of a velocity model over `levels` (FlowLevels or FluxLevels)."""
    return Sampling(Velocity(), Flow(levels.percent_to_sigma), levels)


def edm(kind: str = "edm", low: float | None = None, high: float | None = None) -> Sampling:
    """Sampling over continuous levels. kind: "v_prediction", "eps", "edm", "edm_playground_v2.5" or "cosmos_rflow"."""
    if kind == "cosmos_rflow":
        ratio = ContinuousRatio(0.002 if low is None else low, 80.0 if high is None else high)
        return Sampling(ScaledVelocity(), VE(unit_start=False, progress=ratio.percent_to_sigma), ratio)
    predictions: dict[str, Prediction] = {"v_prediction": V(), "eps": Eps(), "edm": EDM(), "edm_playground_v2.5": EDM()}
    table = Continuous(0.002 if low is None else low, 120.0 if high is None else high)
    return Sampling(predictions[kind], VE(progress=table.percent_to_sigma), table)


def cosine(shift: float = 1.0) -> Sampling:
    """Sampling of a noise-predicting model over cosine levels."""
    table = Cosine(shift)
    return Sampling(Eps(), VE(progress=table.percent_to_sigma), table)


def angle(kind: str = "v_prediction", low: float = 0.03, high: float = 500.0) -> Sampling:
    """Sampling over levels whose timestep is an angle."""
    table = ContinuousAngle(low, high)
    return Sampling({"v_prediction": V()}[kind], VE(progress=table.percent_to_sigma), table)
