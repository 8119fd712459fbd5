"""Latents from files and to files: safetensors with the suffix .latent."""

from __future__ import annotations

from typing import Annotated

from ..executor.spec import Choices, Context, Hidden, Services, Shown, node
from ..models.values import Latent
from .image_files import destination, faults, outside, workflow_texts
from .store import Files

TENSOR = "latent_tensor"
UNSCALED = "latent_format_version_0"
"""Present in files whose latents are as the VAE gives them; older files hold them times 0.18215."""
OLD_SCALE = 0.18215


def _content(latent: str, ctx: Context) -> str:
    return ctx.service(Files).fingerprint(latent)


def _missing(latent: str | None, services: Services) -> dict[str, str]:
    return faults(services, "latent", lambda files: files.fault(latent))


@node("SaveLatent", category="_for_testing", output=True, reads=destination, validate=outside)
def save_latent(
    samples: Latent,
    filename_prefix: str = "latents/ComfyUI",
    prompt: Annotated[dict | None, Hidden("PROMPT")] = None,
    extra_pnginfo: Annotated[dict | None, Hidden("EXTRA_PNGINFO")] = None,
    *,
    ctx: Context,
) -> Shown:
    """Save a latent; masks and noise indices are not part of the format."""
    import torch
    from safetensors.torch import save

    files = ctx.service(Files)
    slot = files.slot(filename_prefix)
    tensors = {TENSOR: samples.samples.detach().cpu().contiguous(), UNSCALED: torch.tensor([])}
    saved = files.save(slot, slot.counter, "latent", save(tensors, metadata=workflow_texts(ctx, extra_pnginfo) or None))
    return Shown(ui={"latents": [saved.shown()]}, files=(str(saved.path),))


@node("LoadLatent", category="_for_testing", reads=_content, validate=_missing)
def load_latent(latent: Annotated[str, Choices.of_kind("input_latents", open=True)], ctx: Context) -> Latent:
    """Read a latent file."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    from ..errors import InputError

    path = ctx.service(Files).find(latent)
    try:
        tensors = load(path.read_bytes())
        samples = tensors[TENSOR].float()
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{latent} is no latent file", got=error, expected=f"safetensors with {TENSOR}") from error
    if samples.ndim < 4:
        raise InputError(f"{latent} holds no latent", got=tuple(samples.shape), expected="b c h w")
    return Latent(samples if UNSCALED in tensors else samples / OLD_SCALE)
