"""The configurations of the families that are here."""

from __future__ import annotations

from typing import ClassVar

from comfy import latent_formats, model_base, supported_models_base  # noqa: F401 - packs reach them through here


class SD15(supported_models_base.BASE):
    """Stable Diffusion 1.x."""

    unet_config: ClassVar = {
        "context_dim": 768, "model_channels": 320, "use_linear_in_transformer": False, "adm_in_channels": None,
    }  # fmt: skip
    unet_extra_config: ClassVar = {"num_heads": 8, "num_head_channels": -1}
    latent_format = latent_formats.SD15
    memory_usage_factor = 1.0


models = [SD15]


def described(config):
    """A U-Net's configuration in the ecosystem's words. Depths: one number a block, the finest level first."""
    levels = list(zip(config.transformer_depth, config.num_res_blocks, strict=True))
    said = {
        "in_channels": config.in_channels, "out_channels": config.out_channels,
        "model_channels": config.model_channels, "channel_mult": list(config.channel_mult),
        "num_res_blocks": list(config.num_res_blocks), "context_dim": config.context_dim or None,
        "use_linear_in_transformer": config.linear_projection, "adm_in_channels": config.adm_channels,
        "transformer_depth": [depth for depth, count in levels for _ in range(count)],
        "transformer_depth_output": [depth for depth, count in levels for _ in range(count + 1)],
        "transformer_depth_middle": config.middle_depth, "image_size": 32, "use_checkpoint": False,
        "use_spatial_transformer": True, "use_temporal_attention": False, "use_temporal_resblock": False,
        "legacy": False,
    }  # fmt: skip
    return said if config.adm_channels is None else {**said, "num_classes": "sequential"}


def of_handle(handle):
    """The configuration of a handle of ours."""
    made = SD15({**described(handle.unet.config), "dtype": None})
    made.latent_format = latent_formats.of_format(handle.latent)
    return made
