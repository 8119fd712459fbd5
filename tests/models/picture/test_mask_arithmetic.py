"""Masks against SciPy's morphology and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from carrara.models.picture.masks import OPERATIONS, colour_to_mask, combine, feather, grow
from carrara.models.picture.names import MASK_OPERATIONS


def random(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(9))


@pytest.mark.parametrize("tapered", [True, False])
@pytest.mark.parametrize("amount", [-16, -4, -1, 0, 1, 3, 16])
def test_growing_is_repeated_grey_dilation(amount, tapered):
    mask = random(2, 6, 9)
    footprint = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]]) if tapered else np.ones((3, 3))
    step = ndimage.grey_dilation if amount > 0 else ndimage.grey_erosion
    expected = mask.numpy()
    for _ in range(abs(amount)):
        expected = np.stack([step(one, footprint=footprint) for one in expected])
    assert np.array_equal(grow(mask, amount, tapered).numpy(), expected)


@given(st.tuples(*[st.integers(0, 9)] * 4), st.integers(1, 6), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_feather_multiplies_border_lines(sides, height, width):
    left, top, right, bottom = sides
    mask = random(1, height, width)
    expected = mask.clone()
    for name, size, lines in ((left, width, expected.movedim(2, 0)), (top, height, expected.movedim(1, 0))):
        count = min(name, size)
        for i in range(count):
            lines[i] *= (i + 1) / count
    for name, size, lines in ((right, width, expected.movedim(2, 0)), (bottom, height, expected.movedim(1, 0))):
        count = min(name, size)
        for i in range(count):
            lines[-i] *= (i + 1) / count
    assert torch.allclose(feather(mask, left, top, right, bottom), expected, atol=1e-6)


def test_operations_have_names():
    assert tuple(OPERATIONS) == MASK_OPERATIONS


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("multiply", [0.42, 0.08, 0.0]),
        ("add", [1.0, 0.6, 0.9]),
        ("subtract", [0.0, 0.0, 0.9]),
        ("and", [1, 0, 0]),
        ("or", [1, 0, 1]),
        ("xor", [0, 0, 1]),
    ],
)
def test_combining_acts_where_the_source_covers(operation, expected):
    onto = torch.tensor([[[0.3, 0.6, 0.2, 0.9, 0.7]]])
    source = torch.tensor([[0.7, 0.4, 0.0]])
    out = combine(onto, source, 1, 0, operation)
    assert out[0, 0].tolist() == pytest.approx([0.3, *expected, 0.7], abs=1e-6)
    assert torch.equal(combine(onto, source, 5, 0, operation), onto)


def test_combining_is_cut_at_the_border():
    out = combine(torch.zeros(1, 3, 3), torch.ones(9, 9), 2, 1, "add")
    assert out.sum() == 2


def test_one_mask_against_many():
    assert combine(torch.zeros(1, 2, 2), torch.ones(3, 2, 2), 0, 0, "or").shape == (3, 2, 2)


def test_colours_are_compared_as_bytes():
    picture = torch.tensor([[[[1.0, 0.5019608, 0.0], [1.0, 0.5, 0.0], [0.999, 0.502, -1.0], [1.0, 0.51, 0.0]]]])
    assert colour_to_mask(picture, 0xFF8000)[0, 0].tolist() == [1, 1, 1, 0]
