"""Write three networks as one SD1.x checkpoint: LDM's key layout, float16, everything else in the metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ..models.vae.autoencoder import Autoencoder
from .text_to_latent import TextToLatent
from .tokens import Vocabulary

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer."


def tensors(networks: TextToLatent, autoencoder: Autoencoder) -> dict[str, Tensor]:
    """All weights under their names in the file."""
    parts: dict[str, nn.Module] = {UNET: networks.unet, VAE: autoencoder, TEXT: networks.text}
    return {
        prefix + name: value.detach().cpu().half().contiguous()
        for prefix, network in parts.items()
        for name, value in network.state_dict().items()
    }


def metadata(vocabulary: Vocabulary, vae_groups: int, extra: Mapping[str, str]) -> dict[str, str]:
    """What shapes do not tell: the prediction, the groups of the autoencoder's norms, the tokenizer."""
    return {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-v1",
        "modelspec.prediction_type": "v",
        "carrara.vae_groups": str(vae_groups),
        "carrara.tokenizer.vocab": vocabulary.vocab,
        "carrara.tokenizer.merges": vocabulary.merges,
        **extra,
    }


def write(
    path: Path, networks: TextToLatent, autoencoder: Autoencoder, vocabulary: Vocabulary, extra: Mapping[str, str]
) -> None:
    """Write the checkpoint, atomically. Raises FloatingPointError where a weight is no finite float16."""
    from safetensors.torch import save_file

    found = tensors(networks, autoencoder)
    for name, value in found.items():
        if not torch.isfinite(value).all():
            raise FloatingPointError(f"{name} does not fit float16")
    partial = path.with_suffix(".partial")
    save_file(found, partial, metadata(vocabulary, autoencoder.cfg.groups, extra))
    partial.replace(path)
