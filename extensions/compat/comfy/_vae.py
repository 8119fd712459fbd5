"""The autoencoder object: pictures b h w 3 in 0..1, latents b c h w, unscaled."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import comfy.model_management
import comfy.model_patcher
import torch

from ....errors import InputError
from ....models import autoencode
from ....models.checkpoint import latent_of
from ....models.families.sd15 import FAMILY
from ....models.handles import Vae
from ....models.layouts import canonical
from ....models.residency import Residency
from ....models.vae.pixels import MARK, PIXEL_LATENTS, pixels
from ....models.vae.tiled import Tiles
from ...patchers import network
from ...patchers.memory import weights_of
from ...patchers.telling import Telling

if TYPE_CHECKING:
    from ...host import Host

HOST: Host


class FirstStage(torch.nn.Module):
    """The network of a handle, read when somebody asks for a part of it."""

    def __init__(self, vae):
        super().__init__()
        self.__dict__["handle"] = vae
        self.device = HOST.services[Residency].device

    @property
    def network(self):
        if "net" not in self.__dict__:
            blueprint, residency = self.handle.network, HOST.services[Residency]
            held = network.Held(self, blueprint, residency, type(None))
            self.__dict__["net"], self.__dict__["first"] = held.net, held.first
        return self.__dict__["net"]

    @property
    def reached(self):
        """Whether foreign code has changed what the network does."""
        if not self.__dict__.keys().isdisjoint(("encode", "decode")):
            return True
        return "net" in self.__dict__ and network.made_of(self.network) != self.__dict__["first"]

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("__"):
                raise
            return getattr(self.network, name)

    def __deepcopy__(self, memo):
        """A copy has a network of its own, which may be changed."""
        self.network  # noqa: B018 - read now, so that the copy does not share it
        return network.copied(self, memo)

    def encode(self, x):
        return self.network.encode(x)

    def decode(self, z, **kwargs):
        return self.network.decode(z)

    def state_dict(self, *args, **kwargs):
        return self.network.state_dict(*args, **kwargs)

    def parameters(self, recurse=True):
        return self.network.parameters(recurse)

    def modules(self):
        return self.network.modules()

    def named_modules(self, *args, **kwargs):
        return self.network.named_modules(*args, **kwargs)


class VAE(Telling):
    """sd: tensors of an autoencoder, in a layout that is known. `handle`: the value of ours."""

    known_as = "comfy.sd.VAE"
    working_dtypes = (torch.bfloat16, torch.float32)

    def __init__(self, sd=None, device=None, config=None, dtype=None, metadata=None, handle=None):
        if handle is None:
            handle = of_tensors(sd or {}, metadata)
        if dtype is not None:
            handle = replace(handle, network=replace(handle.network, runs_in=str(dtype).removeprefix("torch.")))
        self.handle = handle
        residency = HOST.services[Residency]
        self.device = device or residency.device
        self.output_device = comfy.model_management.intermediate_device()
        self.vae_dtype = dtype or residency.format(handle.network)
        self.latent_channels, self.latent_dim, self.output_channels = handle.latent.channels, 2, 3
        self.downscale_ratio = self.upscale_ratio = handle.latent.factor
        self.first_stage_model = FirstStage(handle)
        place = comfy.model_management.vae_offload_device()
        self.patcher = comfy.model_patcher.ModelPatcher(self.first_stage_model, self.device, place)
        self.patcher.parts = (("", handle.network),)
        self.size = None
        self.disable_offload = False
        self.not_video = True
        self.extra_1d_channel = None
        self.downscale_index_formula = self.upscale_index_formula = None
        self.crop_input = True

    def memory_used_encode(self, shape, dtype):
        return 1767 * shape[2] * shape[3] * dtype.itemsize

    def memory_used_decode(self, shape, dtype):
        return 2178 * shape[2] * shape[3] * 64 * dtype.itemsize

    def process_input(self, image):
        return image * 2.0 - 1.0

    def process_output(self, image):
        return image.add_(1.0).div_(2.0).clamp_(0.0, 1.0)

    def throw_exception_if_invalid(self):
        return None

    def vae_encode_crop_pixels(self, pixels):
        return autoencode.to_cells(pixels, self.downscale_ratio)

    def model_size(self):
        return self.patcher.model_size()

    # --- the work -----------------------------------------------------------------------------------------

    @property
    def reached(self):
        """The value of ours, with the network as packs have left it where one has reached into it."""
        stage = self.first_stage_model
        if isinstance(stage, FirstStage) and not stage.reached:
            return self.handle
        return replace(self.handle, network=replace(self.handle.network, lent=stage))

    def decode(self, samples_in, vae_options=None):
        return autoencode.decode(self.reached, samples_in, HOST.services[Residency])

    def encode(self, pixel_samples):
        return autoencode.encode(self.reached, self._coloured(pixel_samples), HOST.services[Residency])

    def decode_tiled(self, samples, tile_x=None, tile_y=None, overlap=None, tile_t=None, overlap_t=None):
        """tile_x, tile_y, overlap: latent cells."""
        tiles = Tiles(
            64 if tile_y is None else tile_y, 64 if tile_x is None else tile_x, 16 if overlap is None else overlap
        )
        return autoencode.decode_by_tiles(self.reached, samples, tiles, HOST.services[Residency])

    def encode_tiled(self, pixel_samples, tile_x=None, tile_y=None, overlap=None, tile_t=None, overlap_t=None):
        """tile_x, tile_y, overlap: pixels."""
        tiles = Tiles(
            512 if tile_y is None else tile_y, 512 if tile_x is None else tile_x, 64 if overlap is None else overlap
        )
        pixels = self._coloured(pixel_samples)
        return autoencode.encode_by_tiles(self.reached, pixels, tiles, HOST.services[Residency])

    def decode_tiled_(self, samples, tile_x=64, tile_y=64, overlap=16):
        return self.decode_tiled(samples, tile_x, tile_y, overlap).movedim(-1, 1)

    def encode_tiled_(self, pixel_samples, tile_x=512, tile_y=512, overlap=64):
        return self.encode_tiled(pixel_samples.movedim(1, -1), tile_x, tile_y, overlap)

    def _coloured(self, pixels):
        return pixels[..., :3] if pixels.shape[-1] > 3 else pixels

    def get_sd(self):
        return self.patcher.model_state_dict()

    # --- ratios -------------------------------------------------------------------------------------------

    def spacial_compression_decode(self):
        return self.upscale_ratio

    def spacial_compression_encode(self):
        return self.downscale_ratio

    def temporal_compression_decode(self):
        return None

    def is_dynamic(self):
        return False


def of_tensors(tensors, metadata=None):
    """A handle from a table of tensors. Raises InputError where it holds no autoencoder."""
    if MARK in tensors:
        return Vae(pixels(), PIXEL_LATENTS)
    weights = canonical(weights_of(tensors, metadata))
    found = FAMILY.vae.blueprint(weights)
    if found is None:
        raise InputError("these tensors are no autoencoder in a known layout", got=", ".join(list(tensors)[:3]))
    return Vae(found, latent_of(FAMILY, found))
