"""`comfy_extras.nodes_upscale_model`: pictures enlarged by networks made for that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import comfy.model_management as mm
import comfy.utils
import folder_paths
from _core_classes import add
from torch import Tensor

from ....errors import UnknownFamily, Unsupported
from ....models.handles import UpscaleModel
from ....models.residency import Residency
from ....models.upscale.recognise import load_upscaler
from ...patchers.upscalers import Descriptor

if TYPE_CHECKING:
    from ...host import Host

HOST: Host

TILE, SMALLEST, OVERLAP = 512, 128, 32
_WRAPPED = re.compile(r"module\.")


def spandrel() -> Any:
    """The package that knows these networks. Raises Unsupported."""
    try:
        import spandrel as found
    except ImportError as error:
        raise Unsupported(
            "upscale models are read by the package spandrel", got="not installed", remedy="pip install spandrel"
        ) from error
    return found


class UpscaleModelLoader:
    """Reads a network from the folder `upscale_models`."""

    RETURN_TYPES = ("UPSCALE_MODEL",)
    FUNCTION = "load_model"
    CATEGORY = "loaders"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"model_name": (folder_paths.get_filename_list("upscale_models"),)}}

    @classmethod
    def load_model(cls, model_name: str) -> tuple[Any]:
        """Raises Unsupported where the network is none of ours, and the package that knows more is not installed."""
        path = folder_paths.get_full_path_or_raise("upscale_models", model_name)
        try:
            return (Descriptor(UpscaleModel(load_upscaler(path)), HOST.services[Residency]),)
        except UnknownFamily:
            known = spandrel()
        weights = comfy.utils.load_torch_file(path, safe_load=True)
        if "module.layers.0.residual_group.blocks.0.norm1.weight" in weights:
            weights = {_WRAPPED.sub("", key, count=1): value for key, value in weights.items()}
        made = known.ModelLoader().load_from_state_dict(weights).eval()
        if not isinstance(made, known.ImageModelDescriptor):
            raise Unsupported("this network does not enlarge single pictures", got=model_name)
        return (made,)


class ImageUpscaleWithModel:
    """Runs such a network over pictures, tile by tile; smaller tiles when memory runs out."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "upscale"
    CATEGORY = "image/upscaling"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"upscale_model": ("UPSCALE_MODEL",), "image": ("IMAGE",)}}

    @classmethod
    def upscale(cls, upscale_model: Any, image: Tensor) -> tuple[Tensor]:
        """image: b h w c. upscale_model: called with b 3 h w in 0..1, enlarging by its `scale`."""
        device = mm.get_torch_device()
        need = mm.module_size(upscale_model.model) + image.nelement() * image.element_size()
        need += TILE * TILE * 3 * image.element_size() * max(upscale_model.scale, 1) * 384
        mm.free_memory(need, device)
        upscale_model.to(device)
        pictures = image.movedim(-1, -3).to(device)
        try:
            made = _tiled(upscale_model, pictures)
        finally:
            upscale_model.to("cpu")
        return (made.movedim(-3, -1).clamp(0, 1),)


def _tiled(model: Any, pictures: Tensor) -> Tensor:
    tile = TILE
    while True:
        steps = len(pictures) * comfy.utils.get_tiled_scale_steps(
            pictures.shape[3], pictures.shape[2], tile_x=tile, tile_y=tile, overlap=OVERLAP
        )
        try:
            return comfy.utils.tiled_scale(
                pictures,
                lambda part: model(part.float()),
                tile_x=tile,
                tile_y=tile,
                overlap=OVERLAP,
                upscale_amount=model.scale,
                pbar=comfy.utils.ProgressBar(steps),
            )
        except mm.OOM_EXCEPTION:
            tile //= 2
            if tile < SMALLEST:
                raise


add(UpscaleModelLoader, "Load Upscale Model")
add(ImageUpscaleWithModel, "Upscale Image (using Model)")
