"""`comfy_extras.nodes_model_merging`: models as sums of models, by patches on their weights. Packs build on these."""

from __future__ import annotations

from typing import Any, ClassVar

from _core_classes import add, fill

fill(globals())

NETWORK = "diffusion_model."
RATIO = ("FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01})


class _Merging:
    RETURN_TYPES: ClassVar = ("MODEL",)
    FUNCTION = "merge"
    CATEGORY = "advanced/model_merging"


class ModelMergeSimple(_Merging):
    """ratio: the share of the first model."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"model1": ("MODEL",), "model2": ("MODEL",), "ratio": RATIO}}

    def merge(self, model1: Any, model2: Any, ratio: float) -> tuple[Any]:
        made = model1.clone()
        made.add_patches(model2.get_key_patches(NETWORK), 1.0 - ratio, ratio)
        return (made,)


class ModelSubtract(_Merging):
    """What the first model has beyond the second, so many times."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        factor = ("FLOAT", {"default": 1.0, "min": -10.0, "max": 10.0, "step": 0.01})
        return {"required": {"model1": ("MODEL",), "model2": ("MODEL",), "multiplier": factor}}

    def merge(self, model1: Any, model2: Any, multiplier: float) -> tuple[Any]:
        made = model1.clone()
        made.add_patches(model2.get_key_patches(NETWORK), -multiplier, multiplier)
        return (made,)


class ModelAdd(_Merging):
    """The sum of two models' weights."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"model1": ("MODEL",), "model2": ("MODEL",)}}

    def merge(self, model1: Any, model2: Any) -> tuple[Any]:
        made = model1.clone()
        made.add_patches(model2.get_key_patches(NETWORK), 1.0, 1.0)
        return (made,)


class ModelMergeBlocks(_Merging):
    """A share of the first model for each part of the network: that of the longest name that begins a weight's."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"model1": ("MODEL",), "model2": ("MODEL",), "input": RATIO, "middle": RATIO, "out": RATIO}}

    def merge(self, model1: Any, model2: Any, **kwargs: float) -> tuple[Any]:
        made = model1.clone()
        usual = next(iter(kwargs.values()))
        for key, patches in model2.get_key_patches(NETWORK).items():
            name = key.removeprefix(NETWORK)
            fitting = [part for part in kwargs if name.startswith(part)]
            ratio = kwargs[max(fitting, key=len)] if fitting else usual
            made.add_patches({key: patches}, 1.0 - ratio, ratio)
        return (made,)


class CLIPMergeSimple(_Merging):
    """ratio: the share of the first text encoder."""

    RETURN_TYPES: ClassVar = ("CLIP",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"clip1": ("CLIP",), "clip2": ("CLIP",), "ratio": RATIO}}

    def merge(self, clip1: Any, clip2: Any, ratio: float) -> tuple[Any]:
        made = clip1.clone()
        patches = clip2.get_key_patches()
        kept = {k: v for k, v in patches.items() if not k.endswith((".position_ids", ".logit_scale"))}
        made.add_patches(kept, 1.0 - ratio, ratio)
        return (made,)


add(ModelMergeSimple, "ModelMergeSimple")
add(ModelSubtract, "ModelMergeSubtract", "ModelMergeSubtract")
add(ModelAdd, "ModelMergeAdd", "ModelMergeAdd")
add(ModelMergeBlocks, "ModelMergeBlocks")
add(CLIPMergeSimple, "CLIPMergeSimple")
