"""Convolutions whose weights are laid out once as the processor's library wants them.

Called the ordinary way, oneDNN rearranges the weights of a convolution on every call, which at low resolutions takes
longer than the convolution: 1280 -> 1280 channels at 8 x 8 falls from 49 to 30 ms in float32 and from 18 to 9 ms in
bfloat16 (one core). The layout depends on neither batch nor size, and results are bit-equal across both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .placement import Conv2d


class PackedConv2d(nn.Module):
    """A convolution for inference on a processor. `weight` is opaque: it has a dtype, but cannot be read or saved."""

    weight: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.padding = [int(p) for p in conv.padding]
        self.stride, self.dilation = list(conv.stride), list(conv.dilation)
        # A plain attribute: an opaque tensor is neither a parameter nor part of the state.
        object.__setattr__(
            self,
            "weight",
            torch.ops.mkldnn._reorder_convolution_weight(
                conv.weight.detach(), self.padding, self.stride, self.dilation, 1, None
            ),
        )
        self.bias = None if conv.bias is None else conv.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """x: b c h w. Returns channels-last."""
        return torch.ops.mkldnn._convolution_pointwise(  # type: ignore[no-any-return]
            x, self.weight, self.bias, self.padding, self.stride, self.dilation, 1, "none", [], ""
        )


def packable(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether this build and processor can."""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if not hasattr(torch.ops.mkldnn, "_reorder_convolution_weight"):
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()))


def pack_convolutions(net: nn.Module) -> None:
    """Replaces the network's convolutions, one at a time, so that weights are never in memory twice as a whole."""
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is Conv2d:
                setattr(parent, name, PackedConv2d(child))
