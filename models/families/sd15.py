"""Stable Diffusion 1.x, its inpainting variant and relatives of any width and depth."""

from __future__ import annotations

from collections.abc import Mapping

from ..blueprint import LatentFormat
from ..family import Family, Part, has, lacks, shaped
from ..keys import UNetLayout, inverse, unet_table
from ..shapes import clip_config, unet_config, vae_config
from ..text.clip import CLIPText
from ..unet import UNet, UNetConfig
from ..vae.autoencoder import Autoencoder
from ..weights import Weights

UNET = "model.diffusion_model."
TEXT = "cond_stage_model.transformer."


def aliases(config: UNetConfig) -> Mapping[str, str]:
    """Our module paths -> Diffusers', which LoRA files use."""
    attention = tuple(depth > 0 for depth in config.transformer_depth)
    return inverse(unet_table(UNetLayout(config.num_res_blocks, attention)))


def predicts(file: Weights) -> tuple[str, bool]:
    """("eps" or "v", zero terminal SNR): declared by metadata, or by the empty tensors some authors add."""
    about = file.metadata
    declared = about.get("modelspec.prediction_type", about.get("modelspec.predict_key", "")).lower()
    velocity = declared in ("v", "v_prediction", "velocity") or (not declared and "v_pred" in file)
    return ("v" if velocity else "eps"), "ztsnr" in file or file.metadata.get("carrara.zsnr") == "true"


FAMILY = Family(
    name="sd15",
    detect=shaped(f"{UNET}input_blocks.0.0.weight", None, None, 3, 3)
    & has(f"{UNET}out.2.weight")
    & lacks(f"{UNET}label_emb.0.0.weight")
    & (
        shaped(f"{UNET}input_blocks.1.1.proj_in.weight", None, None, 1, 1)
        | shaped(f"{UNET}middle_block.1.proj_in.weight", None, None, 1, 1)
    ),
    unet=Part("unet", UNET, "input_blocks.0.0.weight", UNet, unet_config, aliases),
    vae=Part("vae", "first_stage_model.", "decoder.conv_in.weight", Autoencoder, vae_config),
    text=(Part("text", TEXT, "text_model.embeddings.token_embedding.weight", CLIPText, clip_config),),
    latent=LatentFormat(channels=4, scale=0.18215, shift=0.0, factor=8),
    predicts=predicts,
)
