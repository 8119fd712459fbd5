"""Pebble, the embedded model: SD1.x at small width, 128 x 128 pixels, simple scenes, trained from drawings alone.

Stages, each leaving one file in the run's folder; the trained ones can be interrupted:

vocabulary  BPE over sentences of the grammar                                                seconds
text        the text encoder learns what sentences say                                       2 minutes
vae         autoencoder, 8 pixels per latent cell                                            15 minutes
latents     encode drawn scenes, make latents round, fold that into the autoencoder          2 minutes
unet        U-Net, v-prediction                                                              60 minutes
decoder     the decoder alone goes on, its latents untouched, small objects first            15 minutes
export      one SD1.x checkpoint, float16

Times on two cores of a Xeon with AMX. Sizes come from where such a small network fails. Norms have at least four
channels a group in the autoencoder, or the colour of a flat area does not survive the last of them. The U-Net attends
at 8 x 8 and not at 16 x 16, where narrow heads take most of the time. A share of the images starts from pure noise
(`forward.q_start`), or colours are learnt last.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from ...models.text.clip import CLIPText, CLIPTextConfig
from ...models.unet import UNet, UNetConfig
from ...models.vae.autoencoder import Autoencoder, VAEConfig
from ...samplers.prediction import discrete
from .. import export, image_to_latent, latent_to_image, text_to_latent, text_to_words
from ..loop import Plan, Progress, Run, train
from ..prompts import corpus, describe, unrelated
from ..scenes import random_scenes
from ..tokens import Vocabulary, learn, window

SCALE = 0.18215
"""Latents of SD1.x are multiplied by this on their way into the U-Net."""

Network = TypeVar("Network", bound=torch.nn.Module)

Report = Callable[[str, Progress], None]
"""(stage, progress), after each step."""

VAE = VAEConfig(ch=32, channel_mult=(1, 1, 2, 2), num_res_blocks=1, groups=8)
UNET = UNetConfig(
    model_channels=64, channel_mult=(1, 2), num_res_blocks=(1, 1), transformer_depth=(0, 1), context_dim=128
)
MIX = text_to_latent.Mix(prompts=24, repeats=2)
TEXT_PLAN = Plan(steps=900, rate=1e-3, warmup=50, cooldown=300, average=0.99)
VAE_PLAN = Plan(steps=4500, rate=1.5e-3, warmup=100, cooldown=2500, decay=1e-4, average=0.998)
UNET_PLAN = Plan(steps=7000, rate=1e-3, warmup=300, cooldown=2500)
DECODER_PLAN = Plan(steps=3400, rate=7e-4, warmup=50, cooldown=1200, decay=1e-4, average=0.998)


@dataclass(frozen=True, slots=True)
class Pebble:
    """Everything that decides the result."""

    seed: int = 11
    merges: int = 1400
    vocabulary_scenes: int = 20_000
    scenes: int = 12_288
    captions: int = 4
    vae: VAEConfig = VAE
    unet: UNetConfig = UNET
    text_width: int = 128
    text_layers: int = 3
    text_plan: Plan = TEXT_PLAN
    vae_plan: Plan = VAE_PLAN
    unet_plan: Plan = UNET_PLAN
    decoder_plan: Plan = DECODER_PLAN
    mix: text_to_latent.Mix = MIX
    shake: float = 0.1
    threads: int = 2

    def text(self, vocab: int) -> CLIPTextConfig:
        """The text encoder for a vocabulary of that size: heads 64 wide, as in every SD1.x."""
        width = self.text_width
        return CLIPTextConfig(vocab=vocab, width=width, layers=self.text_layers, heads=width // 64, mlp=4 * width)


@dataclass(frozen=True, eq=False)
class Workshop:
    """A run's folder and device. Each stage reads what earlier ones left there."""

    recipe: Pebble
    out: Path
    device: str = "cpu"
    minutes: float | None = None
    report: Report | None = None

    def vocabulary(self) -> Vocabulary:
        """The words of the grammar, and of much else, as a BPE vocabulary."""
        file = self.out / "vocabulary.json"
        if not file.exists():
            rng = np.random.default_rng(0)
            made = learn(corpus(rng, random_scenes(rng, self.recipe.vocabulary_scenes)), self.recipe.merges)
            file.write_text(json.dumps({"vocab": made.vocab, "merges": made.merges}), encoding="utf-8")
        return Vocabulary(**json.loads(file.read_text(encoding="utf-8")))

    def text(self) -> bool:
        """Train the text encoder."""
        words = self.vocabulary().tokenizer()
        network = self._reader()
        loss = text_to_words.WordLoss(network, words, self.recipe.seed, device=self.device)
        return self._train("text", Run(network, self.recipe.text_plan), loss)

    def vae(self) -> bool:
        """Train the autoencoder."""
        torch.manual_seed(self.recipe.seed)
        network = Autoencoder(self.recipe.vae).to(self.device)
        loss = image_to_latent.ImageLoss(network, self.recipe.seed, device=self.device)
        return self._train("vae", Run(network, self.recipe.vae_plan), loss)

    def latents(self) -> None:
        """Encode the training scenes and write the autoencoder whose latents are round."""
        if (self.out / "latents.pt").exists():
            return
        recipe, words = self.recipe, self.vocabulary().tokenizer()
        network = self._averaged("vae", Autoencoder(recipe.vae).to(self.device), recipe.vae_plan)
        rng = np.random.default_rng(recipe.seed)
        scenes = random_scenes(rng, recipe.scenes)
        said = [[window(words, describe(scene, rng)) for _ in range(recipe.captions)] for scene in scenes]
        others = [window(words, unrelated(rng)) for _ in range(2000)]
        found = image_to_latent.encode(network, scenes).to(self.device)
        made = image_to_latent.make_round(network, found, SCALE).cpu()
        torch.save(network.state_dict(), self.out / "round.pt")
        torch.save(
            {
                "latents": (made * SCALE).half(),
                "captions": torch.tensor(said, dtype=torch.int16),
                "others": torch.tensor(others, dtype=torch.int16),
                "empty": torch.tensor(window(words, ""), dtype=torch.int16),
            },
            self.out / "latents.pt",
        )

    def unet(self) -> bool:
        """Train the U-Net."""
        recipe = self.recipe
        data = text_to_latent.Captioned(**torch.load(self.out / "latents.pt", weights_only=True))
        network = self._networks()
        loss = text_to_latent.TextLoss(network, data, discrete("v"), recipe.mix, recipe.seed, self.device)
        return self._train("unet", Run(network, recipe.unet_plan), loss)

    def decoder(self) -> bool:
        """Go on with the decoder alone: what the U-Net learnt to make stays what it was."""
        recipe, network = self.recipe, self._rounded()
        scenes = random_scenes(np.random.default_rng(recipe.seed), recipe.scenes)  # those of `latents`
        latents = torch.load(self.out / "latents.pt", weights_only=True)["latents"].float() / SCALE
        loss = latent_to_image.PictureLoss(
            network, scenes, latents, recipe.seed + 1, shake=recipe.shake / SCALE, device=self.device
        )  # fmt: skip
        return self._train("decoder", Run(network, recipe.decoder_plan), loss)

    def export(self) -> Path:
        """Write pebble.safetensors from whatever stages have come furthest."""
        networks = self._averaged("unet", self._networks(), self.recipe.unet_plan)
        rounded = self._rounded()
        if (self.out / "decoder.pt").exists():
            rounded = self._averaged("decoder", rounded, self.recipe.decoder_plan)
        path = self.out / "pebble.safetensors"
        extra = {"modelspec.title": "pebble", "modelspec.license": "Apache-2.0", "carrara.seed": str(self.recipe.seed)}
        export.write(path, networks, rounded, self.vocabulary(), extra)
        return path

    def _reader(self) -> text_to_words.Reader:
        torch.manual_seed(self.recipe.seed)
        config = self.recipe.text(self.vocabulary().tokenizer().size)
        return text_to_words.Reader(CLIPText(config)).to(self.device)

    def _networks(self) -> text_to_latent.TextToLatent:
        reader = self._averaged("text", self._reader(), self.recipe.text_plan)
        return text_to_latent.TextToLatent(UNet(self.recipe.unet), reader.text).to(self.device)

    def _rounded(self) -> Autoencoder:
        network = Autoencoder(self.recipe.vae)
        network.load_state_dict(torch.load(self.out / "round.pt", weights_only=True))
        return network.to(self.device)

    def _train(self, stage: str, run: Run, loss: Callable[[int], torch.Tensor]) -> bool:
        file = self.out / f"{stage}.pt"
        if file.exists():
            run.load(file)
        listener = self.report

        def on_step(progress: Progress) -> None:
            if listener is not None:
                listener(stage, progress)

        return train(run, loss, file, minutes=self.minutes, on_step=on_step)

    def _averaged(self, stage: str, network: Network, plan: Plan) -> Network:
        """The network with the mean of its weights over the stage's last steps."""
        run = Run(network, plan)
        run.load(self.out / f"{stage}.pt")
        run.average.copy_to(network)
        network.eval()
        return network


def make(
    recipe: Pebble, out: Path, device: str, minutes: float | None = None, report: Report | None = None
) -> Path | None:
    """All stages in turn, each from where it stopped. The model's path; None when `minutes` ran out first."""
    end = None if minutes is None else time.monotonic() + 60 * minutes
    torch.set_num_threads(recipe.threads if device == "cpu" else torch.get_num_threads())
    out.mkdir(parents=True, exist_ok=True)
    shop = Workshop(recipe, out, device, minutes, report)
    for stage in (Workshop.text, Workshop.vae, Workshop.latents, Workshop.unet, Workshop.decoder):
        left = None if end is None else (end - time.monotonic()) / 60
        if (left is not None and left <= 0) or stage(replace(shop, minutes=left)) is False:
            return None
    return shop.export()
