"""Model files into models. Only headers are read here; weights follow when something must run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from ..errors import InputError, Unsupported
from ..executor.spec import Choices, Context, Extra, Listing, Optional, Out, Services, node
from ..models.handles import Clip, Model, Vae, Vocabulary
from ..models.services import Models

if TYPE_CHECKING:
    from ..models.checkpoint import Loaded

NARROW = {"fp8_e4m3fn": "float8_e4m3fn", "fp8_e4m3fn_fast": "float8_e4m3fn", "fp8_e5m2": "float8_e5m2"}
WEIGHT_TYPES = ("default", *NARROW)
ENCODER_TYPES = (
    "stable_diffusion", "stable_cascade", "sd3", "stable_audio", "mochi", "ltxv", "pixart", "cosmos", "lumina2", "wan",
    "hidream", "chroma", "ace", "omnigen2", "qwen_image", "hunyuan_image", "flux2", "ovis",
)  # fmt: skip
PAIR_TYPES = (
    "sdxl", "sd3", "flux", "hunyuan_video", "hidream", "hunyuan_image", "hunyuan_video_15", "kandinsky5",
    "kandinsky5_image", "ltxv", "newbie",
)  # fmt: skip
PIXELS = "pixel_space"
TAESD = "taesd"
TAESD_HALVES = ("taesd_encoder", "taesd_decoder")


class Checkpoint(NamedTuple):
    """The three parts of a checkpoint."""

    model: Annotated[Model, Out("MODEL"), "Removes noise from latents."]
    clip: Annotated[Clip, Out("CLIP"), "Reads prompts."]
    vae: Annotated[Vae, Out("VAE"), "Turns pictures into latents and back."]


def checkpoint_file(ckpt_name: str, services: Services) -> str:
    return services[Models].fingerprint("checkpoints", ckpt_name)


@node("CheckpointLoaderSimple", category="loaders", title="Load Checkpoint", reads=checkpoint_file)
def load_checkpoint(
    ckpt_name: Annotated[str, Choices.files("checkpoints"), "File in the checkpoints folder."], ctx: Context
) -> Checkpoint:
    """Load all parts of a model from one file."""
    return parts(ctx.service(Models).find("checkpoints", ckpt_name))


def diffusers_folder(model_path: str, services: Services) -> str:
    return services[Models].fingerprint("diffusers", model_path)


@node("DiffusersLoader", category="advanced/loaders/deprecated", title="DiffusersLoader", reads=diffusers_folder)
def load_diffusers(
    model_path: Annotated[str, Choices.files("diffusers"), "Folder with a model_index.json."], ctx: Context
) -> Checkpoint:
    """Load all parts of a model from a folder in Diffusers' layout."""
    return parts(ctx.service(Models).find("diffusers", model_path))


def parts(path: Path) -> Checkpoint:
    """Model, CLIP and VAE of a file or folder. Raises BadWeights, UnknownFamily, InputError where one is missing."""
    from ..models.checkpoint import load_checkpoint as read

    loaded = read(path)
    if not loaded.text or loaded.vae is None:
        absent = "text encoder" if not loaded.text else "autoencoder"
        raise InputError(
            f"{path.name} holds no {absent}",
            expected="a whole checkpoint",
            remedy="Load its parts with UNETLoader, CLIPLoader and VAELoader.",
        )
    return Checkpoint(model_of(loaded), clip_of(loaded), Vae(loaded.vae, loaded.latent))


def model_of(loaded: Loaded) -> Model:
    """The U-Net with the sampling its file declares."""
    from ..samplers.guides import Guiding
    from ..samplers.prediction import discrete

    if loaded.unet is None:
        raise InputError("the file holds no U-Net", remedy="Choose another file.")
    return Model(loaded.unet, loaded.latent, discrete(loaded.prediction, zsnr=loaded.zsnr), Guiding())


def clip_of(loaded: Loaded) -> Clip:
    return Clip(loaded.text, Vocabulary(loaded.metadata, loaded.folder))


def unet_file(unet_name: str, services: Services) -> str:
    return services[Models].fingerprint("diffusion_models", unet_name)


