"""Changes computed from the weight itself, against their papers' definitions."""

from __future__ import annotations

import pytest
import torch

from carrara.models.deltas import delta_of
from carrara.models.patch import ENDINGS, PREFIXES, split
from carrara.models.reforms import Decomposed, Replaced, change_of, changed

SHAPES = [(12, 8), (12, 8, 3, 3), (12, 8, 1, 1)]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def made(weight, strength, **tensors):
    change = change_of({name: name for name in tensors})
    assert change is not None
    return changed(change, weight, strength, tensors.__getitem__)


def low_rank(shape, seed=1):
    return {"up": noise(shape[0], 4, *[1] * (len(shape) - 2), seed=seed), "down": noise(4, *shape[1:], seed=seed + 1)}


@pytest.mark.parametrize("shape", SHAPES)
def test_magnitudes_of_peft_set_the_length_of_the_changed_rows(shape):
    weight, magnitude = noise(*shape), noise(shape[0], seed=3).abs() + 0.5
    out = made(weight, 1.0, **low_rank(shape), magnitude=magnitude)
    torch.testing.assert_close(out.flatten(1).norm(dim=1), magnitude)
    direction = made(weight, 1.0, **low_rank(shape))
    cosine = torch.nn.functional.cosine_similarity(out.flatten(1), direction.flatten(1))
    torch.testing.assert_close(cosine, torch.ones(shape[0]))


@pytest.mark.parametrize("shape", SHAPES)
def test_magnitudes_of_lycoris_by_column_and_by_row(shape):
    weight, ones = noise(*shape), [1] * (len(shape) - 2)
    turned = made(weight, 1.0, **low_rank(shape))
    columns = noise(1, shape[1], *ones, seed=3).abs() + 0.5
    out = made(weight, 1.0, **low_rank(shape), magnitude=columns)
    torch.testing.assert_close(out.transpose(0, 1).flatten(1).norm(dim=1), columns.flatten())
    rows = noise(shape[0], 1, *ones, seed=4).abs() + 0.5
    before = weight.flatten(1).norm(dim=1).reshape(rows.shape)
    torch.testing.assert_close(made(weight, 1.0, **low_rank(shape), magnitude=rows), turned * rows / before)


def test_strength_goes_straight_from_the_weight_to_the_decomposed_one():
    weight, magnitude = noise(12, 8), noise(1, 8, seed=3)
    whole = made(weight, 1.0, **low_rank((12, 8)), magnitude=magnitude)
    torch.testing.assert_close(
        made(weight, 0.3, **low_rank((12, 8)), magnitude=magnitude), weight + 0.3 * (whole - weight)
    )


def test_a_weight_of_the_file_replaces_ours():
    assert torch.equal(made(noise(4, 4), 0.2, set=noise(4, 4, seed=1)), noise(4, 4, seed=1))


def test_generalised_changes_map_the_weight_too():
    weight = noise(12, 8)
    a1, a2, b1, b2 = noise(8, 4, seed=1), noise(4, 8, seed=2), noise(12, 4, seed=3), noise(4, 8, seed=4)
    wanted = weight + 0.5 * (weight @ a1 @ a2 + b1 @ b2)
    torch.testing.assert_close(made(weight, 0.5, a1=a1, a2=a2, b1=b1, b2=b2), wanted)
    torch.testing.assert_close(made(weight, 0.5, a1=a2, a2=a1, b1=b2, b2=b1), wanted)
    halved = made(weight, 1.0, a1=a1, a2=a2, b1=b1, b2=b2, alpha=torch.tensor(2.0))
    torch.testing.assert_close(halved, wanted)


@pytest.mark.parametrize("blocks", [noise(3, 4, 4), noise(1, 3, 4, 4), noise(2, 2, 6, 6)])
@pytest.mark.parametrize("shape", SHAPES)
def test_rotations_keep_lengths(blocks, shape):
    weight = noise(*shape)
    out = made(weight, 1.0, oft_blocks=blocks)
    assert not torch.allclose(out, weight)
    torch.testing.assert_close(out.flatten(1).norm(dim=0), weight.flatten(1).norm(dim=0))
    assert torch.allclose(made(weight, 1.0, oft_blocks=torch.zeros_like(blocks)), weight)
    bounded = made(weight, 1.0, oft_blocks=blocks, alpha=torch.tensor(1e-3))
    assert 0 < (bounded - weight).abs().max() < 0.05


def test_row_factors_of_boft():
    weight, factors = noise(12, 8), noise(12, 1, seed=2)
    out = made(weight, 1.0, oft_blocks=torch.zeros(1, 3, 4, 4), rescale=factors)
    torch.testing.assert_close(out, weight * factors)


def test_a_kronecker_core_fits_a_kernel():
    parts = {"lokr_w1": noise(3, 2), "lokr_w2_a": noise(5, 4), "lokr_w2_b": noise(6, 4), "lokr_t2": noise(5, 6, 3, 3)}
    core = torch.einsum("pqhw,po,qi->oihw", parts["lokr_t2"], parts["lokr_w2_a"], parts["lokr_w2_b"])
    wanted = torch.einsum("ab,oihw->aobihw", parts["lokr_w1"], core).reshape(12, 8, 3, 3)
    torch.testing.assert_close(made(torch.zeros(12, 8, 3, 3), 1.0, **parts), wanted)


def test_names_of_all_forms():
    assert split("lycoris_a_b.dora_scale") == ("lycoris_a_b", "magnitude")
    assert split("unet.a.lora_magnitude_vector.weight") == ("unet.a", "magnitude")
    assert split("diffusion_model.a.lora_B") == ("diffusion_model.a", "up")
    assert (split("a.w_norm")[1], split("a.b_norm")[1], split("a.set_weight")[1]) == ("diff", "diff_b", "set")
    assert "lycoris_" in PREFIXES["unet"]
    assert {"oft_blocks", "rescale", "a1", "b2"} <= set(ENDINGS.values())


def test_a_magnitude_alone_is_no_change():
    assert change_of({"magnitude": "m"}) is None
    assert isinstance(change_of({"set": "s", "up": "u", "down": "d"}), Replaced)
    assert isinstance(change_of({"up": "u", "down": "d", "magnitude": "m"}), Decomposed)
    assert delta_of({"up": "u"}) is None
