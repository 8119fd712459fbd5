"""Compositing against scalar arithmetic, one pixel at a time."""

from __future__ import annotations

import math

import pytest
import torch

from carrara.errors import InputError
from carrara.models.picture.batches import fit_batch, fit_latent, same_channels
from carrara.models.picture.blend import MODES
from carrara.models.picture.borders import pad_for_outpaint, paste_faded
from carrara.models.picture.composite import OPERATORS, paste, porter_duff
from carrara.models.picture.names import BLENDS, PORTER_DUFF

# Shares of source and destination that remain (Porter and Duff 1984, table of operators); a, b: their alphas.
SHARES = {
    "CLEAR": lambda a, b: (0, 0),
    "SRC": lambda a, b: (1, 0),
    "DST": lambda a, b: (0, 1),
    "SRC_OVER": lambda a, b: (1, 1 - a),
    "DST_OVER": lambda a, b: (1 - b, 1),
    "SRC_IN": lambda a, b: (b, 0),
    "DST_IN": lambda a, b: (0, a),
    "SRC_OUT": lambda a, b: (1 - b, 0),
    "DST_OUT": lambda a, b: (0, 1 - a),
    "SRC_ATOP": lambda a, b: (b, 1 - a),
    "DST_ATOP": lambda a, b: (1 - b, a),
    "XOR": lambda a, b: (1 - b, 1 - a),
}
# Separable blends: what remains of each alone, plus this where both are. s, d: straight colours.
BOTH = {"DARKEN": min, "LIGHTEN": max}


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def layers() -> tuple[torch.Tensor, ...]:
    parts = (random(4, 5, 3, seed=1), random(4, 5, 1, seed=2), random(4, 5, 3, seed=3), random(4, 5, 1, seed=4))
    parts[1][0, 0] = parts[3][0, 0] = 1  # nothing there at all
    parts[1][1, 1] = 0
    return parts


def test_names_and_tables_agree():
    assert tuple(OPERATORS) == PORTER_DUFF
    assert tuple(MODES) == BLENDS


@pytest.mark.parametrize("mode", SHARES)
def test_classical_operators(mode):
    source, source_mask, under, under_mask = layers()
    picture, mask = porter_duff(source, source_mask, under, under_mask, mode)
    for i in range(4):
        for j in range(5):
            a, b = 1 - source_mask[i, j, 0].item(), 1 - under_mask[i, j, 0].item()
            fa, fb = SHARES[mode](a, b)
            alpha = a * fa + b * fb
            assert mask[i, j, 0].item() == pytest.approx(1 - alpha, abs=1e-6)
            for c in range(3):
                colour = source[i, j, c].item() * a * fa + under[i, j, c].item() * b * fb
                straight = min(1.0, colour / alpha) if alpha > 1e-5 else 0.0
                assert picture[i, j, c].item() == pytest.approx(straight, abs=1e-5)


@pytest.mark.parametrize("mode", BOTH)
def test_darken_and_lighten_keep_premultiplied_extremes(mode):
    source, source_mask, under, under_mask = layers()
    picture, mask = porter_duff(source, source_mask, under, under_mask, mode)
    a, b = 1 - source_mask[2, 3, 0].item(), 1 - under_mask[2, 3, 0].item()
    s, d = source[2, 3, 0].item() * a, under[2, 3, 0].item() * b
    alpha = a + b - a * b
    assert mask[2, 3, 0].item() == pytest.approx(1 - alpha, abs=1e-6)
    assert picture[2, 3, 0].item() == pytest.approx(
        min(1, ((1 - b) * s + (1 - a) * d + BOTH[mode](s, d)) / alpha), abs=1e-5
    )


def test_opaque_layers_give_the_plain_blends():
    s, d, none = random(6, 6, 3, seed=5), random(6, 6, 3, seed=6), torch.zeros(6, 6, 1)
    plain = {
        "ADD": (s + d).clamp(0, 1),
        "MULTIPLY": s * d,
        "SCREEN": 1 - (1 - s) * (1 - d),
        "DARKEN": torch.minimum(s, d),
        "LIGHTEN": torch.maximum(s, d),
        "OVERLAY": torch.where(2 * d < 1, 2 * s * d, 1 - 2 * (1 - s) * (1 - d)),
    }
    for mode, expected in plain.items():
        picture, mask = porter_duff(s, none, d, none, mode)
        assert torch.allclose(picture, expected, atol=1e-6), mode
        assert torch.allclose(mask, none, atol=1e-6), mode


def test_unknown_mode_is_refused():
    with pytest.raises(InputError, match="unknown compositing mode"):
        porter_duff(*layers(), "PLUS")


def blend_scalar(mode: str, a: float, b: float) -> float:
    if mode == "normal":
        return b
    if mode == "multiply":
        return a * b
    if mode == "screen":
        return a + b - a * b
    if mode == "overlay":
        return 2 * a * b if a <= 0.5 else 2 * a + 2 * b - 2 * a * b - 1
    if mode == "difference":
        return a - b
    if b <= 0.5:
        return a - (1 - 2 * b) * a * (1 - a)
    curve = 16 * a**3 - 12 * a**2 + 4 * a if a <= 0.25 else math.sqrt(a)
    return a + (2 * b - 1) * (curve - a)


