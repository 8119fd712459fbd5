"""What the machine has: memory and devices. Never imports torch by itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any


def memory() -> tuple[int, int]:
    """Bytes of memory in all, and free; zeros where the system does not say."""
    if sys.platform == "linux":
        lines = Path("/proc/meminfo").read_text().splitlines()
        sizes = {name: int(rest.split()[0]) << 10 for name, _, rest in (line.partition(":") for line in lines)}
        return sizes.get("MemTotal", 0), sizes.get("MemAvailable", 0)
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0, 0
    return total, total


def devices(device: str, total: int, free: int) -> list[dict[str, Any]]:
    """The device that networks run on. Memory of a GPU is known once torch has been loaded by a job."""
    kind, _, index = device.partition(":")
    if kind == "cpu":
        return [_described("cpu", "cpu", None, total, free, total, free)]
    torch = sys.modules.get("torch")
    number = int(index or 0)
    if torch is None or not torch.cuda.is_available():
        return [_described(device, kind, number, 0, 0, 0, 0)]
    left, whole = torch.cuda.mem_get_info(number)
    held = torch.cuda.memory_reserved(number)
    inside = held - torch.cuda.memory_allocated(number)
    return [_described(f"{device} {torch.cuda.get_device_name(number)}", kind, number, whole, left, held, inside)]


def _described(
    name: str, kind: str, index: int | None, total: int, free: int, torch_total: int, torch_free: int
) -> dict[str, Any]:
    return {
        "name": name,
        "type": kind,
        "index": index,
        "vram_total": total,
        "vram_free": free,
        "torch_vram_total": torch_total,
        "torch_vram_free": torch_free,
    }
