"""Small helpers."""

from __future__ import annotations

import importlib
from inspect import isfunction

import torch


def exists(x):
    return x is not None


def default(val, d):
    return val if val is not None else (d() if isfunction(d) else d)


def ismap(x):
    return isinstance(x, torch.Tensor) and x.ndim == 4 and x.shape[1] > 3


def isimage(x):
    return isinstance(x, torch.Tensor) and x.ndim == 4 and x.shape[1] in (1, 3)


def mean_flat(tensor):
    return tensor.mean(dim=list(range(1, tensor.ndim)))


def count_params(model, verbose=False):
    return sum(p.numel() for p in model.parameters())


def append_dims(x, target_dims):
    return x[(...,) + (None,) * (target_dims - x.ndim)]


def append_zero(x):
    return torch.cat([x, x.new_zeros([1])])


def get_obj_from_str(string, reload=False):
    module, name = string.rsplit(".", 1)
    return getattr(importlib.import_module(module), name)


def instantiate_from_config(config):
    """Of {"target": dotted name, "params": {...}}."""
    return get_obj_from_str(config["target"])(**config.get("params", {}))
