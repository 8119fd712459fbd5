"""Devices and number formats: what does not depend on the engine."""

from __future__ import annotations

import platform
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn


class VRAMState(Enum):
    """How a device's memory is used."""

    DISABLED = 0
    NO_VRAM = 1
    LOW_VRAM = 2
    NORMAL_VRAM = 3
    HIGH_VRAM = 4
    SHARED = 5


class CPUState(Enum):
    """The sort of device networks run on."""

    GPU = 0
    CPU = 1
    MPS = 2


def is_device_type(device: Any, type: str) -> bool:
    return getattr(device, "type", None) == type


def is_device_cpu(device: Any) -> bool:
    return is_device_type(device, "cpu")


def is_device_mps(device: Any) -> bool:
    return is_device_type(device, "mps")


def is_device_xpu(device: Any) -> bool:
    return is_device_type(device, "xpu")


def is_device_cuda(device: Any) -> bool:
    return is_device_type(device, "cuda")


def get_autocast_device(dev: Any) -> str:
    return str(getattr(dev, "type", "cuda"))


def get_torch_device_name(device: Any) -> str:
    if is_device_cuda(device):
        return f"{device} {torch.cuda.get_device_name(device)} : {torch.cuda.get_allocator_backend()}"
    return str(getattr(device, "type", device))


def mac_version() -> tuple[int, ...] | None:
    found = platform.mac_ver()[0]
    return tuple(int(part) for part in found.split(".")) if found else None


def get_supported_float8_types() -> list[torch.dtype]:
    names = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu")
    return [getattr(torch, name) for name in names if hasattr(torch, name)]


def dtype_size(dtype: torch.dtype | None) -> int:
    """Bytes of one number."""
    return 4 if dtype is None else dtype.itemsize


def module_size(module: nn.Module) -> int:
    """Bytes of a network's weights."""
    return sum(value.nelement() * value.element_size() for value in module.state_dict().values())


def supports_dtype(device: Any, dtype: torch.dtype) -> bool:
    """Whether networks can run in that format there."""
    return dtype is torch.float32 or (not is_device_cpu(device) and dtype in (torch.float16, torch.bfloat16))


def supports_cast(device: Any, dtype: torch.dtype) -> bool:
    """Whether weights can be kept in that format there."""
    known = (torch.float32, torch.float16, torch.bfloat16, *get_supported_float8_types())
    return dtype in known and not is_device_mps(device)


def pick_weight_dtype(
    dtype: torch.dtype | None, fallback_dtype: torch.dtype | None, device: Any = None
) -> torch.dtype | None:
    """The format to keep weights in: `dtype`, unless the device cannot."""
    wanted = fallback_dtype if dtype is None else dtype
    return wanted if wanted is None or supports_cast(device, wanted) else fallback_dtype


def cast_to(
    weight: Tensor,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
    non_blocking: bool = False,
    copy: bool = False,
    stream: Any = None,
) -> Tensor:
    """The tensor there and in that format; itself where nothing changes, unless `copy`."""
    return weight.to(device=device or weight.device, dtype=dtype or weight.dtype, non_blocking=non_blocking, copy=copy)


def cast_to_device(tensor: Tensor, device: torch.device, dtype: torch.dtype, copy: bool = False) -> Tensor:
    return cast_to(tensor, dtype=dtype, device=device, copy=copy)


