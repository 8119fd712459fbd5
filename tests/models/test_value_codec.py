"""Stored results come back as they were; what has no bytes is refused; sizes count what is held."""

from __future__ import annotations

import pytest
import torch

from carrara.models.codec import TensorCodec, sizeof
from carrara.models.values import Area, CondEntry, Conditioning, ControlUse, Latent


def back(value: object) -> object:
    data = TensorCodec().encode(([value],))
    assert data is not None
    return TensorCodec().decode(data)[0][0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.uint8])
@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (1, 4, 2, 2)])
def test_tensors(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    value = (torch.rand(shape) * 100).to(dtype)
    found = back(value)
    assert isinstance(found, torch.Tensor)
    assert found.dtype == dtype
    assert torch.equal(found, value)


def test_views_are_stored_alone() -> None:
    whole = torch.rand(100, 100)
    data = TensorCodec().encode(([whole[:, :1].T],))
    assert data is not None
    assert len(data) < 1000
    assert torch.equal(TensorCodec().decode(data)[0][0], whole[:, :1].T)


def test_latents_and_conditionings() -> None:
    latent = Latent(torch.rand(1, 4, 2, 2), noise_mask=torch.ones(1, 1, 16, 16), batch_index=(3,))
    found = back(latent)
    assert isinstance(found, Latent)
    assert torch.equal(found.samples, latent.samples)
    assert found.batch_index == (3,)
    entry = CondEntry(torch.rand(1, 77, 8), torch.rand(1, 8), area=Area(0.5, 0.5, 0, 0, relative=True), strength=0.3)
    cond = back(Conditioning((entry, entry.but(start_percent=0.25))))
    assert isinstance(cond, Conditioning)
    assert cond.entries[0].area == entry.area
    assert cond.entries[1].start_percent == 0.25
    assert torch.equal(cond.entries[1].cond, entry.cond)


@pytest.mark.parametrize("value", [None, True, 3, 1.5, "text", [1, "a"], (1, (2,)), {"a": [None]}])
def test_plain_values(value: object) -> None:
    assert back(value) == value


def test_models_and_strangers_are_not_stored() -> None:
    control = ControlUse(net=object(), hint=torch.zeros(1, 3, 8, 8))
    steered = Conditioning((CondEntry(torch.zeros(1, 77, 8), control=(control,)),))
    for value in (object(), {1: 2}, steered):
        assert TensorCodec().encode(([value],)) is None


def test_sizes() -> None:
    assert sizeof(torch.zeros(1000)) == 4000
    assert sizeof(([Latent(torch.zeros(1, 4, 64, 64))],)) >= 4 * 64 * 64 * 4
    assert sizeof("abc") == 3
