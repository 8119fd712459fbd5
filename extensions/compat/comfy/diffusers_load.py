"""Models in folders of Diffusers."""

from __future__ import annotations

import comfy.sd


def load_diffusers(model_path, output_vae=True, output_clip=True, embedding_directory=None):
    """(model, clip, vae) of a folder."""
    return comfy.sd.load_checkpoint_guess_config(model_path, output_vae, output_clip)[:3]
