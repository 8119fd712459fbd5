"""Long latents in windows: each level is estimated window by window along one dimension, and the estimates blended.

A pack puts a handler into `model_options["context_handler"]`; `comfy.samplers.calc_cond_batch` asks it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import namedtuple

import comfy.model_management
import comfy.patcher_extension
import torch
from comfy._windows import FUSE_MAPPING, SCHEDULES, ContextFuseMethods, ContextSchedules, shuffled

ContextSchedule = namedtuple("ContextSchedule", ["name", "func"])  # func: (length, handler, options) -> lists of places
ContextFuseMethod = namedtuple("ContextFuseMethod", ["name", "func"])  # func: (length, ...) -> a weight for each place
ContextResults = namedtuple("ContextResults", ["window_idx", "sub_conds_out", "sub_conds", "window"])
CONTEXT_MAPPING = SCHEDULES


class ContextWindowABC(ABC):
    """A part of something long."""

    @abstractmethod
    def get_tensor(self, full): ...

    @abstractmethod
    def add_window(self, full, to_add): ...


class ContextHandlerABC(ABC):
    """Who decides how a level is estimated."""

    @abstractmethod
    def should_use_context(self, model, conds, x_in, timestep, model_options): ...

    @abstractmethod
    def get_resized_cond(self, cond_in, x_in, window, device=None): ...

    @abstractmethod
    def execute(self, calc_cond_batch, model, conds, x_in, timestep, model_options): ...


class IndexListContextWindow(ContextWindowABC):
    """index_list: which places along `dim`."""

    def __init__(self, index_list, dim=0, total_frames=0):
        self.index_list, self.dim, self.total_frames = index_list, dim, total_frames
        self.context_length = len(index_list)

    def _at(self, dim):
        return (*[slice(None)] * (self.dim if dim is None else dim), self.index_list)

    def get_tensor(self, full, device=None, dim=None, **_):
        where = self.dim if dim is None else dim
        if where == 0 and full.shape[0] == 1:
            return full
        found = full[self._at(dim)]
        return found if device is None else found.to(device)

    def add_window(self, full, to_add, dim=None):
        full[self._at(dim)] += to_add
        return full


class IndexListCallbacks:
    """Names of what a handler tells."""

    EVALUATE_CONTEXT_WINDOWS = "evaluate_context_windows"
    COMBINE_CONTEXT_WINDOW_RESULTS = "combine_context_window_results"
    EXECUTE_START = "execute_start"
    EXECUTE_CLEANUP = "execute_cleanup"

    def init_callbacks(self):
        return {}


class IndexListContextHandler(ContextHandlerABC):
    """Windows of a schedule, blended by a method."""

    def __init__(
        self, context_schedule, fuse_method, context_length=1, context_overlap=0, context_stride=1, closed_loop=False,
        dim=0, freenoise=False,
    ):  # fmt: skip
        self.context_schedule, self.fuse_method = context_schedule, fuse_method
        self.context_length, self.context_overlap = context_length, context_overlap
        self.context_stride, self.closed_loop = context_stride, closed_loop
        self.dim, self.freenoise = dim, freenoise
        self._step = 0
        self.callbacks = {}

    def _tell(self, name, *about):
        for callback in comfy.patcher_extension.get_all_callbacks(name, self.callbacks):
            callback(self, *about)

    def should_use_context(self, model, conds, x_in, timestep, model_options):
        return x_in.size(self.dim) > self.context_length

    def set_step(self, timestep, model_options):
        """The step whose level is nearest; samplers ask between the levels too."""
        levels = model_options["transformer_options"]["sample_sigmas"]
        self._step = int((levels - timestep.flatten()[0].to(levels)).abs().argmin())

    def get_context_windows(self, model, x_in, model_options):
        total = x_in.size(self.dim)
        lists = self.context_schedule.func(total, self, model_options)
        return [IndexListContextWindow(places, self.dim, total) for places in lists]

    def prepare_control_objects(self, control, device=None):
        return control

    def get_resized_cond(self, cond_in, x_in, window, device=None):
        """The dicts with every tensor that is as long as the latent cut to the window."""
        if cond_in is None:
            return None
        total = x_in.size(self.dim)

        def cut(value):
            if isinstance(value, torch.Tensor) and value.ndim > self.dim and value.size(self.dim) == total:
                return window.get_tensor(value, device)
            if isinstance(getattr(value, "cond", None), torch.Tensor):
                return value._copy_with(cut(value.cond))
            return {key: cut(one) for key, one in value.items()} if isinstance(value, dict) else value

        return [cut(entry) for entry in cond_in]

    def evaluate_context_windows(
        self, calc_cond_batch, model, x_in, conds, timestep, enumerated_context_windows, model_options, device=None,
        first_device=None,
    ):  # fmt: skip
        results = []
        for number, window in enumerated_context_windows:
            comfy.model_management.throw_exception_if_processing_interrupted()
            self._tell(
                IndexListCallbacks.EVALUATE_CONTEXT_WINDOWS, model, x_in, conds, timestep, model_options, number,
                window, model_options, device, first_device,
            )  # fmt: skip
            model_options["transformer_options"]["context_window"] = window
            each = timestep.shape[0] == x_in.shape[0] and self.dim == 0
            part = [self.get_resized_cond(cond, x_in, window, device) for cond in conds]
            found = calc_cond_batch(
                model, part, window.get_tensor(x_in, device), window.get_tensor(timestep, device) if each else timestep,
                model_options,
            )  # fmt: skip
            results.append(ContextResults(number, [one.to(x_in.device) for one in found], part, window))
        return results

    def combine_context_window_results(
        self, x_in, sub_conds_out, sub_conds, window, window_idx, total_windows, timestep, conds_final, counts_final,
        biases_final,
    ):  # fmt: skip
        """counts_final: the sum of weights so far at each place; relative: conds_final is a mean already."""
        total = x_in.shape[self.dim]
        shape = [-1 if at == self.dim else 1 for at in range(x_in.ndim)]
        if self.fuse_method.name == ContextFuseMethods.RELATIVE:
            first, last = window.index_list[0], window.index_list[-1]
            half = (last - first + 1e-2) / 2
            weights = [max(1e-2, 1 - abs(place - (first + last) / 2) / half) for place in window.index_list]
            for side, found in enumerate(sub_conds_out):
                before = torch.tensor([biases_final[side][place] for place in window.index_list])
                share = (torch.tensor(weights) / (before + torch.tensor(weights))).view(shape).to(found)
                kept = window.get_tensor(conds_final[side])
                window.add_window(conds_final[side], (found - kept) * share)
                for place, weight in zip(window.index_list, weights, strict=True):
                    biases_final[side][place] += weight
        else:
            weights = self.fuse_method.func(
                window.context_length, sigma=timestep, handler=self, full_length=total, idxs=window.index_list
            )
            weights = torch.as_tensor(weights, dtype=torch.float32, device=x_in.device).view(shape)
            for side, found in enumerate(sub_conds_out):
                window.add_window(conds_final[side], found * weights)
                window.add_window(counts_final[side], weights)
        self._tell(
            IndexListCallbacks.COMBINE_CONTEXT_WINDOW_RESULTS, x_in, sub_conds_out, sub_conds, window, window_idx,
            total_windows, timestep, conds_final, counts_final, biases_final,
        )  # fmt: skip

    def execute(self, calc_cond_batch, model, conds, x_in, timestep, model_options):
        self.set_step(timestep, model_options)
        windows = list(enumerate(self.get_context_windows(model, x_in, model_options)))
        relative = self.fuse_method.name == ContextFuseMethods.RELATIVE
        shape = [x_in.shape[self.dim] if at == self.dim else 1 for at in range(x_in.ndim)]
        made = [torch.zeros_like(x_in) for _ in conds]
        counts = [torch.full(shape, 1.0 if relative else 0.0, device=x_in.device) for _ in conds]
        biases = [[0.0] * x_in.shape[self.dim] for _ in conds]
        self._tell(IndexListCallbacks.EXECUTE_START, model, x_in, conds, timestep, model_options)
        try:
            for window in windows:
                for one in self.evaluate_context_windows(
                    calc_cond_batch, model, x_in, conds, timestep, [window], model_options
                ):
                    self.combine_context_window_results(
                        x_in, one.sub_conds_out, one.sub_conds, one.window, one.window_idx, len(windows), timestep,
                        made, counts, biases,
                    )  # fmt: skip
            return [total / count for total, count in zip(made, counts, strict=True)]
        finally:
            self._tell(IndexListCallbacks.EXECUTE_CLEANUP, model, x_in, conds, timestep, model_options)


def get_matching_context_schedule(context_schedule):
    if context_schedule not in CONTEXT_MAPPING:
        raise ValueError(f"no schedule of windows is called {context_schedule!r}")
    return ContextSchedule(context_schedule, CONTEXT_MAPPING[context_schedule])


def get_matching_fuse_method(fuse_method):
    if fuse_method not in FUSE_MAPPING:
        raise ValueError(f"no way to blend windows is called {fuse_method!r}")
    return ContextFuseMethod(fuse_method, FUSE_MAPPING[fuse_method])


def _for_one_window(executor, model, noise_shape, *args, **kwargs):
    """Memory is asked for one window."""
    handler = (kwargs.get("model_options") or {}).get("context_handler")
    if handler is not None:
        noise_shape = list(noise_shape)
        noise_shape[handler.dim] = min(noise_shape[handler.dim], handler.context_length)
    return executor(model, noise_shape, *args, **kwargs)


def create_prepare_sampling_wrapper(model):
    kinds = comfy.patcher_extension.WrappersMP
    model.add_wrapper_with_key(kinds.PREPARE_SAMPLING, "ContextWindows_prepare_sampling", _for_one_window)


def _with_shuffled_noise(executor, guider, sigmas, extra_args, callback, noise, *args, **kwargs):
    handler = extra_args["model_options"].get("context_handler")
    if handler is not None and handler.freenoise:
        noise = shuffled(noise, handler.dim, handler.context_length, handler.context_overlap, extra_args.get("seed"))
    return executor(guider, sigmas, extra_args, callback, noise, *args, **kwargs)


def create_sampler_sample_wrapper(model):
    kinds = comfy.patcher_extension.WrappersMP
    model.add_wrapper_with_key(kinds.SAMPLER_SAMPLE, "ContextWindows_sampler_sample", _with_shuffled_noise)


__all__ = [
    "CONTEXT_MAPPING", "FUSE_MAPPING", "ContextFuseMethod", "ContextFuseMethods", "ContextHandlerABC",
    "ContextResults", "ContextSchedule", "ContextSchedules", "ContextWindowABC", "IndexListCallbacks",
    "IndexListContextHandler", "IndexListContextWindow", "create_prepare_sampling_wrapper",
    "create_sampler_sample_wrapper", "get_matching_context_schedule", "get_matching_fuse_method",
]  # fmt: skip
