"""Tensors and dicts of tensors, under their older name."""

from comfy_api.latest._input.basic_types import AudioInput, ImageInput, LatentInput, MaskInput

__all__ = ["AudioInput", "ImageInput", "LatentInput", "MaskInput"]
