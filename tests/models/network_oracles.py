"""Small networks of diffusers and transformers with random weights: what ours must agree with."""

from __future__ import annotations

from typing import Any

import torch

UNET = {
    "sample_size": 16, "in_channels": 4, "out_channels": 4, "layers_per_block": 2, "cross_attention_dim": 24,
    "block_out_channels": (32, 64, 96), "attention_head_dim": 4,
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
}  # fmt: skip

VAE = {
    "in_channels": 3, "out_channels": 3, "latent_channels": 4, "block_out_channels": (32, 32, 64),
    "layers_per_block": 1,
    "down_block_types": ("DownEncoderBlock2D",) * 3, "up_block_types": ("UpDecoderBlock2D",) * 3,
}  # fmt: skip

CLIP = {
    "vocab_size": 300, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 2,
    "max_position_embeddings": 77, "hidden_act": "quick_gelu",
}  # fmt: skip


def shaken(net: torch.nn.Module, dtype: torch.dtype, seed: int = 0) -> Any:
    """The network with every parameter moved, so that nothing agrees because it is zero or one."""
    generator = torch.Generator().manual_seed(seed)
    net = net.to(torch.float64)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn(p.shape, generator=generator, dtype=torch.float64) * 0.05)
    return net.to(dtype).eval().requires_grad_(False)


def unet(dtype: torch.dtype, **changes: Any) -> Any:
    from diffusers import UNet2DConditionModel

    return shaken(UNet2DConditionModel(**UNET | changes), dtype)


def vae(dtype: torch.dtype, **changes: Any) -> Any:
    from diffusers import AutoencoderKL

    return shaken(AutoencoderKL(**VAE | changes), dtype)


def controlnet(dtype: torch.dtype) -> Any:
    from diffusers import ControlNetModel

    settings = {k: v for k, v in UNET.items() if k not in ("sample_size", "out_channels", "up_block_types")}
    return shaken(ControlNetModel(**settings, conditioning_embedding_out_channels=(16, 32, 96, 256)), dtype)


def clip(dtype: torch.dtype, **changes: Any) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    settings = CLIPTextConfig(**CLIP | changes, bos_token_id=0, eos_token_id=2, pad_token_id=1)
    return shaken(CLIPTextModel._from_config(settings, attn_implementation="sdpa"), dtype)


def noise(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """max|difference| / std."""
    assert ours.shape == theirs.shape
    return float((ours - theirs).detach().abs().max() / theirs.std())
