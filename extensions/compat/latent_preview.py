"""`latent_preview`: unfinished pictures while a model samples."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import comfy.utils
import folder_paths
import torch
import torch.nn.functional as F
from comfy.cli_args import LatentPreviewMethod, args
from comfy.taesd.taesd import TAESD
from PIL import Image
from torch import Tensor

MAX_PREVIEW_RESOLUTION = args.preview_size
default_preview_method = args.preview_method

Shown = tuple[str, Image.Image, int]
"""Format, picture, and the longest side it is shown with."""


def preview_to_image(latent_image: Tensor, do_scale: bool = True) -> Image.Image:
    """h w 3 in -1..1 (in 0..1 without do_scale) as a picture."""
    values = latent_image.detach().float().cpu()
    shares = (values + 1) / 2 if do_scale else values
    return Image.fromarray((shares.clamp(0, 1) * 255).round().to(torch.uint8).numpy())


class LatentPreviewer:
    """Makes a picture of a latent. Subclasses say how."""

    def decode_latent_to_preview(self, x0: Tensor) -> Any:
        return None

    def decode_latent_to_preview_image(self, preview_format: str, x0: Tensor) -> Shown:
        return ("JPEG", self.decode_latent_to_preview(x0), MAX_PREVIEW_RESOLUTION)


class TAESDPreviewerImpl(LatentPreviewer):
    """By a tiny autoencoder, whose `decode` gives b 3 h w in -1..1."""

    def __init__(self, taesd: Any) -> None:
        self.taesd = taesd

    def decode_latent_to_preview(self, x0: Tensor) -> Image.Image:
        first = x0[:1] if x0.ndim == 4 else x0[:1, :, 0]
        return preview_to_image(self.taesd.decode(first)[0].movedim(0, 2))


class Latent2RGBPreviewer(LatentPreviewer):
    """By a linear map from latent channels to red, green and blue, one pixel for each cell."""

    def __init__(
        self,
        latent_rgb_factors: Any,
        latent_rgb_factors_bias: Any = None,
        latent_rgb_factors_reshape: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.latent_rgb_factors = torch.tensor(latent_rgb_factors, device="cpu").transpose(0, 1)
        bias = latent_rgb_factors_bias
        self.latent_rgb_factors_bias = None if bias is None else torch.tensor(bias, device="cpu")
        self.latent_rgb_factors_reshape = latent_rgb_factors_reshape

    def decode_latent_to_preview(self, x0: Tensor) -> Image.Image:
        if self.latent_rgb_factors_reshape is not None:
            x0 = self.latent_rgb_factors_reshape(x0)
        first = x0[0, :, 0] if x0.ndim == 5 else x0[0]
        bias = self.latent_rgb_factors_bias
        return preview_to_image(
            F.linear(first.movedim(0, -1), self.latent_rgb_factors.to(x0), None if bias is None else bias.to(x0))
        )


def get_previewer(device: Any, latent_format: Any) -> LatentPreviewer | None:
    """How latents of a format are shown, after `args.preview_method`; None for not at all."""
    if args.preview_method is LatentPreviewMethod.NoPreviews:
        return None
    if args.preview_method is LatentPreviewMethod.TAESD:
        made = _tiny(device, latent_format)
        if made is not None:
            return made
    factors = getattr(latent_format, "latent_rgb_factors", None)
    if factors is None:
        return None
    return Latent2RGBPreviewer(
        factors,
        getattr(latent_format, "latent_rgb_factors_bias", None),
        getattr(latent_format, "latent_rgb_factors_reshape", None),
    )


def _tiny(device: Any, latent_format: Any) -> LatentPreviewer | None:
    """A decoder out of the folder `vae_approx`, if one is there."""
    stem = getattr(latent_format, "taesd_decoder_name", None)
    found = [name for name in folder_paths.get_filename_list("vae_approx") if stem and name.startswith(stem)]
    if not found:
        logging.warning("no decoder %s among the vae_approx: previews are coarse", stem)
        return None
    file = folder_paths.get_full_path("vae_approx", found[0])
    return TAESDPreviewerImpl(TAESD(None, file, latent_channels=latent_format.latent_channels).to(device))


def prepare_callback(
    model: Any, steps: int, x0_output_dict: dict[str, Any] | None = None, shape: Any = None
) -> Callable[[int, Tensor, Tensor, int], None]:
    """What a sampler calls after each step: (step, clean estimate, state, steps). Keeps the estimate under "x0"."""
    previewer = get_previewer(model.load_device, model.model.latent_format)
    bar = comfy.utils.ProgressBar(steps)

    def callback(step: int, x0: Tensor, x: Tensor, total_steps: int) -> None:
        if x0_output_dict is not None:
            x0_output_dict["x0"] = x0
        shown = None if previewer is None else previewer.decode_latent_to_preview_image("JPEG", x0)
        bar.update_absolute(step + 1, total_steps, shown)

    return callback


def set_preview_method(override: str | None = None) -> None:
    """none, auto, latent2rgb or taesd; anything else means what the program was started with."""
    found = None if override in (None, "default") else LatentPreviewMethod.from_string(str(override))
    args.preview_method = default_preview_method if found is None else found
