"""Each filter against an oracle of its own: index arithmetic, OpenCV, Pillow, a loop over cells."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from carrara.errors import InputError
from carrara.models.picture.names import IMAGE_METHODS, LATENT_METHODS
from carrara.models.resample import bislerp, crop_to_aspect, resample

SIZES = [((20, 28), (43, 61)), ((64, 64), (30, 50)), ((7, 9), (7, 18)), ((9, 5), (3, 5))]


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_nearest_exact_takes_the_cell_under_the_centre(old, new):
    x = noise(1, 3, *old)
    rows = ((np.arange(new[0]) + 0.5) * old[0] / new[0]).astype(int)
    columns = ((np.arange(new[1]) + 0.5) * old[1] / new[1]).astype(int)
    assert torch.equal(resample(x, new[1], new[0], "nearest-exact"), x[:, :, rows][:, :, :, columns])


@pytest.mark.parametrize(("old", "new"), SIZES)
@pytest.mark.parametrize(("method", "flag"), [("bilinear", cv2.INTER_LINEAR), ("bicubic", cv2.INTER_CUBIC)])
def test_bilinear_and_bicubic_agree_with_opencv(old, new, method, flag):
    x = noise(1, 3, *old)
    expected = cv2.resize(x[0].movedim(0, -1).numpy(), (new[1], new[0]), interpolation=flag)
    got = resample(x, new[1], new[0], method)[0].movedim(0, -1).numpy()
    assert np.abs(got - expected).max() < 2e-5


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_area_is_the_mean_of_the_cells_touched(old, new):
    x = noise(1, 2, *old)
    got = resample(x, new[1], new[0], "area")
    for i in range(new[0]):
        rows = slice(i * old[0] // new[0], math.ceil((i + 1) * old[0] / new[0]))
        for j in range(new[1]):
            columns = slice(j * old[1] // new[1], math.ceil((j + 1) * old[1] / new[1]))
            assert torch.allclose(got[0, :, i, j], x[0, :, rows, columns].mean((1, 2)), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_lanczos_is_pillows_on_bytes(channels):
    x = noise(2, channels, 12, 17) * 1.4 - 0.2
    got = resample(x, 23, 9, "lanczos")
    assert torch.equal((got * 255).round() / 255, got)
    pixels = (x[1].clamp(0, 1) * 255).numpy().astype(np.uint8)
    picture = Image.fromarray(pixels[0] if channels == 1 else pixels.transpose(1, 2, 0))
    expected = np.asarray(picture.resize((23, 9), Image.Resampling.LANCZOS), np.float32).reshape(9, 23, channels) / 255
    assert np.array_equal(got[1].movedim(0, -1).numpy(), expected)


def test_lanczos_refuses_latents_with_odd_channels():
    with pytest.raises(InputError, match="channels"):
        resample(noise(1, 16, 4, 4), 8, 8, "lanczos")


def slerp_cell(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    la, lb = np.linalg.norm(a), np.linalg.norm(b)
    ua, ub = a / la if la else a * 0, b / lb if lb else b * 0
    cosine = float(np.dot(ua, ub))
    if cosine > 1 - 1e-5:
        return a
    if cosine < 1e-5 - 1:
        return a * (1 - t) + b * t
    angle = math.acos(cosine)
    unit = (math.sin((1 - t) * angle) * ua + math.sin(t * angle) * ub) / math.sin(angle)
    return unit * (la * (1 - t) + lb * t)


def slerp_line(line: np.ndarray, size: int) -> np.ndarray:
    """line: n c"""
    old = len(line)
    out = []
    for i in range(size):
        place = min(max((i + 0.5) * old / size - 0.5, 0.0), old - 1.0)
        low = int(place)
        out.append(slerp_cell(line[low], line[min(low + 1, old - 1)], place - low))
    return np.stack(out)


@pytest.mark.parametrize(("height", "width"), [(11, 13), (3, 4), (5, 15)])
def test_bislerp_joins_neighbours_along_the_sphere(height, width):
    x = torch.randn(1, 4, 5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x[0, :, 2, 2] = 0
    x[0, :, 3, 3] = -x[0, :, 3, 2]
    cells = x[0].movedim(0, -1).numpy()
    wide = np.stack([slerp_line(row, width) for row in cells])
    expected = np.stack([slerp_line(wide[:, j], height) for j in range(width)], axis=1)
    got = bislerp(x, width, height)[0].movedim(0, -1).numpy()
    assert np.abs(got - expected).max() < 1e-4


def test_bislerp_keeps_the_length_where_the_mean_shrinks_it():
    a, b = torch.tensor([1.0, 0, 0, 0]), torch.tensor([0.0, 1, 0, 0])
    x = torch.stack((a, b), -1)[None, :, None, :]
    assert torch.allclose(resample(x, 4, 1, "bislerp").norm(dim=1), torch.ones(1, 1, 4), atol=1e-6)
    assert resample(x, 4, 1, "bilinear").norm(dim=1).min() < 0.8


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ((64, 64), (30, 50), (38, 64)),
        ((64, 64), (50, 30), (64, 38)),
        ((20, 28), (10, 14), (20, 28)),
        ((5, 9), (5, 5), (5, 5)),
    ],
)
def test_crop_cuts_equal_margins(old, new, expected):
    x = torch.arange(old[0] * old[1]).reshape(1, 1, *old)
    cut = crop_to_aspect(x, new[1], new[0])
    assert cut.shape[-2:] == expected
    assert (x == cut[0, 0, 0, 0]).nonzero()[0][2] == (old[0] - expected[0]) / 2


def test_frames_are_resized_one_by_one():
    x = noise(2, 4, 3, 8, 6)
    for method in LATENT_METHODS:
        whole = resample(x, 9, 5, method, "center")
        assert whole.shape == (2, 4, 3, 5, 9)
        assert torch.equal(whole[:, :, 1], resample(x[:, :, 1], 9, 5, method, "center"))


@given(
    old=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    new=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    method=st.sampled_from(IMAGE_METHODS + LATENT_METHODS),
    crop=st.sampled_from(("disabled", "center")),
)
@settings(max_examples=120, deadline=None)
def test_any_size_gives_that_size_and_finite_numbers(old, new, method, crop):
    out = resample(noise(2, 4, *old), new[1], new[0], method, crop)
    assert out.shape == (2, 4, *new)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, -1)])
def test_impossible_sizes_are_refused(width, height):
    with pytest.raises(InputError, match="at least one pixel"):
        resample(noise(1, 3, 4, 4), width, height, "bilinear")


def test_unknown_method_is_refused():
    with pytest.raises(InputError, match="unknown resize method"):
        resample(noise(1, 3, 4, 4), 2, 2, "sinc")
