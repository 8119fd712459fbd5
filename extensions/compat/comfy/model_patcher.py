"""The patcher: a model with changes that clones do not share. Ours are made from handles and turn back into them."""

from __future__ import annotations

import uuid
import weakref
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import comfy.lora
import torch

from ....errors import Unsupported
from ...patchers import guiding, handles, network, options, weights
from ...patchers.kept import Kept
from ...patchers.options import Hooked
from ...patchers.telling import Telling

if TYPE_CHECKING:
    from ...host import Host

HOST: Host
VIEWS: Any = weakref.WeakValueDictionary()


def set_model_options_patch_replace(model_options, patch, name, block_name, number, transformer_index=None):
    made = options.with_replacement(model_options, patch, name, block_name, number, transformer_index)
    model_options.update(made)
    return model_options


def set_model_options_post_cfg_function(model_options, post_cfg_function, disable_cfg1_optimization=False):
    place = guiding.POST
    model_options.update(options.with_function(model_options, place, post_cfg_function, disable_cfg1_optimization))
    return model_options


def set_model_options_pre_cfg_function(model_options, pre_cfg_function, disable_cfg1_optimization=False):
    model_options.update(options.with_function(model_options, guiding.PRE, pre_cfg_function, disable_cfg1_optimization))
    return model_options


def create_model_options_clone(orig_model_options):
    return options.copied(orig_model_options)


def string_to_seed(data):
    import comfy.utils

    return comfy.utils.string_to_seed(data)


