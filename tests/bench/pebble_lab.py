"""The embedded model on the bench: many prompts in one batch, any sampler over any levels, judged by OpenCV."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent.parent
VALIDATION, HELD_OUT = 314, 2024
"""Seeds of prompts: to choose by, and of the score that is reported (tests/training/test_pebble.py)."""


def bind() -> None:
    """The repository's root as the package `carrara`, and the tests' helpers importable."""
    spec = importlib.util.spec_from_file_location(
        "carrara", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None and spec.loader is not None
    sys.modules["carrara"] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    sys.path.insert(0, str(ROOT / "tests" / "training"))


@dataclass(frozen=True, eq=False)
class Bench:
    """texts, said: the prompts and what they say. noise: n c h w, one start per prompt."""

    texts: list[str]
    said: list[Any]
    model: Any
    noise: Tensor
    guider: Callable[[float], Any]
    residency: Any
    vae: Any

    def sample(
        self, sampler: Any, sigmas: list[float], scale: float = 5.0, seed: int = 1, model: Any = None
    ) -> tuple[Tensor, int]:
        """Latents in the model's scale, and how often the network was asked (both sides at once count as one)."""
        from dataclasses import replace

        import torch

        from carrara.models.denoiser import Canvas, denoising

        guider = self.guider(scale)
        if model is not None:
            guider = replace(guider, model=model)
        sampling = guider.model.sampling
        start = sampling.start(torch.zeros_like(self.noise), self.noise, sigmas[0])
        both = getattr(sampler, "cfg_pp", False) or getattr(sampler, "asks_uncond", False)
        asked = 0
        with denoising(guider, Canvas(torch.zeros_like(start)), self.residency, both=both) as ask:

            def counted(x: Tensor, sigma: float) -> Any:
                nonlocal asked
                asked += 1
                return ask(x, sigma)

            found = sampler.run(counted, start, sigmas, sampling.path, seed)
        return sampling.path.finish(found, sigmas[-1]), asked

    def pictures(self, latents: Tensor) -> Any:
        """n h w 3 bytes."""
        from carrara.models.autoencode import decode

        images = decode(self.vae, latents / self.model.latent.scale, self.residency)
        return (images.clamp(0, 1) * 255).round().byte().cpu().numpy()

    def right(self, pictures: Any) -> list[bool]:
        """Per picture: are shape, colour and background as the prompt says?"""
        from carrara.training.judge import judge

        words = ("shape", "colour", "background")
        seen = [judge(picture) for picture in pictures]
        return [all(getattr(s, w) == getattr(v, w) for w in words) for s, v in zip(self.said, seen, strict=True)]


def opened(
    count: int, seed: int, work: Callable[[Bench], None], *, held: bool, checkpoint: str, dtype: str = "fp32"
) -> None:
    """Load the model through the ordinary nodes and hand a bench with `count` prompts to `work`."""
    import numpy as np
    import torch
    from examination import encode_lines

    import carrara
    from carrara.executor.spec import node
    from carrara.models.guider import guided
    from carrara.models.handles import Model, Vae
    from carrara.models.residency import Residency
    from carrara.models.values import Conditioning
    from carrara.training.prompts import describe_words, examination
    from carrara.training.scenes import random_scenes

    rng = np.random.default_rng(seed)
    if held:
        asked = [(said, text) for _, said, text in examination(rng, count)]
    else:
        asked = []
        for scene in random_scenes(rng, count):
            text, said = describe_words(scene, rng)
            while not said.background:
                text, said = describe_words(scene, rng)
            asked.append((said, text))
    noise = torch.cat([torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(seed + k))
                       for k in range(count)])  # fmt: skip

    @node("Lab", category="test", output=True, pure=False)
    def lab(model: Model, positive: Conditioning, negative: Conditioning, vae: Vae, ctx: carrara.Context) -> None:
        residency = ctx.service(Residency)
        texts, said = [text for _, text in asked], [said for said, _ in asked]
        bench = Bench(texts, said, model, noise, lambda scale: guided(model, positive, negative, scale), residency, vae)
        with torch.inference_mode():
            work(bench)

    # Annotations above are names of this function's scope.
    lab_annotations = {"model": Model, "positive": Conditioning, "negative": Conditioning, "vae": Vae,
                       "ctx": carrara.Context, "return": None}  # fmt: skip
    lab.__annotations__.update(lab_annotations)
    graph = carrara.Graph(nodes=[encode_lines, lab])
    file = graph.CheckpointLoaderSimple(ckpt_name=checkpoint)
    graph.Lab(
        model=file, vae=file, negative=graph.CLIPTextEncode(text="", clip=file),
        positive=graph.EncodeLines(lines="\n".join(text for _, text in asked), clip=file),
    )  # fmt: skip
    with carrara.Engine(nodes=[encode_lines, lab], device="cpu", dtype=dtype, cache="off") as engine:
        engine.run(graph)
