"""Every node this product has. A new file of nodes is one name here."""

from __future__ import annotations

from ..executor.spec import Catalog

PREFIX = "Carrara"
"""Before the ids of these nodes in a ComfyUI that has them from us."""


def outside(id: str) -> str:
    """The id of one of our nodes in a ComfyUI."""
    return PREFIX + id.replace(" ", "")


def catalogue() -> Catalog:
    """The built-in catalogue. Reads declarations only: no torch, no files. Ids that files saved in a ComfyUI have for
    these nodes are understood too."""
    from . import (
        arithmetic,
        attention,
        conditioning,
        controlnet,
        custom_sampling,
        flow,
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
        lists,
        loaders,
        logic,
        lora,
        masks,
        merging,
        merging_parts,
        model_sampling,
        primitives,
        resize,
        reuse,
        samplers,
        sampling,
        schedulers,
        skip_layers,
        strings,
        unet_denoise,
        unet_patches,
        upscale,
        vae,
        vision,
    )

    found = Catalog.of_modules(
        loaders,
        lora,
        merging,
        merging_parts,
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
        reuse,
        attention,
        skip_layers,
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
        resize,
        upscale,
        vision,
        masks,
        primitives,
        arithmetic,
        logic,
        flow,
        lists,
        strings,
    )
    return Catalog(found.specs(), elsewhere={outside(spec.id): spec for spec in found.specs()})
