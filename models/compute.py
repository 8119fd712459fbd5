"""Where networks run and in which number format. Torch-free: names only, resolved when a network is materialised."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ..errors import InputError

FORMATS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "fp64": "float64"}


@dataclass(frozen=True)
class Compute:
    """device: cpu, cuda or cuda:n. dtype: auto, fp32, bf16, fp16 or fp64. weight_budget: bytes of networks kept.

    `auto` is float32 on a processor. On a GPU the U-Net and ControlNet run in float16 when their file holds float16,
    else bfloat16; the autoencoder in bfloat16; text always in float32, because prompts are encoded once and
    weighting amplifies rounding; so are networks that read or enlarge pictures, which run once.
    """

    device: str = "cpu"
    dtype: str = "auto"
    weight_budget: int | None = None

    @classmethod
    def resolve(cls, device: str, dtype: str = "auto") -> Self:
        """`auto` becomes the first GPU, or the processor. torch is asked only where a GPU driver is present."""
        if device == "auto":
            device = "cuda" if _driver() and _cuda() else "cpu"
        kind, _, index = device.partition(":")
        if kind not in ("cpu", "cuda") or (index and not index.isdigit()) or (kind == "cpu" and index):
            raise InputError("unknown device", got=device, expected="auto, cpu, cuda or cuda:N")
        if dtype != "auto" and dtype not in FORMATS:
            raise InputError("unknown number format", got=dtype, expected=", ".join(["auto", *FORMATS]))
        return cls(device, dtype)

    def format_for(self, role: str, stored: str = "F32") -> str:
        """The torch name of the number format for a role: unet, control, vae, text, vision or upscale.

        stored: the file's dtype.
        """
        if self.dtype != "auto":
            return FORMATS[self.dtype]
        if self.device == "cpu" or role in ("text", "vision", "upscale"):
            return "float32"
        return "float16" if stored == "F16" and role != "vae" else "bfloat16"


def _driver() -> bool:
    """Whether an NVIDIA driver can be there. Costs nothing, unlike asking torch."""
    return os.name == "nt" or Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidiactl").exists()


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()
