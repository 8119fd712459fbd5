"""ControlNets as foreign code chains, copies and asks them. Packs build on `ControlBase`."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import comfy.model_management
import comfy.model_patcher
import torch

from ....errors import Unsupported
from ....models import checkpoint
from ....models import handles as ours
from ....models.picture.batches import fit_batch
from ....models.residency import Residency
from ...patchers import controls, network
from ...patchers.evaluating import control_of, control_table
from ...patchers.memory import weights_of

if TYPE_CHECKING:
    from ...host import Host

HOST: Host


class StrengthType(Enum):
    """How strength acts: on all residuals alike, or less on shallow ones."""

    CONSTANT = 1
    LINEAR_UP = 2


def broadcast_image_to(tensor, target_batch_size, batched_number):
    """A hint for every item of every part of a batch."""
    if tensor.shape[0] == 1:
        return tensor
    return fit_batch(tensor, target_batch_size // batched_number).repeat(batched_number, *([1] * (tensor.ndim - 1)))


class ControlBase:
    """One net with its hint, strength and range, and the net before it."""

    def __init__(self):
        self.cond_hint_original = self.cond_hint = None
        self.strength = 1.0
        self.timestep_percent_range = (0.0, 1.0)
        self.timestep_range = None
        self.latent_format = self.vae = None
        self.global_average_pooling = False
        self.compression_ratio = 8
        self.upscale_algorithm = "nearest-exact"
        self.extra_args = {}
        self.previous_controlnet = None
        self.extra_conds = []
        self.strength_type = StrengthType.CONSTANT
        self.concat_mask = False
        self.extra_concat_orig, self.extra_concat = [], None
        self.extra_hooks = None
        self.preprocess_image = lambda a: a

    def set_cond_hint(self, cond_hint, strength=1.0, timestep_percent_range=(0.0, 1.0), vae=None, extra_concat=None):
        self.cond_hint_original = cond_hint
        self.strength = strength
        self.timestep_percent_range = timestep_percent_range
        if self.latent_format is not None:
            self.vae = vae
        self.extra_concat_orig = list(extra_concat or ())
        return self

    def set_previous_controlnet(self, controlnet):
        self.previous_controlnet = controlnet
        return self

    def set_extra_arg(self, argument, value=None):
        self.extra_args[argument] = value

    def pre_run(self, model, percent_to_timestep_function):
        self.timestep_range = tuple(percent_to_timestep_function(part) for part in self.timestep_percent_range)
        if self.previous_controlnet is not None:
            self.previous_controlnet.pre_run(model, percent_to_timestep_function)

    def cleanup(self):
        if self.previous_controlnet is not None:
            self.previous_controlnet.cleanup()
        self.cond_hint = self.extra_concat = self.timestep_range = None

    def get_models(self):
        return [] if self.previous_controlnet is None else self.previous_controlnet.get_models()

    def get_extra_hooks(self):
        mine = [] if self.extra_hooks is None else [self.extra_hooks]
        return mine + ([] if self.previous_controlnet is None else self.previous_controlnet.get_extra_hooks())

    def copy_to(self, c):
        for name in (
            "cond_hint_original", "strength", "timestep_percent_range", "global_average_pooling", "compression_ratio",
            "upscale_algorithm", "latent_format", "vae", "strength_type", "concat_mask", "extra_hooks",
            "preprocess_image",
        ):  # fmt: skip
            setattr(c, name, getattr(self, name))
        c.extra_args, c.extra_conds = dict(self.extra_args), list(self.extra_conds)
        c.extra_concat_orig = list(self.extra_concat_orig)

    def inference_memory_requirements(self, dtype):
        before = self.previous_controlnet
        return 0 if before is None else before.inference_memory_requirements(dtype)

    def control_merge(self, control, control_prev, output_dtype):
        """Residuals times strength, and those of the net before added."""
        made = {"input": [], "middle": [], "output": []}
        for name, found in control.items():
            count = len(found)
            for index, value in enumerate(found):
                if value is not None:
                    if self.global_average_pooling:
                        value = value.mean(dim=(2, 3), keepdim=True).expand_as(value)
                    up = self.strength_type is StrengthType.LINEAR_UP
                    value = (value * (self.strength ** float(count - index) if up else self.strength)).to(output_dtype)
                made[name].append(value)
        for name in made if control_prev is not None else ():
            mine, before = made[name], control_prev.get(name, [])
            for index, value in enumerate(before):
                if index >= len(mine):
                    mine.append(value)
                elif value is not None:
                    mine[index] = value if mine[index] is None else mine[index] + value
        return made


class ControlModel(torch.nn.Module):
    """The network of a handle, as packs call it; read when it runs, or somebody asks for a part of it."""

    def __init__(self, handle):
        super().__init__()
        self.__dict__["handle"] = handle
        self.device = HOST.services[Residency].device
        self.dtype = HOST.services[Residency].format(handle.network)

    def forward(self, x, hint, timesteps, context, y=None, **kwargs):
        """Residuals at strength 1, by place."""
        residency = HOST.services[Residency]
        with residency.use(self.handle.network) as net:
            found = control_table(residency.call(net, x, hint, timesteps, context, y))
        return {"middle": found["middle"], "output": found["output"]}

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("__"):
                raise
            held = self.__dict__.get("held")
            if held is None:
                blueprint, residency = self.handle.network, HOST.services[Residency]
                held = self.__dict__["held"] = network.Held(self, blueprint, residency, type(None))
            return getattr(held.net, name)


class ControlNet(ControlBase):
    """handle: a ControlNet of ours. soft: each residual counts so many times the next deeper one."""

    handle = uses = None
    soft = 1.0

    def __init__(
        self, control_model=None, global_average_pooling=False, compression_ratio=8, latent_format=None,
        load_device=None, manual_cast_dtype=None, extra_conds=("y",), strength_type=StrengthType.CONSTANT,
        concat_mask=False, preprocess_image=lambda a: a, handle=None,
    ):  # fmt: skip
        super().__init__()
        if handle is None and control_model is not None:
            handle = getattr(control_model, "handle", None)
            if handle is None:
                raise Unsupported("a ControlNet from a pack's own network", got=type(control_model).__name__)
        self.handle, self.manual_cast_dtype, self.model_sampling_current = handle, manual_cast_dtype, None
        self.control_model = ControlModel(handle) if control_model is None and handle is not None else control_model
        self.load_device = load_device or comfy.model_management.get_torch_device()
        self.global_average_pooling, self.compression_ratio = global_average_pooling, compression_ratio
        self.latent_format, self.concat_mask, self.strength_type = latent_format, concat_mask, strength_type
        self.preprocess_image, self.extra_conds = preprocess_image, list(extra_conds)
        if handle is not None:
            self.soft = handle.soft
            rest = comfy.model_management.unet_offload_device()
            self.control_model_wrapped = comfy.model_patcher.ModelPatcher(self.control_model, self.load_device, rest)
            self.control_model_wrapped.parts = (("", handle.network),)

    def copy(self):
        made = ControlNet(self.control_model, handle=self.handle)
        made.soft = self.soft
        self.copy_to(made)
        return made

    def pre_run(self, model, percent_to_timestep_function):
        super().pre_run(model, percent_to_timestep_function)
        self.model_sampling_current = model.model_sampling
        self.run = controls.OneNet(HOST, self, model, percent_to_timestep_function)

    def cleanup(self):
        super().cleanup()
        self.run = self.model_sampling_current = None

    def get_control(self, x_noisy, t, cond, batched_number, transformer_options=None):
        before = self.previous_controlnet
        found = None
        if before is not None:
            found = before.get_control(x_noisy, t, cond, batched_number, transformer_options)
        return control_table(self.run(x_noisy, t, cond, batched_number, control_of(found)))

    def get_models(self):
        return [*super().get_models(), self.control_model_wrapped]


def load_controlnet(ckpt_path, model=None, model_options=None):
    """A ControlNet from its file."""
    return ControlNet(handle=ours.ControlNet(checkpoint.load_controlnet(ckpt_path)))


def load_controlnet_state_dict(state_dict, model=None, model_options=None):
    """The same from tensors in memory."""
    return ControlNet(handle=ours.ControlNet(controls.blueprint_of(weights_of(state_dict))))
