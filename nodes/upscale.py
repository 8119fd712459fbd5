"""Enlarging pictures with networks made for it."""

from __future__ import annotations

from typing import Annotated

from ..executor.spec import Choices, Context, Services, node
from ..models.handles import UpscaleModel
from ..models.residency import Residency
from ..models.services import Models
from ..models.values import Image


def upscaler_file(model_name: str, services: Services) -> str:
    return services[Models].fingerprint("upscale_models", model_name)


@node("UpscaleModelLoader", category="loaders", title="Load Upscale Model", reads=upscaler_file)
def load_upscale_model(
    model_name: Annotated[str, Choices.files("upscale_models"), "File in the upscale_models folder."], ctx: Context
) -> Annotated[UpscaleModel, "Enlarges pictures."]:
    """Load an ESRGAN, Real-ESRGAN or compact Real-ESRGAN network; others where the package spandrel is installed."""
    from ..models.upscale.others import load_any

    path = ctx.service(Models).find("upscale_models", model_name)
    return UpscaleModel(load_any(path, ctx.service(Residency).device))


@node("ImageUpscaleWithModel", category="image/upscaling", title="Upscale Image (using Model)")
def image_upscale_with_model(
    upscale_model: Annotated[UpscaleModel, "Decides how many times the size grows."],
    image: Annotated[Image, "The picture; alpha is dropped."],
    ctx: Context,
) -> Annotated[Image, "The larger picture."]:
    """Enlarge pictures with a network."""
    from ..models.upscale.run import upscale

    return upscale(upscale_model, image, ctx.service(Residency), ctx.check)