@pytest.mark.parametrize("mode", BLENDS)
def test_blends_pixel_by_pixel(mode):
    a, b = random(300, seed=7), random(300, seed=8)
    expected = torch.tensor([blend_scalar(mode, x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)])
    assert torch.allclose(MODES[mode](a, b), expected, atol=1e-6)


def test_paste_blends_by_the_stretched_mask_and_cuts_off_what_hangs_over():
    onto, source = torch.zeros(1, 3, 6, 8), torch.ones(1, 3, 4, 4)
    mask = torch.zeros(2, 2)
    mask[:, 0] = 1
    out = paste(onto, source, 6, 4, mask)
    assert torch.equal(out[0, 0, 4:, 6:], torch.tensor([[1.0, 0.75], [1, 0.75]]))
    assert out.sum() == 3 * 3.5
    assert not onto.any()


def test_paste_outside_changes_nothing():
    onto = random(1, 3, 4, 4)
    assert torch.equal(paste(onto, torch.ones(1, 3, 2, 2), 4, 0), onto)
    assert torch.equal(paste(onto, torch.ones(1, 3, 2, 2), 0, 99), onto)


def test_paste_repeats_the_source_over_the_batch_and_takes_one_mask_for_all():
    out = paste(
        torch.zeros(3, 1, 2, 2),
        torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1).expand(2, 1, 2, 2),
        0,
        0,
        torch.ones(1, 5, 5),
    )
    assert out[:, 0, 0, 0].tolist() == [1, 2, 1]


def test_paste_can_stretch_the_source():
    assert torch.equal(
        paste(torch.zeros(1, 1, 4, 6), torch.ones(1, 1, 1, 1), 0, 0, resize=True), torch.ones(1, 1, 4, 6)
    )


def test_paste_refuses_different_channels():
    with pytest.raises(InputError, match="cannot be laid over"):
        paste(torch.zeros(1, 4, 4, 4), torch.zeros(1, 16, 4, 4), 0, 0)


def test_faded_paste_fades_only_inside_sides():
    onto, source = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 4, 4)
    corner = paste_faded(onto, source, 0, 0, 2)[0, 0]
    assert corner[0, :5].tolist() == [1, 1, 1, 0.5, 0]
    middle = paste_faded(onto, source, 2, 2, 2)[0, 0]
    assert middle[2, 2:6].tolist() == [0.25, 0.5, 0.5, 0.25]
    assert middle[3, 2:6].tolist() == [0.5, 1, 1, 0.5]


def test_a_fade_wider_than_the_source_is_dimmed_twice():
    factors = [1.0] * 2
    for t in range(4):
        factors[t : t + 1] = [f * (t + 1) / 4 for f in factors[t : t + 1]]
        factors[1 - t : 2 - t] = [f * (t + 1) / 4 for f in factors[1 - t : 2 - t]]
    out = paste_faded(torch.zeros(1, 1, 1, 9), torch.ones(1, 1, 1, 2), 4, 0, 4)
    assert out[0, 0, 0, 4:6].tolist() == pytest.approx(factors)


@pytest.mark.parametrize(
    ("sides", "feathering"), [((4, 0, 0, 2), 3), ((0, 3, 5, 0), 6), ((1, 1, 1, 1), 40), ((2, 2, 2, 2), 0)]
)
def test_outpaint_mask_is_the_squared_distance(sides, feathering):
    left, top, right, bottom = sides
    x = random(2, 13, 15, 3)
    frame, mask = pad_for_outpaint(x, *sides, feathering)
    assert frame.shape == (2, 13 + top + bottom, 15 + left + right, 3)
    assert mask.shape == (1, *frame.shape[1:3])
    assert torch.equal(frame[:, top : top + 13, left : left + 15], x)
    assert mask.sum() >= frame.shape[1] * frame.shape[2] - 13 * 15
    for i in range(13):
        for j in range(15):
            d = min(i if top else 13, 13 - i if bottom else 13, j if left else 15, 15 - j if right else 15)
            fades = 0 < feathering < 6.5 and d < feathering
            expected = ((feathering - d) / feathering) ** 2 if fades else 0
            assert mask[0, top + i, left + j].item() == pytest.approx(expected, abs=1e-6)


def test_batches_repeat_cyclically_and_are_cut():
    x = torch.arange(3.0)[:, None]
    assert fit_batch(x, 5)[:, 0].tolist() == [0, 1, 2, 0, 1]
    assert fit_batch(x, 2)[:, 0].tolist() == [0, 1]


def test_channels_follow_the_first_picture():
    rgb, rgba = torch.zeros(1, 2, 2, 3), torch.zeros(1, 2, 2, 4)
    assert [p.shape[-1] for p in same_channels(rgb, rgba)] == [3, 3]
    first, second = same_channels(rgba, rgb)
    assert second[..., 3].min() == 1
    assert first is rgba


def test_latents_of_other_kinds_do_not_fit():
    with pytest.raises(InputError, match="different kinds of model"):
        fit_latent(torch.zeros(1, 16, 4, 4), torch.zeros(1, 4, 4, 4))
