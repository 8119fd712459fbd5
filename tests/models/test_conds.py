"""Where and when conditionings count."""

from __future__ import annotations

import pytest
import torch

from carrara.errors import InputError
from carrara.models.conds import Box, Grid, bounds, part_of, sides, weight_map
from carrara.models.values import Area, CondEntry, Conditioning, ControlUse

GRID = Grid(2, 16, 24)
CPU = torch.device("cpu")


def entry(**changes) -> CondEntry:
    return CondEntry(torch.zeros(1, 77, 4), **changes)


def part(**changes):
    return part_of(entry(**changes), GRID, lambda p: 100.0 * (1 - p), None, CPU)


def both(positive, negative):
    return sides((Conditioning(tuple(positive)), Conditioning(tuple(negative))), GRID, lambda p: p, lambda e: None, CPU)


def test_without_an_area_all_cells_count_alike():
    assert torch.equal(weight_map(part(strength=0.7), GRID), torch.full((1, 1, 1, 1), 0.7))


def test_areas_fade_at_edges_inside_the_picture_only():
    weights = weight_map(part(area=Area(16, 12, 0, 6)), GRID)[0, 0]
    assert weights.shape == (16, 12)
    rise = torch.tensor([1 / 3, 2 / 3, 1.0])
    assert torch.allclose(weights[5], torch.cat([rise, torch.ones(6), rise.flip(0)]))
    assert torch.equal(weights[:, 6], torch.ones(16))
    wide = Grid(1, 16, 100)
    long = weight_map(part_of(entry(area=Area(16, 80, 0, 0)), wide, lambda p: p, None, CPU), wide)[0, 0, 0]
    assert torch.allclose(long[-8:], torch.arange(8, 0, -1) / 8) and torch.equal(long[:72], torch.ones(72))


def test_areas_end_at_the_border():
    assert weight_map(part(area=Area(16, 16, 4, 14)), GRID).shape == (1, 1, 12, 10)
    with pytest.raises(InputError, match="outside"):
        weight_map(part(area=Area(8, 8, 0, 24)), GRID)


def test_shares_are_rounded_to_cells_and_never_nothing():
    assert part(area=Area(0.5, 0.3, 0.25, 0.1, relative=True)).box == Box(8, 7, 4, 2)
    assert part(area=Area(0.0, 0.01, 0.9, 0.5, relative=True)).box == Box(1, 1, 14, 12)


def test_masks_are_scaled_and_weighed_without_fading():
    mask = torch.zeros(1, 32, 48)
    mask[:, 8:24, 12:36] = 1
    weights = weight_map(part(mask=mask, mask_strength=0.5, strength=0.8), GRID)
    assert weights.shape == (1, 1, 16, 24)
    assert weights[0, 0, 8, 12] == pytest.approx(0.4) and weights[0, 0, 0, 0] == 0
    cut = weight_map(part(mask=mask, area=Area(8, 12, 4, 6)), GRID)
    assert torch.equal(cut, torch.ones(1, 1, 8, 12))


def test_masks_of_a_batch_go_with_its_items():
    weights = weight_map(part(mask=torch.rand(2, 16, 24)), GRID)
    assert weights.shape == (2, 1, 16, 24)


def test_mask_bounds():
    mask = torch.zeros(2, 16, 24)
    assert bounds(mask) == Box(8, 8, 0, 0)
    mask[0, 3:5, 10:21] = 1
    mask[1, 6, 20] = -0.5
    assert bounds(mask) == Box(8, 11, 3, 10)
    assert part(mask=mask, mask_bounds=True, area=Area(4, 4, 0, 0)).box == Box(8, 11, 3, 10)


def test_timestep_ranges_include_their_ends():
    timed = part(start_percent=0.2, end_percent=0.6)
    assert [timed.active(s) for s in (81.0, 80.0, 60.0, 40.0, 39.0)] == [False, True, True, True, False]


def test_an_area_gets_a_twin_that_says_what_the_other_side_says_there():
    whole, small, mine = entry(), entry(area=Area(10, 10, 0, 0)), entry(area=Area(4, 4, 2, 2), strength=0.3)
    ours, theirs = both([mine], [whole, small])
    twin = theirs[2]
    assert len(theirs) == 3 and twin.box == ours[0].box and twin.strength == 0.3
    assert twin.given is theirs[1].given
    # The negative side's own area finds nothing around it on the positive side that is not smaller.
    assert len(ours) == 1


def test_no_twin_where_the_other_side_has_the_same_area_or_nothing():
    same = Area(4, 4, 2, 2)
    assert [len(s) for s in both([entry(area=same)], [entry(area=same)])] == [1, 1]
    assert [len(s) for s in both([entry(area=same)], [])] == [1, 0]


def use() -> ControlUse:
    return ControlUse(object(), torch.zeros(1, 3, 8, 8))


def test_control_is_handed_to_the_negative_side_when_asked_for():
    mine = use()
    _, theirs = both([entry(control=(mine,), control_to_uncond=True)], [entry(), entry(area=Area(4, 4, 0, 0))])
    assert theirs[0].control == (mine,) and theirs[1].control == ()
    _, theirs = both([entry(control=(mine,))], [entry()])
    assert theirs[0].control == ()


def test_control_of_its_own_keeps_the_negative_side_from_taking():
    mine, own = use(), use()
    _, theirs = both([entry(control=(mine,), control_to_uncond=True)], [entry(), entry(control=(own,))])
    assert [p.control for p in theirs] == [(), (own,)]


def test_the_last_of_several_givers_counts_where_takers_are_few():
    first, second = use(), use()
    givers = [entry(control=(c,), control_to_uncond=True) for c in (first, second)]
    _, theirs = both(givers, [entry()])
    assert theirs[0].control == (second,)
