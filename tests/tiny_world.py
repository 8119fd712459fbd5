"""A whole model folder at toy size: checkpoint, inpainting variant, ControlNet, LoRA, embedding. Random weights."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from carrara.executor.spec import Context
from carrara.models.compute import Compute
from carrara.models.residency import Residency
from carrara.models.services import Models

WIDTH = 64
UNET, VAE = "model.diffusion_model.", "first_stage_model."
TEXT, CONTROL = "cond_stage_model.transformer.", "control_model."


@cache
def vocabulary() -> tuple[str, str]:
    """vocab.json and merges.txt of a byte-level tokenizer that knows a few pairs."""
    from carrara.models.text.tokenizer import _BYTE_LETTERS, END, START, WORD_END

    merges = [("t", "h"), ("th", "e</w>"), ("c", "a"), ("ca", "t</w>")]
    tokens = [*_BYTE_LETTERS, *(b + WORD_END for b in _BYTE_LETTERS), *(a + b for a, b in merges), START, END]
    vocab = {token: i for i, token in enumerate(tokens)}
    return json.dumps(vocab), "#version: 0.2\n" + "\n".join(" ".join(pair) for pair in merges)


def shaken(net: Any, prefix: str) -> dict[str, Any]:
    """State with every tensor moved, so that nothing hides behind zeros; last layers smaller to keep numbers tame."""
    import torch

    out = {}
    for key, value in net.state_dict().items():
        generator = torch.Generator().manual_seed(len(out))
        out[prefix + key] = value + torch.randn(value.shape, generator=generator) * 0.05
    return out


def build(folder: Path) -> Path:
    """Writes the files below `folder`, laid out like a user's model folder."""
    import torch
    from safetensors.torch import save_file

    from carrara.models.controlnet import ControlNet, ControlNetConfig
    from carrara.models.text.clip import CLIPText, CLIPTextConfig
    from carrara.models.unet import UNet, UNetConfig
    from carrara.models.vae.autoencoder import Autoencoder, VAEConfig

    torch.manual_seed(0)
    vocab, merges = vocabulary()
    metadata = {"carrara.tokenizer.vocab": vocab, "carrara.tokenizer.merges": merges}
    unet = UNetConfig(
        model_channels=32, channel_mult=(1, 2), num_res_blocks=(1, 1), transformer_depth=(1, 1), context_dim=WIDTH
    )
    text = CLIPTextConfig(vocab=len(json.loads(vocab)), width=WIDTH, layers=3, heads=1, mlp=128)
    rest = shaken(Autoencoder(VAEConfig(ch=32, channel_mult=(1, 1, 1, 1), num_res_blocks=1)), VAE)
    rest |= shaken(CLIPText(text), TEXT)
    for name in ("checkpoints", "controlnet", "loras", "embeddings/deep", "vae", "text_encoders"):
        (folder / name).mkdir(parents=True)
    checkpoints = folder / "checkpoints"
    save_file(shaken(UNet(unet), UNET) | rest, checkpoints / "tiny.safetensors", metadata)
    inpaint = UNet(replace(unet, in_channels=9))
    save_file(shaken(inpaint, UNET) | rest, checkpoints / "tiny_inpaint.safetensors", metadata)
    net = ControlNet(ControlNetConfig(unet, (3, 16, 16, 32, 32, 64, 64, 64)))
    save_file(shaken(net, CONTROL), folder / "controlnet" / "tiny.safetensors")
    save_file({k[len(VAE) :]: v for k, v in rest.items() if k.startswith(VAE)}, folder / "vae" / "tiny.safetensors")
    alone = {k[len(TEXT) :]: v for k, v in rest.items() if k.startswith(TEXT)}
    save_file(alone, folder / "text_encoders" / "tiny.safetensors", metadata)
    down, up = torch.randn(2, WIDTH), torch.randn(32, 2)
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    lora = {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": torch.tensor(2.0)}
    name = "lora_te_text_model_encoder_layers_0_mlp_fc1"
    lora |= {f"{name}.lora_down.weight": down.clone(), f"{name}.lora_up.weight": torch.randn(128, 2)}
    save_file(lora, folder / "loras" / "tiny.safetensors")
    save_file({"clip_l": torch.randn(3, WIDTH)}, folder / "embeddings" / "deep" / "style.safetensors")
    save_file({"emb_params": torch.randn(2, WIDTH + 8)}, folder / "embeddings" / "wide.safetensors")
    torch.save({"string_to_param": {"*": torch.randn(1, WIDTH)}, "name": "x"}, folder / "embeddings" / "old.pt")
    return folder


def context(folder: Path) -> Context:
    """What nodes run in: the folder's models, on the processor."""
    return Context(services={Models: Models.at([folder]), Residency: Residency(Compute())})
