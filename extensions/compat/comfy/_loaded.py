"""Which networks foreign code has put on the device, and room for more. Ours are in the engine's Residency."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ....models.compute import Compute
from ....models.residency import Residency, total_memory
from ....models.residency import free_memory as free_bytes

if TYPE_CHECKING:
    from ...host import Host

HOST: Host

_residency: Residency = HOST.services.get(Residency) or Residency(HOST.services.get(Compute) or Compute())
_RESERVE = 1 << 30
"""Bytes that calls of networks need beside their weights."""

current_loaded_models: list[LoadedModel] = []
"""Newest first."""


class LoadedModel:
    """A model patcher whose network is on its device. Does not keep the patcher alive."""

    def __init__(self, model: Any) -> None:
        self._model = weakref.ref(model)
        self.device = model.load_device
        self.real_model: Any = None
        self.currently_used = True

    @property
    def model(self) -> Any:
        return self._model()

    def model_memory(self) -> int:
        return int(self.model.model_size())

    def model_loaded_memory(self) -> int:
        return int(self.model.loaded_size())

    def model_offloaded_memory(self) -> int:
        return self.model_memory() - self.model_loaded_memory()

    def model_memory_required(self, device: torch.device) -> int:
        there = device == self.model.current_loaded_device()
        return self.model_offloaded_memory() if there else self.model_memory()

    def model_load(self, lowvram_model_memory: int = 0, force_patch_weights: bool = False) -> Any:
        """Patched weights to the device."""
        self.model.model_patches_to(self.device)
        self.model.model_patches_to(self.model.model_dtype())
        self.model.patch_model(device_to=self.device, force_patch_weights=force_patch_weights)
        self.real_model = weakref.ref(self.model.model)
        return self.model.model

    def should_reload_model(self, force_patch_weights: bool = False) -> bool:
        return force_patch_weights

    def model_unload(self, memory_to_free: int | None = None, unpatch_weights: bool = True) -> bool:
        """Weights as they were, where they wait."""
        self.model.detach(unpatch_weights)
        self.real_model = None
        return True

    def model_use_more_vram(self, use_more_memory: int, force_patch_weights: bool = False) -> int:
        """Networks are loaded whole here."""
        return 0

    def is_dead(self) -> bool:
        return self.real_model is not None and self.model is None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LoadedModel) and self.model is other.model

    __hash__ = object.__hash__


def _place(device: Any = None) -> torch.device:
    """The engine's device, or the one given; a GPU always with its number, so that places can be compared."""
    found = _residency.device if device is None else torch.device(device)
    return torch.device("cuda", torch.cuda.current_device()) if found == torch.device("cuda") else found


def get_total_memory(dev: torch.device | None = None, torch_total_too: bool = False) -> Any:
    """Bytes; with torch_total_too also those that PyTorch holds."""
    device = _place(dev)
    total = total_memory(device)
    held = torch.cuda.memory_reserved(device) if device.type == "cuda" else total
    return (total, held) if torch_total_too else total


def get_free_memory(dev: torch.device | None = None, torch_free_too: bool = False) -> Any:
    """Bytes; with torch_free_too also those free inside of what PyTorch holds."""
    device = _place(dev)
    free = inside = free_bytes(device)
    if device.type == "cuda":
        inside = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return (free, inside) if torch_free_too else free


def minimum_inference_memory() -> int:
    return _RESERVE


def extra_reserved_memory() -> int:
    return 0


def maximum_vram_for_weights(device: torch.device | None = None) -> int:
    return int(total_memory(_place(device)) * 0.88) - _RESERVE


def free_memory(
    memory_required: float, device: torch.device, keep_loaded: Sequence[LoadedModel] = (), **_: Any
) -> list[LoadedModel]:
    """Unload, oldest first, until so many bytes are free; gives what was unloaded. Networks in use stay."""
    cleanup_models()
    place = _place(device)
    short = int(min(memory_required, 1 << 60)) - free_bytes(place)
    if short > 0 and place.type == _residency.device.type:
        short -= _residency.release(keep=max(0, _residency.held_bytes - short))
    gone: list[LoadedModel] = []
    for held in reversed(current_loaded_models[:]):
        if short <= 0:
            break
        if _place(held.device) == place and not any(held is kept for kept in keep_loaded):
            short -= held.model_loaded_memory()
            held.model_unload()
            gone.append(held)
            current_loaded_models.remove(held)
    if gone and place.type == "cuda":
        torch.cuda.empty_cache()
    return gone


def load_models_gpu(
    models: Iterable[Any],
    memory_required: float = 0,
    force_patch_weights: bool = False,
    minimum_memory_required: float | None = None,
    force_full_load: bool = False,
) -> None:
    """Each patcher's network, patched, to its device; what is in the way goes."""
    cleanup_models()
    wanted = list({id(model): model for model in models}.values())
    for model in wanted:
        held = next((held for held in current_loaded_models if held.model is model), None)
        if held is None:
            for other in [held for held in current_loaded_models if model.is_clone(held.model)]:
                other.model_unload()
                current_loaded_models.remove(other)
            held = LoadedModel(model)
            keep = [loaded for loaded in current_loaded_models if any(loaded.model is m for m in wanted)]
            need = held.model_memory_required(held.device) + max(memory_required, _RESERVE)
            if held.device.type != "cpu":
                free_memory(need, held.device, keep)
            held.model_load(force_patch_weights=force_patch_weights)
        else:
            current_loaded_models.remove(held)
        held.currently_used = True
        current_loaded_models.insert(0, held)


def load_model_gpu(model: Any) -> None:
    load_models_gpu([model])


def loaded_models(only_currently_used: bool = False) -> list[Any]:
    """The patchers."""
    return [held.model for held in current_loaded_models if held.currently_used or not only_currently_used]


def use_more_memory(extra_memory: float, loaded_models: Iterable[LoadedModel], device: torch.device) -> None:
    """Networks are loaded whole here, so there is nothing more to load."""
    return None


def offloaded_memory(loaded_models: Iterable[LoadedModel], device: torch.device) -> int:
    return sum(held.model_offloaded_memory() for held in loaded_models if _place(held.device) == _place(device))


def cleanup_models() -> None:
    """Forget those that nobody has any more."""
    current_loaded_models[:] = [held for held in current_loaded_models if held.model is not None]


cleanup_models_gc = cleanup_models


def unload_all_models() -> None:
    """Give back all that nobody uses now: foreign networks, and the engine's own."""
    for held in current_loaded_models:
        if held.model is not None:
            held.model_unload()
    current_loaded_models.clear()
    _residency.release()
