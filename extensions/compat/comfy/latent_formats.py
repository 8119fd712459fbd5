"""The latents of model families: channels, scale, shift, and how to look at them without an autoencoder."""

from __future__ import annotations

from typing import Any

from ....models import preview


class LatentFormat:
    """scale_factor: latents are multiplied by it for the network."""

    scale_factor = 1.0
    latent_channels = 4
    latent_dimensions = 2
    spacial_downscale_ratio = 8
    latent_rgb_factors: Any = None
    latent_rgb_factors_bias: Any = None
    latent_rgb_factors_reshape: Any = None
    taesd_decoder_name: Any = None

    def process_in(self, latent):
        return latent * self.scale_factor

    def process_out(self, latent):
        return latent / self.scale_factor


class SD15(LatentFormat):
    """Stable Diffusion 1.x."""

    latent_rgb_factors: Any = preview.SD1[:-1]
    latent_rgb_factors_bias: Any = preview.SD1[-1]
    taesd_decoder_name = "taesd_decoder"

    def __init__(self, scale_factor=0.18215):
        self.scale_factor = scale_factor


class SDXL(LatentFormat):
    """Stable Diffusion XL."""

    scale_factor = 0.13025
    taesd_decoder_name = "taesdxl_decoder"


class SD3(LatentFormat):
    """Stable Diffusion 3."""

    latent_channels = 16
    taesd_decoder_name = "taesd3_decoder"

    def __init__(self):
        self.scale_factor, self.shift_factor = 1.5305, 0.0609

    def process_in(self, latent):
        return (latent - self.shift_factor) * self.scale_factor

    def process_out(self, latent):
        return (latent / self.scale_factor) + self.shift_factor


class Flux(SD3):
    """FLUX.1."""

    taesd_decoder_name = "taef1_decoder"

    def __init__(self):
        self.scale_factor, self.shift_factor = 0.3611, 0.1159


class SD_X4(LatentFormat):
    """The fourfold upscaler."""

    def __init__(self):
        self.scale_factor = 0.08333


def of_format(form):
    """The class instance for a format of ours."""
    if form.channels == 4 and form.shift == 0.0:
        return SDXL() if form.scale == SDXL.scale_factor else SD15(form.scale)
    made = SD3()
    made.latent_channels, made.scale_factor, made.shift_factor = form.channels, form.scale, form.shift
    return made
