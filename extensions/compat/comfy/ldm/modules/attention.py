"""Attention and what stands around it in transformer blocks, under the ecosystem's names and signatures."""

from __future__ import annotations

import functools

import comfy.ops
import torch

from ......models.layers import blocks
from .....patchers.inside import OVERRIDDEN, attend

ops = comfy.ops.disable_weight_init


def exists(val):
    return val is not None


def default(val, d):
    return val if val is not None else d


def uniq(arr):
    return dict.fromkeys(arr, True).keys()


def zero_module(module):
    for parameter in module.parameters():
        parameter.detach().zero_()
    return module


def get_attn_precision(attn_precision, current_dtype):
    return attn_precision


def wrap_attn(func):
    """The function, unless the options of a call name another in its place. That one may call it in turn."""

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        override = (kwargs.get("transformer_options") or {}).get("optimized_attention_override")
        if OVERRIDDEN in kwargs or override is None:
            return func(*args, **kwargs)
        return override(func, *args, **{OVERRIDDEN: True, **kwargs})

    return wrapped


@wrap_attn
def attention_pytorch(
    q, k, v, heads, mask=None, attn_precision=None, skip_reshape=False, skip_output_reshape=False, **kwargs
):  # fmt: skip
    """q, k, v: b n heads·d, or b heads n d where `skip_reshape`."""
    return attend(q, k, v, heads, mask, skip_reshape, skip_output_reshape)


attention_basic = attention_split = attention_sub_quad = attention_pytorch
optimized_attention = optimized_attention_masked = attention_pytorch
REGISTERED_ATTENTION_FUNCTIONS = {
    "pytorch": attention_pytorch, "basic": attention_basic, "split": attention_split, "sub_quad": attention_sub_quad,
}  # fmt: skip


def register_attention_function(name, func):
    REGISTERED_ATTENTION_FUNCTIONS.setdefault(name, func)


def get_attention_function(name, default=...):
    if name == "optimized":
        return optimized_attention
    if name in REGISTERED_ATTENTION_FUNCTIONS:
        return REGISTERED_ATTENTION_FUNCTIONS[name]
    if default is ...:
        raise KeyError(f"no attention function is called {name}")
    return default


def optimized_attention_for_device(device, mask=False, small_input=False):
    return optimized_attention


def Normalize(in_channels, dtype=None, device=None):
    return torch.nn.GroupNorm(32, in_channels, eps=1e-6, affine=True, dtype=dtype, device=device)


class GEGLU(torch.nn.Module):
    """x times the activation of a gate."""

    def __init__(self, dim_in, dim_out, dtype=None, device=None, operations=ops):
        super().__init__()
        self.proj = operations.Linear(dim_in, dim_out * 2, dtype=dtype, device=device)

    forward = blocks.GEGLU.forward


class FeedForward(torch.nn.Module):
    """A gated or plain two-layer map."""

    def __init__(
        self, dim, dim_out=None, mult=4, glu=False, dropout=0.0, dtype=None, device=None, operations=ops
    ):  # fmt: skip
        super().__init__()
        inner, at = int(dim * mult), {"dtype": dtype, "device": device}
        first = (
            GEGLU(dim, inner, **at, operations=operations)
            if glu
            else torch.nn.Sequential(operations.Linear(dim, inner, **at), torch.nn.GELU())
        )
        last = operations.Linear(inner, default(dim_out, dim), **at)
        self.net = torch.nn.Sequential(first, torch.nn.Dropout(dropout), last)

    def forward(self, x):
        return self.net(x)


class CrossAttention(torch.nn.Module):
    """Attention of x over a context, or over itself."""

    def __init__(
        self, query_dim, context_dim=None, heads=8, dim_head=64, dropout=0.0, attn_precision=None, dtype=None,
        device=None, operations=ops,
    ):  # fmt: skip
        super().__init__()
        inner, at = dim_head * heads, {"dtype": dtype, "device": device}
        wide = default(context_dim, query_dim)
        self.attn_precision, self.heads, self.dim_head = attn_precision, heads, dim_head
        self.to_q = operations.Linear(query_dim, inner, bias=False, **at)
        self.to_k = operations.Linear(wide, inner, bias=False, **at)
        self.to_v = operations.Linear(wide, inner, bias=False, **at)
        self.to_out = torch.nn.Sequential(operations.Linear(inner, query_dim, **at), torch.nn.Dropout(dropout))

    def forward(self, x, context=None, value=None, mask=None, transformer_options=None):
        context = default(context, x)
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(default(value, context))
        options = {"transformer_options": transformer_options or {}}
        function = optimized_attention if mask is None else optimized_attention_masked
        return self.to_out(function(q, k, v, self.heads, mask, attn_precision=self.attn_precision, **options))


BasicTransformerBlock = blocks.TransformerBlock
SpatialTransformer = blocks.SpatialTransformer