class ModelPatcher(Hooked, Kept, Telling):
    """model: what is patched. given: the handle it was made from. parts: (beginning of the keys, blueprint) of each
    network of ours in it; none for a module of a pack's own."""

    known_as = "comfy.model_patcher.ModelPatcher"
    given = first = made = weights_uuid = None
    parts = ()

    def __init__(self, model, load_device, offload_device, size=0, weight_inplace_update=False):
        Kept.__init__(self)
        self.model = model
        self.size = size
        self.load_device, self.offload_device = load_device, offload_device
        self.weight_inplace_update = weight_inplace_update
        self.patches, self.backup = {}, {}
        self.object_patches, self.object_patches_backup = {}, {}
        self.weight_wrapper_patches = {}
        self.model_options = {"transformer_options": {}}
        self.patches_uuid = uuid.uuid4()
        self.parent = None
        self.current_hooks = self.forced_hooks = None
        self.hook_patches, self.hook_patches_backup, self.cached_hook_patches = {}, {}, {}
        self.is_clip = False
        self.hook_mode = None
        if getattr(model, "device", None) is None and not isinstance(getattr(type(model), "device", None), property):
            model.device = offload_device

    def effective(self):
        """The handle with all that changes weights and levels."""
        return handles.effective(HOST, self)

    # --- clones -------------------------------------------------------------------------------------------

    def clone(self):
        made = self.copy()
        self.tell("on_clone", made)
        return made

    def copy(self):
        """A clone of which nobody is told."""
        made = self.__class__.__new__(self.__class__)
        ModelPatcher.__init__(
            made, self.model, self.load_device, self.offload_device, self.size, self.weight_inplace_update
        )
        made.given, made.first, made.weights_uuid, made.parts = self.given, self.first, self.weights_uuid, self.parts
        made.patches = {key: list(entries) for key, entries in self.patches.items()}
        made.patches_uuid = self.patches_uuid
        made.object_patches = dict(self.object_patches)
        made.weight_wrapper_patches = dict(self.weight_wrapper_patches)
        made.model_options = options.copied(self.model_options)
        made.backup, made.object_patches_backup = self.backup, self.object_patches_backup
        made.parent = self
        made.is_clip, made.forced_hooks, made.hook_mode = self.is_clip, self.forced_hooks, self.hook_mode
        made._keep_like(self)
        return made

    def is_clone(self, other):
        return getattr(other, "model", None) is self.model

    def clone_has_same_weights(self, clone):
        same = self.patches_uuid == clone.patches_uuid or not (self.patches or clone.patches)
        return self.is_clone(clone) and same

    def get_model_object(self, name):
        """By dotted name, what is put in its place first."""
        if name in self.object_patches:
            return self.object_patches[name]
        if name in self.object_patches_backup:
            return self.object_patches_backup[name]
        return network.at(self.model, name)

    def add_object_patch(self, name, obj):
        self.object_patches[name] = obj

    def add_weight_wrapper(self, name, function):
        self.weight_wrapper_patches.setdefault(name, []).append(function)
        self.patches_uuid = uuid.uuid4()

    # --- weights ------------------------------------------------------------------------------------------

    def keys(self):
        """Names of the model's weights."""
        if self.parts:
            return {prefix + key for prefix, blueprint in self.parts for key in blueprint.weights}
        return set(self.model.state_dict())

    def add_patches(self, patches, strength_patch=1.0, strength_model=1.0):
        """patches: key, or (key, part[, function]) -> change. Returns those whose weight is there."""
        known, taken = self.keys(), []
        for name, change in patches.items():
            key, *more = (name,) if isinstance(name, str) else name
            if key in known:
                part, then = (*more, None, None)[:2]
                self.patches.setdefault(key, []).append((strength_patch, change, strength_model, part, then))
                taken.append(name)
        self.patches_uuid = uuid.uuid4()
        return taken

    def get_key_patches(self, filter_prefix=None):
        """Key -> [(weight, conversion), entry, ...]."""
        state = self.model_state_dict(filter_prefix)
        return {key: [(weight, lambda w, **_: w), *self.patches.get(key, ())] for key, weight in state.items()}

    def model_state_dict(self, filter_prefix=None):
        """Weights without the patches."""
        if self.parts:
            found = (weights.tensors_of(blueprint, prefix, filter_prefix) for prefix, blueprint in self.parts)
            return {key: tensor for part in found for key, tensor in part}
        state = self.model.state_dict()
        return {key: value for key, value in state.items() if filter_prefix is None or key.startswith(filter_prefix)}

    def merged(self):
        """Key -> weight with the patches in it."""
        made = {}
        for key, ((weight, _), *changes) in self.get_key_patches().items():
            done = comfy.lora.calculate_weight(changes, weight.float().clone(), key) if changes else weight
            made[key] = done.to(weight.dtype)
        return made

    def patch_weight_to_device(
        self, key, device_to=None, inplace_update=False, return_weight=False, force_cast=False
    ):  # fmt: skip
        """One weight with its patches: handed back, or put in its place in a network that is not of ours."""
        if self.parts and not return_weight:
            return None
        weight = self.model_state_dict(key).get(key)
        if weight is None or key not in self.patches:
            return weight if return_weight else None
        done = comfy.lora.calculate_weight(self.patches[key], weight.detach().float().clone(), key).to(weight.dtype)
        done = done if device_to is None else done.to(device_to)
        if return_weight:
            return done
        place = network.at(self.model, key)
        self.backup.setdefault(key, place.detach().clone())
        place.data = done
        return None

    def state_dict_for_saving(self, clip_state_dict=None, vae_state_dict=None, clip_vision_state_dict=None):
        """`merged` under the names of a checkpoint, with the tensors of other parts under theirs."""
        if clip_vision_state_dict:
            raise Unsupported("image encoders inside a checkpoint")
        made = {f"model.{key}": value for key, value in self.merged().items()}
        for key, value in (clip_state_dict or {}).items():
            made["cond_stage_model." + key.replace("clip_l.", "")] = value
        return made | {f"first_stage_model.{key}": value for key, value in (vae_state_dict or {}).items()}

    def set_model_compute_dtype(self, dtype):
        """The number format the network runs in; None: the engine's choice."""
        self.add_object_patch(handles.FORMAT, dtype)

    def calculate_weight(self, patches, weight, key, intermediate_dtype=torch.float32):
        return comfy.lora.calculate_weight(patches, weight, key, intermediate_dtype=intermediate_dtype)

    def patch_model(self, device_to=None, lowvram_model_memory=0, load_weights=True, force_patch_weights=False):
        """Put everything in place. A model of ours is patched where it is run, and reads its weights there."""
        if not self.parts and not self.__dict__.get("_undo"):
            self._undo = ExitStack()
            self._undo.enter_context(network.patched(self.model, self.object_patches))
            if load_weights:
                if device_to is not None:
                    self.model.to(device_to)
                changed = {}
                for key, entries in self.patches.items():
                    weight = network.at(self.model, key)
                    done = comfy.lora.calculate_weight(entries, weight.detach().float().clone(), key)
                    changed[key] = torch.nn.Parameter(done.to(weight), requires_grad=False)
                self._undo.enter_context(network.patched(self.model, changed))
                self.model.device = device_to
        self.inject_model()
        self.tell("on_load_after", device_to, lowvram_model_memory, force_patch_weights, lowvram_model_memory == 0)
        return self.model

    def unpatch_model(self, device_to=None, unpatch_weights=True):
        self.eject_model()
        undo = self.__dict__.pop("_undo", None)
        if undo is not None:
            undo.close()
        while unpatch_weights and self.backup:
            key, weight = self.backup.popitem()
            network.at(self.model, key).data = weight
        if not self.parts and device_to is not None:
            self.model.to(device_to)
            self.model.device = device_to

    def load(self, device_to=None, lowvram_model_memory=0, force_patch_weights=False, full_load=False):
        self.patch_model(device_to, lowvram_model_memory, True, force_patch_weights)

    def partially_load(self, device_to, extra_memory=0, force_patch_weights=False):
        self.patch_model(device_to, extra_memory, True, force_patch_weights)
        return self.model_size()

    def partially_unload(self, device_to, memory_to_free=0):
        self.unpatch_model(device_to)
        return self.model_size()

    def detach(self, unpatch_all=True):
        self.unpatch_model(self.offload_device if unpatch_all else None)
        self.tell("on_detach_after", unpatch_all)
        return self.model

    def model_patches_to(self, device):
        options.patches_to(self.model_options, device)

    def model_patches_models(self):
        return []

    # --- sizes and places ---------------------------------------------------------------------------------

    def model_dtype(self):
        return self.model.get_dtype() if hasattr(self.model, "get_dtype") else None

    def model_size(self):
        if self.size <= 0:
            self.size = handles.size_of(HOST, self)
        return self.size

    def get_ram_usage(self):
        return self.model_size()

    def loaded_size(self):
        there = bool(self.parts) or self.current_loaded_device() == self.load_device
        return self.model_size() if there else 0

    def lowvram_patch_counter(self):
        return 0

    def current_loaded_device(self):
        return self.model.device

    def memory_required(self, input_shape):
        return self.model.memory_required(input_shape=input_shape)

    def get_free_memory(self, device):
        import comfy.model_management

        return comfy.model_management.get_free_memory(device)

    def is_dynamic(self):
        return False

    # --- a run --------------------------------------------------------------------------------------------

    def pre_run(self):
        self._runs = [*self.__dict__.get("_runs", ()), ExitStack()]
        if hasattr(self.model, "running"):
            self._runs[-1].enter_context(self.model.running(self))
        self.inject_model()
        self.tell("on_pre_run")

    def prepare_state(self, timestep):
        self.tell("on_prepare_state", timestep)

    def cleanup(self):
        if self.__dict__.get("_runs"):
            self._runs.pop().close()
        self.eject_model()
        self.tell("on_cleanup")

    def apply_hooks(self, hooks=None, transformer_options=None, force_apply=False):
        self.tell("on_apply_hooks", hooks)
        return {}

    def set_hook_mode(self, hook_mode):
        self.hook_mode = hook_mode

    def restore_hook_patches(self):
        return None

    def clean_hooks(self):
        return None
