"""Model files as values. Everything here reads headers only; weights are read when a network must run.

    loaded = load_checkpoint(path)            # single file (.safetensors, .ckpt, .pt, .bin) or Diffusers folder
    loaded.family.name                        # "sd15"
    loaded.unet, loaded.vae                   # Blueprint, or None where the file has no such part
    loaded.text                               # tuple of Blueprints, one per text encoder (SD1: one)
    loaded.prediction, loaded.zsnr            # "eps" | "v", bool
    loaded.latent                             # LatentFormat(channels, scale, shift, factor)
    loaded.metadata                           # the file's own texts: str -> str (tokenizer texts live here)
    loaded.folder                             # the Diffusers folder (tokenizer/ lies in it), or None

    load_unet(path), load_vae(path)           # the same for files that hold one part: -> Loaded
    load_text(path)                           # -> Loaded with .text
    load_controlnet(path)                     # -> Blueprint, role "control"

    residency = Residency(Compute(device="cpu", dtype="auto"))        # models/residency.py; one per engine
    with residency.use(loaded.unet) as net:                           # reads weights now, or finds them in place
        out = residency.call(net, x, t, context, y=None, control=None, call=None)   # tensors on residency.device(...)
    residency.device, residency.format(blueprint)                     # torch.device, torch.dtype
    residency.release()                                               # drops all networks that nobody uses

    from .patch import with_lora
    unet, unused = with_lora(loaded.unet, lora_path, strength)        # -> new Blueprint, names that fitted nothing here
    text, unused = with_lora(loaded.text[0], lora_path, strength)

Blueprint.content is hashable and equal exactly when two blueprints make the same network.
Blueprint.config is the network's frozen config (UNetConfig.in_channels == 9: inpainting).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadWeights, UnknownFamily
from .blueprint import Blueprint, LatentFormat
from .controlnet import ControlNet, controlnet_config
from .families import families, sd15
from .family import Family, recognise
from .layouts import CONTROL, as_control, canonical, diffusers_folder, open_folder
from .load import open_weights
from .weights import Weights


@dataclass(frozen=True, eq=False)
class Loaded:
    """The parts of one model. Nothing of it is in memory yet. family: None for a lone VAE or text encoder."""

    weights: Weights
    latent: LatentFormat
    family: Family | None = None
    unet: Blueprint | None = None
    vae: Blueprint | None = None
    text: tuple[Blueprint, ...] = ()
    prediction: str = "eps"
    zsnr: bool = False
    folder: Path | None = None

    @property
    def metadata(self) -> Mapping[str, str]:
        return self.weights.metadata


def load_checkpoint(path: Path | str) -> Loaded:
    """A single file or a Diffusers folder. Raises ModelNotFound, BadWeights or UnknownFamily."""
    weights, folder = _open(path)
    return assemble(weights, recognise(weights, families()), folder)


def load_unet(path: Path | str) -> Loaded:
    """A file that holds a U-Net, alone or among others; the other parts are left out."""
    weights, folder = _open(path)
    family = recognise(weights, families())
    unet = family.unet.blueprint(weights)
    prediction, zsnr = family.predicts(weights)
    return Loaded(weights, family.latent, family, unet, prediction=prediction, zsnr=zsnr, folder=folder)


def load_vae(path: Path | str) -> Loaded:
    """A file that holds an autoencoder, alone or among others."""
    weights, folder = _open(path)
    vae = sd15.FAMILY.vae.blueprint(weights)
    if vae is None:
        raise UnknownFamily(f"{Path(path).name} holds no autoencoder in a known layout")
    return Loaded(weights, latent_of(sd15.FAMILY, vae), vae=vae, folder=folder)


def load_text(path: Path | str) -> Loaded:
    """A file that holds CLIP text encoders, alone or among others."""
    weights, folder = _open(path)
    text = _text(sd15.FAMILY, weights)
    if not text:
        raise UnknownFamily(f"{Path(path).name} holds no text encoder in a known layout")
    return Loaded(weights, sd15.FAMILY.latent, text=text, folder=folder)


def load_controlnet(path: Path | str) -> Blueprint:
    """A ControlNet in its own or in Diffusers' layout. Raises UnknownFamily where the file holds none."""
    path = Path(path)
    found = as_control(open_folder(path) if path.is_dir() else open_weights(path))
    if found is None:
        raise UnknownFamily(
            f"{path.name} holds no ControlNet in a known layout", expected=f"{CONTROL}* or Diffusers"
        )
    return Blueprint("control", ControlNet, controlnet_config(found), found)


def assemble(weights: Weights, family: Family, folder: Path | None = None) -> Loaded:
    """weights: under single-file names, recognised as that family."""
    unet, vae = family.unet.blueprint(weights), family.vae.blueprint(weights)
    if unet is None:
        raise BadWeights("the checkpoint holds no U-Net")
    prediction, zsnr = family.predicts(weights)
    latent = family.latent if vae is None else latent_of(family, vae)
    return Loaded(weights, latent, family, unet, vae, _text(family, weights), prediction, zsnr, folder)


def latent_of(family: Family, vae: Blueprint) -> LatentFormat:
    """The family's format with the autoencoder's own channels and factor."""
    return LatentFormat(vae.config.embed_dim, family.latent.scale, family.latent.shift, vae.config.factor)


def _open(path: Path | str) -> tuple[Weights, Path | None]:
    path = Path(path)
    if path.is_dir():
        return diffusers_folder(path), path
    return canonical(open_weights(path)), None


def _text(family: Family, weights: Weights) -> tuple[Blueprint, ...]:
    return tuple(b for b in (part.blueprint(weights) for part in family.text) if b is not None)
