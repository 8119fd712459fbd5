"""Filters against OpenCV and an edge tracer written as loops."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch

from carrara.errors import InputError
from carrara.models.picture.canny import canny
from carrara.models.picture.filters import blur, dilate, erode, morphology, sharpen
from carrara.models.picture.names import DITHERS, MORPHOLOGY
from carrara.models.picture.quantize import bayer, quantize


def random(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(5))


def window(radius: int, sigma: float) -> np.ndarray:
    """Edges of the window at distance 1."""
    side = 2 * radius + 1
    out = np.empty((side, side))
    for i in range(side):
        for j in range(side):
            y, x = (i - radius) / radius, (j - radius) / radius
            out[i, j] = math.exp(-(x * x + y * y) / (2 * sigma * sigma))
    return out / out.sum()


@pytest.mark.parametrize(("radius", "sigma"), [(1, 1.0), (2, 0.3), (5, 2.5), (12, 10.0)])
def test_blur_and_sharpen_mirror_at_the_border(radius, sigma):
    x = random(2, 21, 18, 3)
    soft = cv2.filter2D(x[1].numpy(), -1, window(radius, sigma), borderType=cv2.BORDER_REFLECT_101)
    assert np.abs(blur(x, radius, sigma)[1].numpy() - soft).max() < 1e-5
    hard = np.clip(x[1].numpy() + 10 * 0.7 * (x[1].numpy() - soft), 0, 1)
    assert np.abs(sharpen(x, radius, sigma, 0.7)[1].numpy() - hard).max() < 1e-4


def test_a_filter_wider_than_the_picture_is_refused():
    with pytest.raises(InputError, match="smaller than the filter"):
        blur(random(1, 9, 5, 3), 5, 1.0)


@pytest.mark.parametrize("size", [3, 4, 7, 50])
def test_morphology_is_opencvs(size):
    x = random(1, 20, 23, 3)
    kernel = np.ones((size, size), np.uint8)
    picture = x[0].numpy()
    turned = cv2.dilate(picture, kernel, anchor=((size - 1) // 2,) * 2)  # an even window, the other way round
    assert np.array_equal(dilate(x, size)[0].numpy(), turned)
    assert np.array_equal(erode(x, size)[0].numpy(), cv2.erode(picture, kernel))


@pytest.mark.parametrize("size", [3, 4, 7, 8])
def test_opening_only_darkens_and_closing_only_brightens(size):
    """And a second time changes nothing, whatever the window: no pixel has moved."""
    x = random(1, 20, 23, 3)
    opened, closed = morphology(x, "open", size), morphology(x, "close", size)
    assert (opened <= x).all() and (closed >= x).all()
    assert torch.equal(morphology(opened, "open", size), opened)
    assert torch.equal(morphology(closed, "close", size), closed)


def test_composed_morphology():
    x = random(1, 20, 23, 3)
    kernel = np.ones((3, 3), np.uint8)
    flags = {
        "open": cv2.MORPH_OPEN,
        "close": cv2.MORPH_CLOSE,
        "gradient": cv2.MORPH_GRADIENT,
        "top_hat": cv2.MORPH_TOPHAT,
        "bottom_hat": cv2.MORPH_BLACKHAT,
    }
    for name, flag in flags.items():
        assert np.abs(morphology(x, name, 3)[0].numpy() - cv2.morphologyEx(x[0].numpy(), flag, kernel)).max() < 1e-6
    assert set(flags) | {"erode", "dilate"} == set(MORPHOLOGY)
    with pytest.raises(InputError, match="unknown operation"):
        morphology(x, "melt", 3)


def traced(picture: np.ndarray, low: float, high: float) -> np.ndarray:
    """Canny as loops over pixels. picture: h w 3."""
    grey = picture @ np.array([0.299, 0.587, 0.114])
    line = np.exp(-(np.arange(-2, 3) ** 2) / 2)
    line /= line.sum()
    grey = cv2.sepFilter2D(grey, -1, line, line, borderType=cv2.BORDER_REFLECT_101)
    gx = cv2.Sobel(grey, -1, 1, 0, borderType=cv2.BORDER_REPLICATE)
    gy = cv2.Sobel(grey, -1, 0, 1, borderType=cv2.BORDER_REPLICATE)
    strength = np.sqrt(gx**2 + gy**2 + 1e-6)
    height, width = strength.shape
    around = np.pad(strength, 1)
    thin = np.zeros_like(strength)
    for i in range(height):
        for j in range(width):
            eighth = round(math.atan2(gy[i, j], gx[i, j]) * 4 / math.pi)
            dy, dx = round(math.sin(eighth * math.pi / 4)), round(math.cos(eighth * math.pi / 4))
            ahead, behind = around[1 + i + dy, 1 + j + dx], around[1 + i - dy, 1 + j - dx]
            if strength[i, j] > max(ahead, behind):
                thin[i, j] = strength[i, j]
    edges = np.zeros_like(strength)
    todo = [tuple(place) for place in np.argwhere(thin > high)]
    while todo:
        i, j = todo.pop()
        if not (0 <= i < height and 0 <= j < width) or edges[i, j] or thin[i, j] <= low:
            continue
        edges[i, j] = 1
        todo += [(i + dy, j + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    return edges


@pytest.mark.parametrize(("low", "high"), [(0.4, 0.8), (0.05, 0.9), (0.2, 0.2)])
def test_edges_agree_with_the_loops(low, high):
    x = random(2, 40, 31, 3)
    x[:, 10:30, 8:20] += 1
    got = canny(x / 2, low, high)
    for item in range(2):
        assert np.array_equal(got[item].numpy(), traced(x[item].double().numpy() / 2, low, high))


def test_a_step_is_one_thin_line_and_flat_pictures_have_none():
    x = torch.zeros(1, 20, 20, 3)
    assert canny(x, 0.1, 0.2).sum() == 0
    x[:, :, 9:] = torch.tensor([0.9, 0.3, 0.6])
    x[:, :, 10:] = 1
    assert canny(x, 0.1, 0.2)[0].sum(1).tolist() == [1] * 20


def test_crossed_thresholds_are_refused():
    with pytest.raises(InputError, match="low threshold"):
        canny(random(1, 8, 8, 3), 0.5, 0.4)


def test_tiny_pictures_are_refused():
    with pytest.raises(InputError, match="3×3"):
        canny(random(1, 2, 8, 3), 0.1, 0.4)


def test_the_ordered_pattern_is_bayers():
    assert (bayer(4) * 16 + 7.5).round().int().flatten().sort().values.tolist() == list(range(16))
    assert bayer(2).tolist() == [[-0.375, 0.125], [0.375, -0.125]]
    assert bayer(16).sum().abs() < 1e-9


@pytest.mark.parametrize("dither", DITHERS)
@pytest.mark.parametrize("colours", [1, 2, 8, 256])
def test_quantized_pictures_have_few_colours(dither, colours):
    x = random(2, 24, 30, 3)
    out = quantize(x, colours, dither)
    assert out.shape == x.shape
    for item in (out * 255).round().int():
        assert len(item.reshape(-1, 3).unique(dim=0)) <= colours


def test_quantizing_ignores_alpha_and_drops_it():
    x = random(1, 8, 8, 4)
    assert torch.equal(quantize(x, 8, "none"), quantize(x[..., :3], 8, "none"))
