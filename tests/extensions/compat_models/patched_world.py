"""A tiny model behind the border, and the nodes around it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import tiny_world
import torch
import worlds
from torch import Tensor

from carrara.executor.spec import Context
from carrara.extensions.host import Host
from carrara.extensions.patchers.rows import rows
from carrara.extensions.plain import plain_border
from carrara.models.compute import Compute
from carrara.models.handles import Clip, Model, Vae
from carrara.models.residency import Residency
from carrara.models.services import Models
from carrara.models.values import Conditioning, Latent
from carrara.nodes.conditioning import encode_text
from carrara.nodes.loaders import load_checkpoint
from carrara.nodes.sampling import ksampler

PACK = Path(__file__).with_name("patching_pack.py")


@dataclass(frozen=True)
class World:
    """One engine's worth of everything, at toy size."""

    folder: Path
    ctx: Context
    host: Host
    model: Model
    clip: Clip
    vae: Vae
    positive: Conditioning
    negative: Conditioning
    pack: ModuleType

    def out(self, value: Any) -> Any:
        return self.host.border.outward(value)

    def node(self, name: str, model: Model | None = None, **inputs: Any) -> Model:
        """A node of the pack as the engine calls it: the model goes out, and comes back in."""
        kind = self.pack.NODE_CLASS_MAPPINGS[name]
        (found,) = getattr(kind(), kind.FUNCTION)(self.out(model or self.model), **inputs)
        back: Model = self.host.border.inward(found, "MODEL")
        return back

    def sampled(self, model: Model, latent: Latent | None = None, cfg: float = 4.0, **more: Any) -> Tensor:
        """Through our KSampler node: three Euler steps."""
        given = {"seed": 5, "steps": 3, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0} | more
        latent = latent or EMPTY
        made = ksampler(
            model=model, cfg=cfg, positive=self.positive, negative=self.negative, latent_image=latent, ctx=self.ctx,
            **given,
        )  # fmt: skip
        return made.samples

    @property
    def net(self) -> Any:
        """The U-Net itself, without anything around it."""
        with self.ctx.service(Residency).use(self.model.unet, pack=False) as net:
            return net


EMPTY = Latent(torch.zeros(1, 4, 8, 8))


def build(folder: Path) -> World:
    """A host with the border's rows for models, and the pack in it."""
    tiny_world.build(folder / "models")
    services = {Models: Models.at([folder / "models"]), Residency: Residency(Compute(dtype="fp64"))}
    ctx = Context(services=services)
    host = worlds.host(folder, ctx.services)
    host.border = plain_border().plus(rows(host))
    model, clip, vae = load_checkpoint("tiny.safetensors", ctx)
    positive, negative = encode_text("the cat", clip, ctx), encode_text("a dog", clip, ctx)
    pack = worlds.foreign(host, PACK.read_text(encoding="utf-8"), "patching_pack")
    return World(folder, ctx, host, model, clip, vae, positive, negative, pack)
