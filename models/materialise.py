"""Turning a blueprint into a network: check the fit, read, merge patches, convert, place.

Arithmetic of patches is float32 (float64 for float64 networks) and happens before the conversion, so that a float32
network patched from a float16 file is never rounded to float16.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import BadWeights, OutOfMemory
from .blueprint import Blueprint
from .header import DAMAGED
from .weights import opening

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

CONVOLUTIONAL = ("unet", "vae", "control", "upscale")


@dataclass(frozen=True)
class Misfit:
    """How weights differ from what the network needs. shapes: key -> (in the file, needed)."""

    missing: tuple[str, ...]
    extra: tuple[str, ...]
    shapes: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]


def misfit(blueprint: Blueprint) -> Misfit:
    """Compares names and shapes; reads no weights. Raises BadWeights for shapes that make no network."""
    return _compare(blueprint, empty(blueprint))


def empty(blueprint: Blueprint) -> nn.Module:
    """The network without memory behind it: names and shapes. Raises BadWeights for shapes that make no network."""
    import torch

    return _empty(blueprint, torch.float32)


def _empty(blueprint: Blueprint, dtype: torch.dtype) -> nn.Module:
    """The network without memory behind it."""
    import torch

    try:
        net: nn.Module = blueprint.make(blueprint.config, device=torch.device("meta"), dtype=dtype)
    except (ValueError, RuntimeError, ArithmeticError) as e:
        raise BadWeights(
            f"no {blueprint.role} network can be made of the shapes in the file",
            got=f"{blueprint.config}: {e}",
            remedy=DAMAGED,
        ) from e
    return net


def _compare(blueprint: Blueprint, net: nn.Module) -> Misfit:
    needed = {k: tuple(v.shape) for k, v in net.state_dict().items()}
    have = blueprint.weights
    wrong = {k: (have.shape(k), s) for k, s in needed.items() if k in have and not same_tensor(have.shape(k), s)}
    return Misfit(tuple(k for k in needed if k not in have), tuple(k for k in have if k not in needed), wrong)


def same_tensor(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Equal but for sizes of 1: a 1x1 convolution and a linear map are the same weights."""
    return [n for n in a if n != 1] == [n for n in b if n != 1]


def materialise(blueprint: Blueprint, device: torch.device, dtype: torch.dtype, *, pack: bool = True) -> nn.Module:
    """The network, ready to run, without gradients. Raises BadWeights or OutOfMemory.

    pack: on a processor, lay convolutions out for it; their weights cannot be read back then.
    """

    from .layers.packed import pack_convolutions, packable

    net = _empty(blueprint, dtype)
    found = _compare(blueprint, net)
    if found.missing or found.shapes:
        raise BadWeights(
            f"the weights do not fit the {blueprint.role} network",
            got=f"{len(found.missing)} tensors missing {list(found.missing[:3])}, "
            f"{len(found.shapes)} of another shape {list(found.shapes.items())[:3]}",
            remedy="The file is incomplete, or its layout is one Carrara does not know.",
        )
    with memory_guard(f"the {blueprint.role} network", device, need=weight_bytes(blueprint, dtype)):
        net.load_state_dict(dict(_tensors(blueprint, net, device, dtype)), strict=True, assign=True)
        if pack and blueprint.role in CONVOLUTIONAL and packable(device, dtype):
            pack_convolutions(net)
    return net.eval().requires_grad_(False)


def repatched(net: nn.Module, blueprint: Blueprint) -> nn.Module:
    """A copy of a network that somebody else has changed, with the blueprint's patches on its weights."""
    made = copy.deepcopy(net)
    weights = dict(made.named_parameters())
    with memory_guard(f"a copy of the {blueprint.role} network", next(iter(weights.values())).device):
        for patch in blueprint.patches:
            with patch.file.open() as reader:
                for key in patch.deltas.keys() & weights.keys():
                    tensor = weights[key].data
                    tensor.copy_(patch.applied(key, tensor.to(_wide(tensor.dtype)), reader))
    return made


def weight_bytes(blueprint: Blueprint, dtype: torch.dtype) -> int:
    """Bytes the network's weights take; activations come on top."""
    import math

    return sum(math.prod(p.shape) for p in blueprint.weights.values()) * dtype.itemsize


def _wide(dtype: torch.dtype) -> torch.dtype:
    """The type in which changes are added."""
    import torch

    return torch.float64 if dtype == torch.float64 else torch.float32


def _tensors(
    blueprint: Blueprint, net: nn.Module, device: torch.device, dtype: torch.dtype
) -> Iterator[tuple[str, Tensor]]:
    import torch

    wide = _wide(dtype)
    with opening() as reader:
        for key, like in net.state_dict().items():
            piece = blueprint.weights[key]
            tensor = reader(piece.file)(piece.key).view(like.shape)
            if like.is_floating_point() and not tensor.is_floating_point():
                raise BadWeights(
                    f"the {blueprint.role} network needs fractions in {piece.key!r}",
                    got=piece.dtype, expected="floating point numbers", remedy=DAMAGED,
                )  # fmt: skip
            for patch in blueprint.patches:
                if key in patch.deltas:
                    tensor = patch.applied(key, tensor.to(wide), reader(patch.file))
            tensor = tensor.to(device=device, dtype=dtype)
            if tensor.ndim == 4 and blueprint.role in CONVOLUTIONAL:
                tensor = tensor.contiguous(memory_format=torch.channels_last)
            yield key, tensor


@contextmanager
def memory_guard(what: str, device: torch.device, need: int | None = None) -> Iterator[None]:
    """Turns an allocator's failure into OutOfMemory that names what was wanted, how much, and where."""
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as e:
        if (
            isinstance(e, RuntimeError)
            and not isinstance(e, torch.OutOfMemoryError)
            and "allocate memory" not in str(e)
        ):
            raise
        raise OutOfMemory(
            f"{what} did not fit on {device}",
            got=str(e).splitlines()[0][:200],
            expected=None if need is None else f"{need / 2**20:.0f} MiB for weights",
            remedy="Use a smaller size or batch, a tiled VAE, --dtype bf16, or another device.",
        ) from e
