"""Kinds of callbacks and wrappers, and the way wrappers are called one around the other."""

from __future__ import annotations

from inspect import Parameter, signature

from ...patchers.options import copied, merged


class CallbacksMP:
    """When callbacks of a patcher are called."""

    ON_CLONE = "on_clone"
    ON_LOAD = "on_load_after"
    ON_DETACH = "on_detach_after"
    ON_CLEANUP = "on_cleanup"
    ON_PRE_RUN = "on_pre_run"
    ON_PREPARE_STATE = "on_prepare_state"
    ON_APPLY_HOOKS = "on_apply_hooks"
    ON_REGISTER_ALL_HOOK_PATCHES = "on_register_all_hook_patches"
    ON_INJECT_MODEL = "on_inject_model"
    ON_EJECT_MODEL = "on_eject_model"

    @classmethod
    def init_callbacks(cls):
        return {}


class WrappersMP:
    """What wrappers stand around."""

    OUTER_SAMPLE = "outer_sample"
    PREPARE_SAMPLING = "prepare_sampling"
    SAMPLER_SAMPLE = "sampler_sample"
    PREDICT_NOISE = "predict_noise"
    CALC_COND_BATCH = "calc_cond_batch"
    APPLY_MODEL = "apply_model"
    DIFFUSION_MODEL = "diffusion_model"

    @classmethod
    def init_wrappers(cls):
        return {}


def _table(transformer_options, name, is_model_options):
    if is_model_options:
        transformer_options = transformer_options.get("transformer_options", {})
    return transformer_options.setdefault(name, {})


def add_callback(call_type, callback, transformer_options, is_model_options=False):
    add_callback_with_key(call_type, None, callback, transformer_options, is_model_options)


def add_callback_with_key(call_type, key, callback, transformer_options, is_model_options=False):
    table = _table(transformer_options, "callbacks", is_model_options)
    table.setdefault(call_type, {}).setdefault(key, []).append(callback)


def get_callbacks_with_key(call_type, key, transformer_options, is_model_options=False):
    return list(_table(transformer_options, "callbacks", is_model_options).get(call_type, {}).get(key, []))


def get_all_callbacks(call_type, transformer_options, is_model_options=False):
    found = _table(transformer_options, "callbacks", is_model_options).get(call_type, {})
    return [callback for callbacks in found.values() for callback in callbacks]


def add_wrapper(wrapper_type, wrapper, transformer_options, is_model_options=False):
    add_wrapper_with_key(wrapper_type, None, wrapper, transformer_options, is_model_options)


def add_wrapper_with_key(wrapper_type, key, wrapper, transformer_options, is_model_options=False):
    table = _table(transformer_options, "wrappers", is_model_options)
    table.setdefault(wrapper_type, {}).setdefault(key, []).append(wrapper)


def get_wrappers_with_key(wrapper_type, key, transformer_options, is_model_options=False):
    return list(_table(transformer_options, "wrappers", is_model_options).get(wrapper_type, {}).get(key, []))


def get_all_wrappers(wrapper_type, transformer_options, is_model_options=False):
    found = _table(transformer_options, "wrappers", is_model_options).get(wrapper_type, {})
    return [wrapper for wrappers in found.values() for wrapper in wrappers]


class WrapperExecutor:
    """Calls the first wrapper, handing it an executor of what lies inside; the innermost is the original.

    A wrapper calls that executor to go on. class_obj: the object whose method the original is. offered: keywords that
    newer forms of the call have; each gets those it takes, so that wrappers of either age stand in one chain.
    """

    def __init__(self, original, class_obj, wrappers, idx, offered=None):
        self.original = original
        self.class_obj = class_obj
        self.wrappers = list(wrappers)
        self.idx = idx
        self.is_last = idx == len(self.wrappers)
        self.offered = offered or {}

    def __call__(self, *args, **kwargs):
        inner = WrapperExecutor(self.original, self.class_obj, self.wrappers, self.idx + 1, self.offered)
        return inner.execute(*args, **kwargs)

    def execute(self, *args, **kwargs):
        called, given = (self.original, args) if self.is_last else (self.wrappers[self.idx], (self, *args))
        return called(*given, **_taken(called, given, kwargs, self.offered))

    @classmethod
    def new_executor(cls, original, wrappers, idx=0):
        return cls(original, None, wrappers, idx)

    @classmethod
    def new_class_executor(cls, original, class_obj, wrappers, idx=0):
        return cls(original, class_obj, wrappers, idx)


def _taken(called, given, named, offered):
    """The keywords for a call: those named, and of the offered ones those that it takes and has not got."""
    if not offered:
        return named
    try:
        form = signature(called)
        filled = form.bind_partial(*given).arguments
    except (TypeError, ValueError):
        return named
    open_ended = any(one.kind is Parameter.VAR_KEYWORD for one in form.parameters.values())
    wanted = {name for name in offered if name not in filled and (open_ended or name in form.parameters)}
    asked = {name: value for name, value in named.items() if name not in offered or name in wanted}
    return {name: value for name, value in offered.items() if name in wanted} | asked


class PatcherInjection:
    """A change of a model put in place and taken out again."""

    def __init__(self, inject, eject):
        self.inject = inject
        self.eject = eject


def copy_nested_dicts(input_dict):
    """Dicts and lists anew, what they hold the same."""
    return copied(input_dict)


def merge_nested_dicts(dict1, dict2, copy_dict1=True):
    """Both, lists joined; in a new dict, or in the first."""
    made = merged(dict1, dict2)
    if not copy_dict1:
        dict1.clear()
        dict1.update(made)
        return dict1
    return made
