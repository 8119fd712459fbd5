"""Every node this product has. A new file of nodes is one name here."""

from __future__ import annotations

from ..executor.spec import Catalog


def catalogue() -> Catalog:
    """The built-in catalogue. Reads declarations only: no torch, no files."""
    from . import (
        conditioning,
        controlnet,
        custom_sampling,
        guidance,
        guiders,
        image_batch,
        image_composite,
        image_effects,
        image_files,
        image_scale,
        image_transform,
        latent_batch,
        latent_files,
        latent_kinds,
        latent_math,
        latent_operations,
        latents,
        loaders,
        logic,
        lora,
        masks,
        model_sampling,
        primitives,
        samplers,
        sampling,
        schedulers,
        strings,
        unet_denoise,
        unet_patches,
        vae,
    )

    return Catalog.of_modules(
        loaders,
        lora,
        conditioning,
        controlnet,
        sampling,
        custom_sampling,
        samplers,
        schedulers,
        guiders,
        model_sampling,
        guidance,
        unet_patches,
        unet_denoise,
        vae,
        latents,
        latent_batch,
        latent_math,
        latent_files,
        latent_kinds,
        latent_operations,
        image_files,
        image_scale,
        image_transform,
        image_batch,
        image_composite,
        image_effects,
        masks,
        primitives,
        logic,
        strings,
    )
