"""Layers that draw no first values, and the same that convert their weights to the input's number format as they run.

A weight may have functions that change it on the way (`weight_function`, `bias_function`): one, or a list.
"""

from __future__ import annotations

import comfy.model_management
import torch
import torch.nn.functional as F

from ....errors import Unsupported


def cast_to(weight, dtype=None, device=None, non_blocking=False, copy=False, stream=None):
    return comfy.model_management.cast_to(weight, dtype, device, non_blocking=non_blocking, copy=copy)


def cast_to_input(weight, input, non_blocking=False, copy=True):
    return cast_to(weight, input.dtype, input.device, non_blocking=non_blocking, copy=copy)


def _changed(value, functions):
    for function in functions if isinstance(functions, list | tuple) else [functions] if functions else []:
        value = function(value)
    return value


def cast_bias_weight(s, input=None, dtype=None, device=None, bias_dtype=None, offloadable=False):
    """Weight and bias of a layer in the input's format, changed by its functions. offloadable: a third value, to hand
    to `uncast_bias_weight`."""
    if input is not None:
        dtype, device = dtype or input.dtype, device or input.device
    weight = _changed(cast_to(s.weight, dtype, device), getattr(s, "weight_function", None))
    bias = getattr(s, "bias", None)
    if bias is not None:
        bias = _changed(cast_to(bias, bias_dtype or dtype, device), getattr(s, "bias_function", None))
    return (weight, bias, None) if offloadable else (weight, bias)


def uncast_bias_weight(s, weight, bias, offload_stream):
    return None


class CastWeightBiasOp:
    """comfy_cast_weights: whether weights are converted as the layer runs."""

    comfy_cast_weights = False
    weight_function = ()
    bias_function = ()

    def forward(self, *args, **kwargs):
        if self.comfy_cast_weights or len(self.weight_function) > 0 or len(self.bias_function) > 0:
            return self.forward_comfy_cast_weights(*args, **kwargs)
        return super().forward(*args, **kwargs)


class _Bare(CastWeightBiasOp):
    """A layer whose parameters are left as memory gave them."""

    def reset_parameters(self):
        return None


class _Conv(_Bare):
    def forward_comfy_cast_weights(self, input):
        weight, bias = cast_bias_weight(self, input)
        return self._conv_forward(input, weight, bias)


class disable_weight_init:
    """Layers without first values."""

    class Linear(_Bare, torch.nn.Linear):
        def forward_comfy_cast_weights(self, input):
            weight, bias = cast_bias_weight(self, input)
            return F.linear(input, weight, bias)

    class Conv1d(_Conv, torch.nn.Conv1d):
        pass

    class Conv2d(_Conv, torch.nn.Conv2d):
        pass

    class Conv3d(_Conv, torch.nn.Conv3d):
        pass

    class GroupNorm(_Bare, torch.nn.GroupNorm):
        def forward_comfy_cast_weights(self, input):
            weight, bias = cast_bias_weight(self, input)
            return F.group_norm(input, self.num_groups, weight, bias, self.eps)

    class LayerNorm(_Bare, torch.nn.LayerNorm):
        def forward_comfy_cast_weights(self, input):
            weight, bias = cast_bias_weight(self, input) if self.weight is not None else (None, None)
            return F.layer_norm(input, self.normalized_shape, weight, bias, self.eps)

    class RMSNorm(_Bare, torch.nn.RMSNorm):
        def forward_comfy_cast_weights(self, input):
            weight = None if self.weight is None else cast_bias_weight(self, input)[0]
            return F.rms_norm(input, self.normalized_shape, weight, self.eps)

    class ConvTranspose1d(_Bare, torch.nn.ConvTranspose1d):
        def forward_comfy_cast_weights(self, input, output_size=None):
            pad = self._output_padding(
                input, output_size, self.stride, self.padding, self.kernel_size, 1, self.dilation
            )  # fmt: skip
            weight, bias = cast_bias_weight(self, input)
            return F.conv_transpose1d(input, weight, bias, self.stride, self.padding, pad, self.groups, self.dilation)

    class ConvTranspose2d(_Bare, torch.nn.ConvTranspose2d):
        def forward_comfy_cast_weights(self, input, output_size=None):
            pad = self._output_padding(
                input, output_size, self.stride, self.padding, self.kernel_size, 2, self.dilation
            )  # fmt: skip
            weight, bias = cast_bias_weight(self, input)
            return F.conv_transpose2d(input, weight, bias, self.stride, self.padding, pad, self.groups, self.dilation)

    class Embedding(_Bare, torch.nn.Embedding):
        def reset_parameters(self):
            self.bias = None

        def forward(self, *args, out_dtype=None, **kwargs):
            found = self.forward_comfy_cast_weights(*args, **kwargs)
            return found if out_dtype is None else found.to(out_dtype)

        def forward_comfy_cast_weights(self, input, out_dtype=None):
            weight = _changed(cast_to(self.weight, out_dtype, input.device), self.weight_function)
            return F.embedding(
                input, weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
            )

    @classmethod
    def conv_nd(cls, dims, *args, **kwargs):
        if dims not in (2, 3):
            raise ValueError(f"unsupported dimensions: {dims}")
        return (cls.Conv2d if dims == 2 else cls.Conv3d)(*args, **kwargs)


class manual_cast(disable_weight_init):
    """The same, converting their weights as they run."""

    class Linear(disable_weight_init.Linear):
        comfy_cast_weights = True

    class Conv1d(disable_weight_init.Conv1d):
        comfy_cast_weights = True

    class Conv2d(disable_weight_init.Conv2d):
        comfy_cast_weights = True

    class Conv3d(disable_weight_init.Conv3d):
        comfy_cast_weights = True

    class GroupNorm(disable_weight_init.GroupNorm):
        comfy_cast_weights = True

    class LayerNorm(disable_weight_init.LayerNorm):
        comfy_cast_weights = True

    class RMSNorm(disable_weight_init.RMSNorm):
        comfy_cast_weights = True

    class ConvTranspose1d(disable_weight_init.ConvTranspose1d):
        comfy_cast_weights = True

    class ConvTranspose2d(disable_weight_init.ConvTranspose2d):
        comfy_cast_weights = True

    class Embedding(disable_weight_init.Embedding):
        comfy_cast_weights = True


def pick_operations(
    weight_dtype, compute_dtype, load_device=None, disable_fast_fp8=False, fp8_optimizations=False, scaled_fp8=None,
    model_config=None,
):  # fmt: skip
    """The layers for weights of one format in a computation of another."""
    if scaled_fp8 is not None:
        raise Unsupported("weights in scaled fp8", got=scaled_fp8)
    return disable_weight_init if compute_dtype is None or weight_dtype == compute_dtype else manual_cast
