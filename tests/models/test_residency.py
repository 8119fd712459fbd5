"""Networks in memory: made once, kept within a budget, given up when nobody uses them."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from carrara.errors import BadWeights, OutOfMemory
from carrara.models.blueprint import Blueprint
from carrara.models.compute import Compute
from carrara.models.load import open_weights
from carrara.models.materialise import memory_guard
from carrara.models.residency import Residency
from carrara.models.shapes import clip_config
from carrara.models.text.clip import CLIPText, CLIPTextConfig

CONFIG = CLIPTextConfig(vocab=40, width=64, layers=1, heads=1, mlp=64)


def blueprint(folder: Path, seed: int = 0) -> Blueprint:
    torch.manual_seed(seed)
    path = folder / f"text{seed}.safetensors"
    save_file(CLIPText(CONFIG, dtype=torch.float16).state_dict(), path)
    weights = open_weights(path)
    return Blueprint("text", CLIPText, clip_config(weights), weights)


def test_a_network_is_made_once_per_content(tmp_path: Path) -> None:
    a, residency = blueprint(tmp_path), Residency(Compute())
    again = Blueprint("text", CLIPText, a.config, open_weights(tmp_path / "text0.safetensors"))
    with residency.use(a) as first, residency.use(again) as second:
        assert first is second
        assert next(first.parameters()).dtype == torch.float32
        assert not any(p.requires_grad for p in first.parameters())


def test_the_budget_is_kept_and_what_is_in_use_stays(tmp_path: Path) -> None:
    nets = [blueprint(tmp_path, seed) for seed in range(3)]
    with Residency(Compute()).use(nets[0]):
        pass
    probe = Residency(Compute())
    with probe.use(nets[0]):
        size = probe.held_bytes
    residency = Residency(Compute(weight_budget=2 * size))
    with residency.use(nets[0]) as kept:
        for net in nets[1:]:
            with residency.use(net):
                pass
        assert residency.held_bytes <= 2 * size
        with residency.use(nets[0]) as again:
            assert again is kept
        assert residency.release() == size, "the other one"
    assert residency.release() == size and residency.held_bytes == 0


def test_two_residencies_share_nothing(tmp_path: Path) -> None:
    net = blueprint(tmp_path)
    with Residency(Compute()).use(net) as a, Residency(Compute()).use(net) as b:
        assert a is not b


def test_threads_get_the_same_network(tmp_path: Path) -> None:
    net, residency = blueprint(tmp_path), Residency(Compute())
    seen: list[int] = []

    def work() -> None:
        with residency.use(net) as module:
            seen.append(id(module))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(seen) == 8 and len(set(seen)) == 1


def test_incomplete_weights_are_named(tmp_path: Path) -> None:
    full = CLIPText(CONFIG).state_dict()
    full.pop("text_model.final_layer_norm.bias")
    save_file(full, tmp_path / "t.safetensors")
    weights = open_weights(tmp_path / "t.safetensors")
    residency = Residency(Compute())
    with (
        pytest.raises(BadWeights, match="final_layer_norm"),
        residency.use(Blueprint("text", CLIPText, clip_config(weights), weights)),
    ):
        pass
    assert residency.held_bytes == 0


def test_allocation_failures_become_out_of_memory() -> None:
    with pytest.raises(OutOfMemory, match="a thing did not fit on cpu"), memory_guard("a thing", torch.device("cpu")):
        torch.empty(1 << 55)
    with pytest.raises(RuntimeError, match="other"), memory_guard("a thing", torch.device("cpu")):
        raise RuntimeError("other")


def test_formats_by_role() -> None:
    cpu, gpu = Compute(), Compute(device="cuda")
    assert {cpu.format_for(r, "F16") for r in ("unet", "vae", "text", "control")} == {"float32"}
    assert gpu.format_for("unet", "F16") == "float16" and gpu.format_for("unet", "F32") == "bfloat16"
    assert gpu.format_for("vae", "F16") == "bfloat16" and gpu.format_for("text", "F16") == "float32"
    assert Compute(dtype="bf16").format_for("text") == "bfloat16"
