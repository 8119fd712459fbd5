"""The `model_options` of foreign code: a dict of hooks. Every change makes new dicts, so that clones stay apart."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

Options = dict[str, Any]


def copied(options: Any) -> Any:
    """Dicts and lists anew, all the way down; what they hold stays the same object."""
    if type(options) is dict:
        return {key: copied(value) for key, value in options.items()}
    return list(options) if type(options) is list else options


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> Options:
    """Both, dicts inside merged, lists joined; else the second wins."""
    made = copied(dict(first))
    for key, value in second.items():
        mine = made.get(key)
        if isinstance(value, dict):
            made[key] = merged(mine if isinstance(mine, dict) else {}, value)
        elif isinstance(value, list):
            made[key] = [*(mine if isinstance(mine, list) else ()), *value]
        else:
            made[key] = value
    return made


def with_patch(options: Options, patch: Any, name: str) -> Options:
    """One more patch in the list of a place."""
    inside = options.get("transformer_options", {})
    lists = inside.get("patches", {})
    lists = {**lists, name: [*lists.get(name, ()), patch]}
    return {**options, "transformer_options": {**inside, "patches": lists}}


def with_replacement(
    options: Options, patch: Any, name: str, block_name: str, number: int, transformer_index: int | None = None
) -> Options:
    """Another attention in one block, or in one transformer of it."""
    block = (block_name, number) if transformer_index is None else (block_name, number, transformer_index)
    inside = options.get("transformer_options", {})
    places = inside.get("patches_replace", {})
    places = {**places, name: {**places.get(name, {}), block: patch}}
    return {**options, "transformer_options": {**inside, "patches_replace": places}}


def with_function(options: Options, place: str, function: Any, disable_cfg1_optimization: bool = False) -> Options:
    """One more function in a list such as `sampler_post_cfg_function`."""
    made = {**options, place: [*options.get(place, ()), function]}
    return made | ({"disable_cfg1_optimization": True} if disable_cfg1_optimization else {})


class Hooked:
    """The setters of hooks. model_options: what they write; replaced, never changed in place."""

    model_options: Options

    def set_model_sampler_cfg_function(
        self, sampler_cfg_function: Callable[..., Any], disable_cfg1_optimization: bool = False
    ) -> None:
        """In the place of guidance. A function of three things is told them one by one, as long ago."""

        def apart(args: Mapping[str, Any]) -> Any:
            return sampler_cfg_function(args["cond"], args["uncond"], args["cond_scale"])

        function = apart if len(inspect.signature(sampler_cfg_function).parameters) == 3 else sampler_cfg_function
        self.model_options = {**self.model_options, "sampler_cfg_function": function}
        if disable_cfg1_optimization:
            self.model_options["disable_cfg1_optimization"] = True

    def set_model_sampler_post_cfg_function(
        self, post_cfg_function: Any, disable_cfg1_optimization: bool = False
    ) -> None:
        place = "sampler_post_cfg_function"
        self.model_options = with_function(self.model_options, place, post_cfg_function, disable_cfg1_optimization)

    def set_model_sampler_pre_cfg_function(
        self, pre_cfg_function: Any, disable_cfg1_optimization: bool = False
    ) -> None:
        place = "sampler_pre_cfg_function"
        self.model_options = with_function(self.model_options, place, pre_cfg_function, disable_cfg1_optimization)

    def set_model_sampler_calc_cond_batch_function(self, sampler_calc_cond_batch_function: Any) -> None:
        self._set("sampler_calc_cond_batch_function", sampler_calc_cond_batch_function)

    def set_model_unet_function_wrapper(self, unet_wrapper_function: Any) -> None:
        self._set("model_function_wrapper", unet_wrapper_function)

    def set_model_denoise_mask_function(self, denoise_mask_function: Any) -> None:
        self._set("denoise_mask_function", denoise_mask_function)

    def _set(self, place: str, function: Any) -> None:
        self.model_options = {**self.model_options, place: function}

    def set_model_rope_options(
        self,
        scale_x: float = 1.0,
        shift_x: float = 0.0,
        scale_y: float = 1.0,
        shift_y: float = 0.0,
        scale_t: float = 1.0,
        shift_t: float = 0.0,
        **more: Any,
    ) -> None:
        """How transformers with rotary positions stretch and move them; U-Nets have none."""
        said = {
            "scale_x": scale_x, "shift_x": shift_x, "scale_y": scale_y, "shift_y": shift_y, "scale_t": scale_t,
            "shift_t": shift_t, **more,
        }  # fmt: skip
        inside = {**self.model_options.get("transformer_options", {}), "rope_options": said}
        self.model_options = {**self.model_options, "transformer_options": inside}

    def set_model_patch(self, patch: Any, name: str) -> None:
        self.model_options = with_patch(self.model_options, patch, name)

    def set_model_patch_replace(
        self, patch: Any, name: str, block_name: str, number: int, transformer_index: int | None = None
    ) -> None:
        self.model_options = with_replacement(self.model_options, patch, name, block_name, number, transformer_index)

    def set_model_attn1_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "attn1_patch")

    def set_model_attn2_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "attn2_patch")

    def set_model_attn1_replace(
        self, patch: Any, block_name: str, number: int, transformer_index: int | None = None
    ) -> None:
        self.set_model_patch_replace(patch, "attn1", block_name, number, transformer_index)

    def set_model_attn2_replace(
        self, patch: Any, block_name: str, number: int, transformer_index: int | None = None
    ) -> None:
        self.set_model_patch_replace(patch, "attn2", block_name, number, transformer_index)

    def set_model_attn1_output_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "attn1_output_patch")

    def set_model_attn2_output_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "attn2_output_patch")

    def set_model_input_block_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "input_block_patch")

    def set_model_input_block_patch_after_skip(self, patch: Any) -> None:
        self.set_model_patch(patch, "input_block_patch_after_skip")

    def set_model_output_block_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "output_block_patch")

    def set_model_middle_block_after_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "middle_block_after_patch")

    def set_model_emb_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "emb_patch")

    def set_model_forward_timestep_embed_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "forward_timestep_embed_patch")

    def set_model_double_block_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "double_block")

    def set_model_post_input_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "post_input")

    def set_model_noise_refiner_patch(self, patch: Any) -> None:
        self.set_model_patch(patch, "noise_refiner")


def patches_to(options: Options, device: Any) -> None:
    """Move what can be moved. In place: these dicts are the patcher's own."""
    inside = options.get("transformer_options", {})
    for patches in inside.get("patches", {}).values():
        for index, patch in enumerate(patches):
            if hasattr(patch, "to"):
                patches[index] = patch.to(device)
    for at in inside.get("patches_replace", {}).values():
        for block, patch in at.items():
            if hasattr(patch, "to"):
                at[block] = patch.to(device)
    wrapper = options.get("model_function_wrapper")
    if wrapper is not None and hasattr(wrapper, "to"):
        options["model_function_wrapper"] = wrapper.to(device)


def signature(options: Any, name: Callable[[Any], Any]) -> Any:
    """Something equal for options that hold the same hooks. name: of a hook, hashable or not."""
    if isinstance(options, dict):
        return {key: signature(value, name) for key, value in options.items()}
    if isinstance(options, list):
        return [signature(value, name) for value in options]
    return name(options)
