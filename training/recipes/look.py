"""Pebble's preview decoder: TAESD's layout at a quarter of its width, 168 KB, taught what pebble's latents show.

    python -m carrara.training.recipes.look        some minutes on two cores; writes models/previews/pebble.safetensors

The encoder says what drawn scenes are as latents; the decoder learns to draw them from latents with noise on them,
since estimates of early steps are far from clean. The best straight map from a cell to a colour comes along
(latent2rgb).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from ...models.autoencode import Coder
from ...models.checkpoint import load_checkpoint
from ...models.compute import Compute
from ...models.residency import Residency
from ...models.services import EMBEDDED
from ...models.vae.taesd import TAESDConfig, TAESDDecoder
from ..image_to_latent import to_tensor
from ..loop import Plan, Progress, Run, train
from ..scenes import draw, random_scenes

FACTORS = "carrara.latent_rgb"
PLAN = Plan(steps=2400, rate=4e-3, warmup=50, cooldown=1200, decay=1e-4, average=0.995)


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that decides the result. shake: the largest deviation of noise on latents of deviation 1."""

    seed: int = 11
    scenes: int = 1536
    batch: int = 8
    width: int = 16
    shake: float = 0.3
    plan: Plan = PLAN


@dataclass(frozen=True, eq=False)
class LookLoss:
    """The loss of a step. latents: n c h w in the model's scale; pictures: n 3 H W in 0..1."""

    network: TAESDDecoder
    latents: Tensor
    pictures: Tensor
    recipe: Look

    def __call__(self, step: int) -> Tensor:
        """Mean absolute error, and squared error twice, over the batch of that step."""
        rng = np.random.default_rng((self.recipe.seed, step))
        chosen = rng.integers(len(self.latents), size=self.recipe.batch)
        clean = self.latents[chosen]
        noise = torch.from_numpy(rng.standard_normal(clean.shape, dtype=np.float32))
        amount = torch.from_numpy(rng.random((len(clean), 1, 1, 1), dtype=np.float32)) * self.recipe.shake
        found = self.network(clean + amount * noise)
        wanted = self.pictures[chosen]
        return (found - wanted).abs().mean() + 2 * ((found - wanted) ** 2).mean()


def encoded(model: Path, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Scenes as latents in the model's scale, and as pictures in 0..1."""
    loaded = load_checkpoint(model)
    assert loaded.vae is not None
    residency = Residency(Compute(device="cpu", dtype="fp32"))
    scenes = random_scenes(np.random.default_rng(seed), count)
    pictures = to_tensor([draw(scene) for scene in scenes])
    with residency.use(loaded.vae) as network, torch.no_grad():
        encode = cast(Coder, network).encode
        latents = torch.cat([residency.call(encode, part) for part in pictures.split(16)])
    return (latents.float() - loaded.latent.shift) * loaded.latent.scale, pictures / 2 + 0.5


def fitted(latents: Tensor, pictures: Tensor) -> Tensor:
    """Least squares from a cell's values and 1 to the mean colour of its pixels, in -1..1: c+1 3."""
    cells = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    side = pictures.shape[-1] // latents.shape[-1]
    colours = torch.nn.functional.avg_pool2d(pictures * 2 - 1, side).permute(0, 2, 3, 1).reshape(-1, 3)
    return torch.linalg.lstsq(torch.cat([cells, torch.ones(len(cells), 1)], dim=1), colours).solution


def make(recipe: Look, model: Path, target: Path, report: Callable[[Progress], None] | None = None) -> Path:
    """Train the decoder for `model` and write it to `target`."""
    from safetensors.torch import save_file

    latents, pictures = encoded(model, recipe.scenes, recipe.seed)
    torch.manual_seed(recipe.seed)
    network = TAESDDecoder(TAESDConfig(latents.shape[1], recipe.width))
    run = Run(network, recipe.plan)
    train(run, LookLoss(network, latents, pictures, recipe), on_step=report)
    run.average.copy_to(network)
    rows = ";".join(",".join(f"{value:.4f}" for value in row) for row in fitted(latents, pictures).tolist())
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    tensors = {name: value.detach().half().contiguous() for name, value in network.state_dict().items()}
    save_file(tensors, partial, {FACTORS: rows, "modelspec.title": model.stem, "carrara.seed": str(recipe.seed)})
    partial.replace(target)
    return target


def _tell(progress: Progress) -> None:
    if progress.step % 100 == 0:
        print(f"{progress.step} of {progress.total}: {float(progress.loss):.4f}", flush=True)


if __name__ == "__main__":
    model = EMBEDDED / "pebble.safetensors"
    print(make(Look(), model, EMBEDDED.parent / "previews" / model.name, _tell))
