"""Ask the embedded model for held-out scenes through the ordinary nodes, and have the judge look at the pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

import carrara
from carrara.executor.spec import Text, node
from carrara.models.handles import Clip
from carrara.models.residency import Residency
from carrara.models.services import Models
from carrara.models.values import CondEntry, Conditioning
from carrara.training.judge import Verdict, judge
from carrara.training.prompts import Said, examination

BATCH = 50


@node("EncodeLines", category="test")
def encode_lines(
    lines: Annotated[str, Text(multiline=True)], clip: Clip, ctx: carrara.Context
) -> Annotated[Conditioning, "One row per line."]:
    """One conditioning for a batch: each picture its own prompt."""
    import torch

    from carrara.models.text.encode import encode

    rows = [encode(clip, line, ctx.service(Models), ctx.service(Residency)).cond for line in lines.splitlines()]
    return Conditioning((CondEntry(torch.cat(rows)),))


@dataclass(frozen=True)
class Sitting:
    """Prompts, what they say, the pictures made of them (h w 3 bytes) and what the judge saw."""

    texts: list[str]
    said: list[Said]
    pictures: list[np.ndarray]
    seen: list[Verdict]

    def right(self, *words: str) -> np.ndarray:
        """Per picture: is each of those words as said? Words that a sentence leaves out are right."""
        return np.array([
            all(getattr(said, word) in ("", getattr(seen, word)) for word in words)
            for said, seen in zip(self.said, self.seen, strict=True)
        ])  # fmt: skip

    def share(self, *words: str) -> float:
        """The share of pictures in which all those words are right, among sentences that say them."""
        asked = np.array([all(getattr(said, word) for word in words) for said in self.said])
        return float(self.right(*words)[asked].mean())


def sit(
    count: int, seed: int, work: Path, sampler: str = "euler", scheduler: str = "karras", steps: int = 20,
    cfg: float = 5.0, model: str = "pebble.safetensors", device: str = "cpu",
) -> Sitting:  # fmt: skip
    """Make `count` pictures in batches and judge them."""
    asked = examination(np.random.default_rng(seed), count)
    graph = carrara.Graph(nodes=[encode_lines])
    file = graph.CheckpointLoaderSimple(ckpt_name=model)
    ends = []
    for start in range(0, count, BATCH):
        texts = [text for _, _, text in asked[start : start + BATCH]]
        latent = graph.KSampler(
            model=file, seed=seed + start, steps=steps, cfg=cfg, sampler_name=sampler, scheduler=scheduler,
            positive=graph.EncodeLines(lines="\n".join(texts), clip=file),
            negative=graph.CLIPTextEncode(text="", clip=file),
            latent_image=graph.EmptyLatentImage(width=128, height=128, batch_size=len(texts)), denoise=1.0,
        )  # fmt: skip
        picture = graph.VAEDecode(samples=latent, vae=file)
        graph.PreviewImage(images=picture)
        ends.append(picture)
    pictures: list[np.ndarray] = []
    with carrara.Engine(nodes=[encode_lines], device=device, cache="off", output_dir=work) as engine:
        result = engine.run(graph)
        for end in ends:
            pictures += list((result.values[end.id][0].numpy() * 255).round().astype(np.uint8))
    seen = [judge(picture) for picture in pictures]
    return Sitting([text for _, _, text in asked], [said for _, said, _ in asked], pictures, seen)
