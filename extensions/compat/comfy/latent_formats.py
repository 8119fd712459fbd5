"""The latents of model families: channels, scale, shift, and how to look at them without an autoencoder."""

from __future__ import annotations

from typing import Any

import torch

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


class Standardised(LatentFormat):
    """Channels brought to mean 0 and deviation 1, then scaled."""

    latents_mean: Any
    latents_std: Any

    def of_channels(self, means, deviations):
        """Means and deviations in a shape that fits latents b c ..."""
        shape = (1, self.latent_channels, *[1] * self.latent_dimensions)
        self.latents_mean, self.latents_std = (torch.tensor(each).view(shape) for each in (means, deviations))

    def process_in(self, latent):
        mean, deviation = (each.to(latent) for each in (self.latents_mean, self.latents_std))
        return (latent - mean) * self.scale_factor / deviation

    def process_out(self, latent):
        mean, deviation = (each.to(latent) for each in (self.latents_mean, self.latents_std))
        return latent * deviation / self.scale_factor + mean


class SDXL_Playground_2_5(Standardised):
    """Playground 2.5."""

    taesd_decoder_name = "taesdxl_decoder"

    def __init__(self):
        self.scale_factor = 0.5
        self.of_channels((-1.6574, 1.886, -1.383, 2.5155), (8.4927, 5.9022, 6.5498, 5.2299))


class Wan21(Standardised):
    """Wan 2.1: b c t h w."""

    latent_channels = 16
    latent_dimensions = 3
    taesd_decoder_name = "lighttaew2_1"

    def __init__(self):
        self.of_channels(
            (-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508, 0.4134, -0.0715, 0.5517, -0.3632,
             -0.1922, -0.9497, 0.2503, -0.2921),
            (2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743, 3.2687, 2.1526, 2.8652, 1.5579, 1.6382,
             1.1253, 2.8251, 1.916),
        )  # fmt: skip


class HunyuanVideo(LatentFormat):
    """HunyuanVideo: b c t h w."""

    latent_channels = 16
    latent_dimensions = 3
    scale_factor = 0.476986
    taesd_decoder_name = "taehv"


class HunyuanVideo15(LatentFormat):
    """HunyuanVideo 1.5: b c t h w."""

    latent_channels = 32
    latent_dimensions = 3
    scale_factor = 1.03682
    taesd_decoder_name = "lighttaehy1_5"


class HunyuanImage21(LatentFormat):
    """HunyuanImage 2.1."""

    latent_channels = 64
    scale_factor = 0.75289


class LTXV(LatentFormat):
    """LTX-Video: b c t h w."""

    latent_channels = 128
    latent_dimensions = 3


class SC_Prior(LatentFormat):
    """Stable Cascade, first stage."""

    latent_channels = 16


class SC_B(LatentFormat):
    """Stable Cascade, second stage."""

    scale_factor = 1.0 / 0.43


class StableAudio1(LatentFormat):
    """Stable Audio: b c n."""

    latent_channels = 64
    latent_dimensions = 1


def of_format(form):
    """The class instance for a format of ours."""
    if form.channels == 4 and form.shift == 0.0:
        return SDXL() if form.scale == SDXL.scale_factor else SD15(form.scale)
    made = SD3()
    made.latent_channels, made.scale_factor, made.shift_factor = form.channels, form.scale, form.shift
    return made
