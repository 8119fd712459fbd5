"""Latent to image: the decoder alone learns on, from latents that stay what they are.

Small objects are where a narrow decoder fails first: they cover three in a hundred pixels, so the plain mean over the
picture hardly asks for their outline. Here they are drawn more often, and an object's own pixels count as much as all
the picture's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from ..models.vae.autoencoder import Autoencoder
from .image_to_latent import to_tensor
from .precision import mixed
from .scenes import PIXELS, Scene, draw, silhouette


def around(scene: Scene, margin: int = 2) -> Tensor:
    """1 where the object is and `margin` pixels around it, else 0: 1 h w."""
    cover = silhouette(scene.shape, scene.x * PIXELS, scene.y * PIXELS, scene.radius * PIXELS, PIXELS)
    wide = cv2.dilate(cover, np.ones((2 * margin + 1, 2 * margin + 1), np.uint8))
    return torch.from_numpy((wide > 0).astype(np.float32))[None]


def error(found: Tensor, wanted: Tensor, near: Tensor, emphasis: float) -> Tensor:
    """Absolute and squared error, over the whole picture and `emphasis` times over `near`: a scalar."""
    each = (found - wanted).abs() + 2 * (found - wanted) ** 2
    inside = (each * near).flatten(1).sum(dim=1) / (3 * near.flatten(1).sum(dim=1))
    return each.mean() + emphasis * inside.mean()


@dataclass(frozen=True, eq=False)
class PictureLoss:
    """The loss of a step of the decoder; all that is random in it comes from (seed, step).

    latents: n z h w, unscaled, of `scenes`; small: share of pictures whose object is small; shake: deviation of noise
    put on the latents, so that the decoder forgives what a U-Net gets slightly wrong.
    """

    network: Autoencoder
    scenes: Sequence[Scene]
    latents: Tensor
    seed: int
    pictures: int = 4
    small: float = 0.6
    emphasis: float = 1.0
    shake: float = 0.0
    device: torch.device | str = "cpu"
    half: bool = True

    def __call__(self, step: int) -> Tensor:
        """The mean over the batch of that step."""
        rng = np.random.default_rng((self.seed, step))
        chosen = self._choose(rng)
        scenes = [self.scenes[index] for index in chosen]
        wanted = to_tensor([draw(scene) for scene in scenes]).to(self.device)
        near = torch.stack([around(scene) for scene in scenes]).to(self.device)
        latents = self.latents[chosen].float()
        noise = torch.from_numpy(rng.standard_normal(latents.shape, dtype=np.float32))
        shake = torch.from_numpy(rng.random((len(chosen), 1, 1, 1), dtype=np.float32)) * 2 * self.shake
        with mixed(self.device, self.half):
            found = self.network.decode((latents + shake * noise).to(self.device)).float()
        return error(found, wanted, near, self.emphasis)

    @cached_property
    def _little(self) -> list[int]:
        return [index for index, scene in enumerate(self.scenes) if scene.size == "small"]

    def _choose(self, rng: Generator) -> list[int]:
        little = self._little
        wants = rng.random(self.pictures) < self.small
        anywhere = rng.integers(len(self.scenes), size=self.pictures)
        return [
            little[int(rng.integers(len(little)))] if small and little else int(index)
            for small, index in zip(wants, anywhere, strict=True)
        ]
