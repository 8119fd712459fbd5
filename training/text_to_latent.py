"""Text to latent: the U-Net learns from cached latents and what the text encoder makes of their captions.

As in Stable Diffusion itself the text encoder comes trained (`text_to_words`) and stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..models.text.clip import CLIPText
from ..models.unet import UNet
from ..samplers.prediction import Sampling
from . import forward, losses
from .precision import mixed


class TextToLatent(nn.Module):
    """The U-Net that learns and the text encoder that does not."""

    def __init__(self, unet: UNet, text: CLIPText) -> None:
        super().__init__()
        self.unet, self.text = unet, text.requires_grad_(False)

    def forward(self, x: Tensor, t: Tensor, tokens: Tensor) -> Tensor:
        """x: b c h w; t: b timesteps; tokens: p n, where each prompt serves b / p neighbouring images."""
        context = self.text(tokens).last
        return self.unet(x, t, context.repeat_interleave(len(x) // len(tokens), dim=0))  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class Captioned:
    """The training set. latents: n c h w, in the model's scale; captions: n k m token ids; empty: m; others: o m."""

    latents: Tensor
    captions: Tensor
    empty: Tensor
    others: Tensor


@dataclass(frozen=True, slots=True)
class Mix:
    """What a batch is made of.

    prompts: captions in a batch; repeats: noise levels per caption.
    drop: share of captions replaced (two thirds by the empty prompt, the rest by unrelated words), for guidance.
    start: share of images that are pure noise, as sampling begins (`forward.q_start`): there colours and background
    must be read from the text alone, while at any other level they shine through the noise.
    skew: timesteps are drawn as u ** skew; below 1 favours high noise.
    """

    prompts: int = 32
    repeats: int = 2
    drop: float = 0.12
    start: float = 0.12
    skew: float = 0.8


@dataclass(frozen=True, eq=False)
class TextLoss:
    """The loss of a step; all that is random in it comes from (seed, step)."""

    network: TextToLatent
    data: Captioned
    sampling: Sampling
    mix: Mix
    seed: int
    device: torch.device | str = "cpu"
    weighting: losses.Weighting = losses.uniform
    half: bool = True

    def __call__(self, step: int) -> Tensor:
        """The mean over the batch of that step."""
        rng = np.random.default_rng((self.seed, step))
        latents, tokens = self._batch(rng)
        state, t = self._noised(rng, latents)
        given = forward.network_input(self.sampling, state)
        with mixed(self.device, self.half):
            out = self.network(given, t, tokens)
        return losses.loss(self.sampling, out, state, self.weighting).mean()

    def _batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        mix, data = self.mix, self.data
        chosen = torch.from_numpy(rng.integers(len(data.latents), size=mix.prompts))
        said = torch.from_numpy(rng.integers(data.captions.shape[1], size=mix.prompts))
        tokens = data.captions[chosen, said].long()
        fate = torch.from_numpy(rng.random(mix.prompts))
        tokens[fate < mix.drop] = data.empty.long()
        other = fate < mix.drop / 3
        tokens[other] = data.others[torch.from_numpy(rng.integers(len(data.others), size=int(other.sum())))].long()
        latents = data.latents[chosen].float().repeat_interleave(mix.repeats, dim=0)
        return latents.to(self.device), tokens.to(self.device)

    def _noised(self, rng: np.random.Generator, x0: Tensor) -> tuple[forward.Noised, Tensor]:
        count = len(x0)
        noise = torch.from_numpy(rng.standard_normal(x0.shape, dtype=np.float32)).to(self.device)
        table = self.sampling.levels.sigmas
        # Stratified: the levels of a batch cover the whole range, which steadies the loss.
        u = (rng.permutation(count) + rng.random(count)) / count
        t = torch.from_numpy((u**self.mix.skew * len(table)).astype(np.int64)).clamp(max=len(table) - 1)
        begins = torch.from_numpy(rng.random(count) < self.mix.start)
        t[begins] = len(table) - 1
        state = forward.q(self.sampling, x0, noise, table[t].to(self.device))
        pure = forward.q_start(self.sampling, x0, noise)
        where = forward.across(begins.to(self.device), x0)
        state = forward.Noised(
            torch.where(where, pure.x, state.x), x0, torch.where(where, pure.noise, state.noise), state.sigma
        )
        return state, t.to(self.device).float()
