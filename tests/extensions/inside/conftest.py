"""A host in this process, and a network that both sides run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from host import hosted
from pairs import ROOT, Pair

from carrara.executor.spec import Context
from carrara.models.compute import Compute
from carrara.models.residency import Residency
from carrara.models.values import CondEntry, Conditioning
from carrara.nodes.loaders import load_checkpoint


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Iterator[Any]:
    with hosted(tmp_path_factory.mktemp("host"), tiny, ROOT) as found:
        yield found


@pytest.fixture(scope="module")
def pair(world: Any, tiny_ctx: Context) -> Iterator[Pair]:
    """The network counts in float64: its random weights would blow up the last bit of float32."""
    tiny_ctx = replace(tiny_ctx, services={**tiny_ctx.services, Residency: Residency(Compute(dtype="fp64"))})
    model = load_checkpoint("tiny.safetensors", tiny_ctx).model
    generator = torch.Generator().manual_seed(5)
    texts = tuple(Conditioning((CondEntry(torch.randn(1, 7, 64, generator=generator)),)) for _ in range(3))
    residency = tiny_ctx.service(Residency)
    with residency.use(model.unet) as network:
        patcher = world.comfy.model_patcher.ModelPatcher(
            world.comfy.model_patcher.BaseModel(
                lambda x, t, context: residency.call(network, x, t, context), world.comfy.model_sampling.Eps()
            )
        )
        yield Pair(model, patcher, tiny_ctx, texts)


@pytest.fixture
def latent() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(1)
    return {"samples": torch.randn(2, 4, 8, 8, generator=generator), "of_some_pack": "kept"}
