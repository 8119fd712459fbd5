"""What a configuration of a model says. Packs build on it for families of their own."""

from __future__ import annotations

from typing import Any, ClassVar

import comfy.latent_formats
import comfy.model_base


class ClipTarget:
    """A tokenizer class and a text encoder class, with what they are told."""

    def __init__(self, tokenizer, clip):
        self.clip = clip
        self.tokenizer = tokenizer
        self.params = {}


class BASE:
    """unet_config: what a network must say to be of this kind."""

    unet_config: ClassVar[Any] = {}
    unet_extra_config: ClassVar[Any] = {"num_heads": -1, "num_head_channels": 64}
    required_keys: ClassVar[Any] = {}
    clip_prefix: ClassVar[Any] = []
    clip_vision_prefix = None
    noise_aug_config = None
    sampling_settings: ClassVar[Any] = {}
    latent_format = comfy.latent_formats.LatentFormat
    vae_key_prefix: ClassVar[Any] = ["first_stage_model."]
    text_encoder_key_prefix: ClassVar[Any] = ["cond_stage_model."]
    supported_inference_dtypes: ClassVar[Any] = []
    memory_usage_factor = 2.0
    manual_cast_dtype = None
    custom_operations = None
    optimizations: ClassVar[Any] = {}
    scaled_fp8 = None

    @classmethod
    def matches(cls, unet_config, state_dict=None):
        fits = all(key in unet_config and unet_config[key] == value for key, value in cls.unet_config.items())
        return fits and (state_dict is None or all(key in state_dict for key in cls.required_keys))

    def __init__(self, unet_config):
        self.unet_config = {**unet_config, **self.unet_extra_config}
        self.sampling_settings = dict(self.sampling_settings)
        self.latent_format = self.latent_format()
        self.optimizations = dict(self.optimizations)

    def model_type(self, state_dict, prefix=""):
        return comfy.model_base.ModelType.EPS

    def inpaint_model(self):
        return self.unet_config["in_channels"] > 4

    def get_model(self, state_dict, prefix="", device=None):
        return comfy.model_base.BaseModel(self, model_type=self.model_type(state_dict, prefix), device=device)

    def process_clip_state_dict(self, state_dict):
        return state_dict

    def process_unet_state_dict(self, state_dict):
        return state_dict

    def process_vae_state_dict(self, state_dict):
        return state_dict

    def set_inference_dtype(self, dtype, manual_cast_dtype):
        self.unet_config["dtype"] = dtype
        self.manual_cast_dtype = manual_cast_dtype
