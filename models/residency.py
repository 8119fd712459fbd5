"""Which networks are in memory, on which device. One object per engine; no global state.

Importable without torch. Networks are kept by content: the same file with the same patches, number format and device
is made once. The least recently used go first when the budget is full; one that is in use never goes.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .blueprint import Blueprint
from .compute import Compute

if TYPE_CHECKING:
    import torch
    from torch import nn

R = TypeVar("R")


@dataclass
class Resident:
    """A network in memory. users: how many `use` contexts hold it now."""

    net: nn.Module
    size: int
    users: int = 0


class Residency:
    """The networks of one engine. before: told how many bytes are about to be taken."""

    def __init__(self, compute: Compute) -> None:
        self.compute = compute
        self.before: list[Callable[[int], None]] = []
        self._lock = threading.RLock()
        self._held: OrderedDict[tuple[Any, ...], Resident] = OrderedDict()

    @property
    def device(self) -> torch.device:
        import torch

        return torch.device(self.compute.device)

    def format(self, blueprint: Blueprint) -> torch.dtype:
        """The number format the network of a blueprint runs in here."""
        import torch

        chosen = blueprint.runs_in or self.compute.format_for(blueprint.role, blueprint.weights.stored)
        return getattr(torch, chosen)  # type: ignore[no-any-return]

    @contextmanager
    def use(self, blueprint: Blueprint, *, pack: bool = True) -> Iterator[nn.Module]:
        """The network, made now if need be, and kept at least until the context is left.

        pack: as in `materialise`; without, every weight can be read and changed.
        """
        if blueprint.lent is not None:
            yield blueprint.lent
            return
        resident = self._obtain(blueprint, pack)
        try:
            yield resident.net
        finally:
            with self._lock:
                resident.users -= 1

    def call(self, net: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        """The one seam through which networks are run: no gradients, allocation failures as OutOfMemory."""
        import torch

        from .materialise import memory_guard

        with memory_guard(f"a call of {type(net).__name__}", self.device), torch.no_grad():
            return net(*args, **kwargs)

    @property
    def held_bytes(self) -> int:
        with self._lock:
            return sum(r.size for r in self._held.values())

    def release(self, keep: int = 0) -> int:
        """Drops the networks nobody uses, least recently used first, until at most `keep` bytes are held.

        Returns the bytes dropped.
        """
        with self._lock:
            before = self.held_bytes
            for key in [k for k, r in self._held.items() if not r.users]:
                if self.held_bytes <= keep:
                    break
                del self._held[key]
            return before - self.held_bytes

    def _obtain(self, blueprint: Blueprint, pack: bool) -> Resident:
        from .materialise import materialise, weight_bytes

        dtype = self.format(blueprint)
        key = (blueprint.content, str(dtype), str(self.device), pack)
        with self._lock:
            resident = self._held.get(key)
            if resident is None:
                size = weight_bytes(blueprint, dtype)
                self.release(keep=max(0, self._budget() - size))
                for make_room in self.before:
                    make_room(size)
                resident = self._held[key] = Resident(materialise(blueprint, self.device, dtype, pack=pack), size)
            self._held.move_to_end(key)
            resident.users += 1
            return resident

    def _budget(self) -> int:
        if self.compute.weight_budget is not None:
            return self.compute.weight_budget
        return int(0.8 * total_memory(self.device)) if self.device.type == "cuda" else total_memory(self.device) // 2


def total_memory(device: torch.device) -> int:
    """Bytes of a device's memory; of the processor's, what this process's container may use."""
    if device.type == "cuda":
        import torch

        return int(torch.cuda.get_device_properties(device).total_memory)
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 8 << 30
    limit = _read("/sys/fs/cgroup/memory.max").strip()
    return min(total, int(limit)) if limit.isdigit() else total


def free_memory(device: torch.device) -> int:
    """Bytes of a device's memory that could be had now; of the processor's, 0 where the system does not say."""
    if device.type == "cuda":
        import torch

        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + held
    lines = _read("/proc/meminfo").splitlines()
    there = next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), 0)
    used = _read("/sys/fs/cgroup/memory.current").strip()
    return min(there, max(0, total_memory(device) - int(used))) if used else there


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
