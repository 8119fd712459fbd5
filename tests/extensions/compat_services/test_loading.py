"""Networks of a pack's own on the device and off it."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch

from carrara.extensions.host import Host

CPU = torch.device("cpu")


@pytest.fixture
def mm(host: Host) -> ModuleType:
    return host.modules.load("comfy.model_management")


def test_foreign_networks_come_and_go(host: Host, mm: ModuleType) -> None:
    """A network of a pack's own, patched: loaded once, its clone in its place, unloaded as it was."""
    patcher = host.modules.load("comfy.model_patcher").ModelPatcher
    net = torch.nn.Linear(2, 2, bias=False)
    before = net.weight.detach().clone()
    plain = patcher(net, load_device=CPU, offload_device=CPU)
    changed = plain.clone()
    changed.add_patches({"weight": ("diff", (torch.ones(2, 2),))}, 0.5)
    mm.load_models_gpu([plain, plain])
    assert mm.loaded_models() == [plain] and torch.equal(net.weight, before)
    mm.load_model_gpu(changed)
    assert mm.loaded_models() == [changed] and torch.allclose(net.weight, before + 0.5)
    assert mm.current_loaded_models[0].model_memory() == 16
    mm.unload_all_models()
    assert not mm.current_loaded_models and torch.equal(net.weight, before)


def test_room_is_made(host: Host, mm: ModuleType) -> None:
    patcher = host.modules.load("comfy.model_patcher").ModelPatcher
    models = [patcher(torch.nn.Linear(2, 2), CPU, CPU) for _ in range(3)]
    mm.load_models_gpu(models)
    assert mm.free_memory(1, CPU) == []
    kept = mm.current_loaded_models[0]
    gone = mm.free_memory(1e30, CPU, keep_loaded=[kept])
    assert len(gone) == 2 and mm.current_loaded_models == [kept]
    del kept, models
    mm.cleanup_models_gc()
    assert mm.loaded_models() == []
