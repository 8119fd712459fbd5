"""Image to latent: the autoencoder learns to give pictures back, and its latents are then made round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from ..models.vae.autoencoder import Autoencoder
from .precision import mixed
from .scenes import PIXELS, Scene, draw, random_scenes


def to_tensor(images: Sequence[NDArray[np.uint8]]) -> Tensor:
    """`h w 3` bytes each -> b 3 h w in -1..1."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_bytes(images: Tensor) -> NDArray[np.uint8]:
    """b 3 h w in -1..1 -> b h w 3 bytes."""
    return ((images.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def crop(rng: Generator, scene: Scene, size: int) -> NDArray[np.uint8]:
    """A window of the picture, mostly around the object's edge, where there is something to learn."""
    image = draw(scene)
    if rng.random() < 0.85:
        reach = 1.3 * scene.radius * PIXELS
        x, y = (at * PIXELS + rng.uniform(-reach, reach) - size / 2 for at in (scene.x, scene.y))
        left, top = (int(np.clip(at, 0, PIXELS - size)) for at in (x, y))
    else:
        left, top = (int(at) for at in rng.integers(0, PIXELS - size + 1, 2))
    return image[top : top + size, left : left + size]


@dataclass(frozen=True, eq=False)
class ImageLoss:
    """The loss of a step: absolute and squared error, and a little Kullback-Leibler divergence to keep latents smooth.

    Every `whole`-th step takes a few whole pictures, the others more windows of half the side at the same cost: the
    norms see other statistics in a window, so both are needed.
    """

    network: Autoencoder
    seed: int
    whole: int = 3
    images: int = 3
    windows: int = 10
    divergence: float = 2e-4
    device: torch.device | str = "cpu"
    half: bool = True

    def __call__(self, step: int) -> Tensor:
        """The mean over the batch of that step."""
        rng = np.random.default_rng((self.seed, step))
        if step % self.whole == 0:
            pictures = [draw(scene) for scene in random_scenes(rng, self.images)]
        else:
            pictures = [crop(rng, scene, PIXELS // 2) for scene in random_scenes(rng, self.windows)]
        x = to_tensor(pictures).to(self.device)
        with mixed(self.device, self.half):
            mean, logvar = (part.float() for part in self.network.moments(x))
        logvar = logvar.clamp(-20, 5)
        noise = torch.from_numpy(rng.standard_normal(mean.shape, dtype=np.float32)).to(self.device)
        with mixed(self.device, self.half):
            y = self.network.decode(mean + torch.exp(logvar / 2) * noise).float()
        divergence = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        return (y - x).abs().mean() + 2 * ((y - x) ** 2).mean() + self.divergence * divergence


@torch.no_grad()
def encode(network: Autoencoder, scenes: Sequence[Scene], batch: int = 16, *, half: bool = True) -> Tensor:
    """The latents of drawn scenes, unscaled: n z h w."""
    device = next(network.parameters()).device
    found = []
    for start in range(0, len(scenes), batch):
        x = to_tensor([draw(scene) for scene in scenes[start : start + batch]]).to(device)
        with mixed(device, half):
            found.append(network.encode(x).float().cpu())
    return torch.cat(found)


@torch.no_grad()
def make_round(network: Autoencoder, latents: Tensor, scale: float) -> Tensor:
    """Make scale * latents have mean 0 and covariance 1, exactly undone by the decoder. Returns the new latents.

    The change is linear, so it goes into the 1x1 convolutions around the latent; of all linear maps that whiten, the
    one nearest to the identity is taken. The variance head keeps its meaning only up to that map.
    """
    flat = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1]).double()
    mean = flat.mean(dim=0)
    values, vectors = torch.linalg.eigh(torch.cov((flat - mean).T))
    whiten = vectors @ torch.diag(values.rsqrt()) @ vectors.T / scale
    blacken = torch.linalg.inv(whiten)
    z = network.cfg.embed_dim
    quant, post = network.quant_conv, network.post_quant_conv
    quant.weight[:z] = torch.einsum("oc,cihw->oihw", whiten, quant.weight[:z].double())
    assert quant.bias is not None and post.bias is not None
    quant.bias[:z] = whiten @ (quant.bias[:z].double() - mean)
    post.bias += torch.einsum("ochw,c->o", post.weight.double(), mean)
    post.weight.copy_(torch.einsum("ochw,ci->oihw", post.weight.double(), blacken))
    return torch.einsum("oc,nchw->nohw", whiten, latents.double() - mean[:, None, None]).float()