@node("UNETLoader", category="advanced/loaders", title="Load Diffusion Model", reads=unet_file)
def load_unet(
    unet_name: Annotated[str, Choices.files("diffusion_models"), "File in the diffusion_models folder."],
    weight_dtype: Annotated[str, Choices(WEIGHT_TYPES), "The number format weights are rounded to."],
    ctx: Context,
) -> Annotated[Model, "Removes noise from latents."]:
    """Load a denoising network alone."""
    from ..models.checkpoint import load_unet as read
    from ..models.narrowed import narrowed

    loaded = read(ctx.service(Models).find("diffusion_models", unet_name))
    if weight_dtype in NARROW and loaded.unet is not None:
        loaded = replace(loaded, unet=narrowed(loaded.unet, NARROW[weight_dtype]))
    return model_of(loaded)


def clip_file(clip_name: str, services: Services) -> str:
    return services[Models].fingerprint("text_encoders", clip_name)


@node("CLIPLoader", category="advanced/loaders", title="Load CLIP", reads=clip_file)
def load_clip(
    clip_name: Annotated[str, Choices.files("text_encoders"), "File in the text_encoders folder."],
    type: Annotated[str, Choices(ENCODER_TYPES), "The model the encoder is for."],
    ctx: Context,
    device: Annotated[str, Choices(("default", "cpu")), Optional(), Extra({"advanced": True})] = "default",
) -> Annotated[Clip, "Reads prompts."]:
    """Load a text encoder alone."""
    from ..models.checkpoint import load_text

    if type != "stable_diffusion":
        raise Unsupported(f"text encoders of {type}", got=type, expected="stable_diffusion")
    return clip_of(load_text(ctx.service(Models).find("text_encoders", clip_name)))


def clip_files(clip_name1: str, clip_name2: str, services: Services) -> tuple[str, str]:
    models: Models = services[Models]
    return models.fingerprint("text_encoders", clip_name1), models.fingerprint("text_encoders", clip_name2)


@node("DualCLIPLoader", category="advanced/loaders", title="DualCLIPLoader", reads=clip_files)
def load_two_clips(
    clip_name1: Annotated[str, Choices.files("text_encoders"), "First file in the text_encoders folder."],
    clip_name2: Annotated[str, Choices.files("text_encoders"), "Second file."],
    type: Annotated[str, Choices(PAIR_TYPES), "The model the encoders are for."],
    ctx: Context,
    device: Annotated[str, Choices(("default", "cpu")), Optional(), Extra({"advanced": True})] = "default",
) -> Annotated[Clip, "Reads prompts."]:
    """Load the two text encoders of a model that has two."""
    models = ctx.service(Models)
    for name in (clip_name1, clip_name2):
        models.find("text_encoders", name)
    raise Unsupported(f"pairs of text encoders for {type}", got=type, expected="a model with one text encoder")


def vae_names(services: Services) -> tuple[str, ...] | None:
    listing: Listing | None = services.get(Listing)
    files = None if listing is None else listing.choices("vae")
    if listing is None or files is None:
        return None
    near = listing.choices("vae_approx") or ()
    tiny = all(any(name.startswith(half) for name in near) for half in TAESD_HALVES)
    return (*files, *((TAESD,) if tiny else ()), PIXELS)


def vae_file(vae_name: str, services: Services) -> str:
    models: Models = services[Models]
    if vae_name == TAESD:
        return " ".join(models.fingerprint("vae_approx", name) for name in taesd_files(models))
    return vae_name if vae_name == PIXELS else models.fingerprint("vae", vae_name)


def taesd_files(models: Models) -> list[str]:
    """Encoder and decoder; a file that is not there by its plain name, which the error then says."""
    names = models.list("vae_approx")
    return [next((n for n in names if n.startswith(half)), f"{half}.safetensors") for half in TAESD_HALVES]


@node("VAELoader", category="loaders", title="Load VAE", reads=vae_file)
def load_vae(
    vae_name: Annotated[str, Choices(vae_names), "File in the vae folder."], ctx: Context
) -> Annotated[Vae, "Turns pictures into latents and back."]:
    """Load an autoencoder alone."""
    from ..models.blueprint import LatentFormat
    from ..models.checkpoint import load_vae as read
    from ..models.vae.pixels import PIXEL_LATENTS, pixels
    from ..models.vae.tiny import load_tiny

    models = ctx.service(Models)
    if vae_name == PIXELS:
        return Vae(pixels(), PIXEL_LATENTS)
    if vae_name == TAESD:
        encoder, decoder = (models.find("vae_approx", name) for name in taesd_files(models))
        return Vae(load_tiny(encoder, decoder), LatentFormat())
    loaded = read(models.find("vae", vae_name))
    if loaded.vae is None:
        raise InputError(f"{vae_name} holds no autoencoder", remedy="Choose another file.")
    return Vae(loaded.vae, loaded.latent)
