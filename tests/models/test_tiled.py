"""Tiles: where they lie, how they blend, and what they cost in truth."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from network_oracles import difference, noise

from carrara.errors import InputError
from carrara.models.vae.tiled import Tiles, blend, decode_by, decode_tiled, encode_by, encode_tiled


def twice(z: torch.Tensor) -> torch.Tensor:
    """Local and exact: tiling must not change it."""
    return torch.nn.functional.interpolate(z, scale_factor=2.0, mode="nearest")


def test_a_local_function_is_the_same_in_tiles() -> None:
    z = noise(2, 3, 37, 23)
    assert difference(decode_tiled(twice, z, tile=16, overlap=4, factor=2), twice(z)) < 1e-6
    halved = encode_tiled(lambda x: x[..., ::2, ::2], twice(z), tile=16, overlap=4, factor=2)
    assert difference(halved, z) < 1e-6


def test_blending_by_hand() -> None:
    """Six cells, tiles of four with overlap two: each tile answers with its own mean."""
    z = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).view(1, 1, 1, 6)
    got = blend(lambda t: t.mean().expand(1, 1, 1, t.shape[-1]).clone(), z, Tiles(1, 4, 2), Fraction(1))
    first, second = 2.5, 4.5
    middle = [(first * 1 + second * 0.5) / 1.5, (first * 0.5 + second * 1) / 1.5]
    assert torch.allclose(got.flatten(), torch.tensor([first, first, *middle, second, second]))


def test_three_passes_and_their_tiles() -> None:
    seen: list[tuple[int, ...]] = []

    def spy(z: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(z.shape[-2:]))
        return twice(z)

    decode_tiled(spy, noise(1, 4, 64, 64), tile=64, overlap=16, factor=2)
    tall, wide, square = seen[:7], seen[7:14], seen[14:]
    assert tall == [(64, 16)] * 7, "seven steps of eight, all at full height"
    assert wide == [(16, 64)] * 7
    assert square[0] == (32, 32) and square[-1] == (16, 16) and len(square) == 9


def test_what_fits_one_tile_is_decoded_whole() -> None:
    z = noise(1, 4, 4, 8)
    seen = []
    decode_tiled(lambda t: seen.append(t.shape[-2:]) or twice(t), z, tile=64, overlap=16, factor=2)
    assert [tuple(s) for s in seen] == [(4, 8)] * 3


def test_a_large_overlap_is_cut_when_decoding_and_refused_when_encoding() -> None:
    z = noise(1, 3, 32, 32)
    assert difference(decode_tiled(twice, z, tile=16, overlap=16, factor=2), twice(z)) < 1e-6
    with pytest.raises(InputError, match="overlap"):
        encode_tiled(lambda x: x[..., ::2, ::2], noise(1, 3, 64, 64), tile=32, overlap=16, factor=2)


def test_tiles_of_any_proportions_are_taken_as_they_are() -> None:
    """Five sixths of a narrow tile overlap: no size is changed, nor is the overlap."""
    seen: list[tuple[int, ...]] = []

    def spy(z: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(z.shape[-2:]))
        return twice(z)

    z = noise(1, 3, 40, 40)
    assert difference(decode_by(spy, z, Tiles(24, 12, 5), 2), twice(z)) < 1e-6
    tall, rest = seen[:35], seen[35:]
    assert set(tall) == {(40, 6)}, "48 high is more than there is; steps of one"
    assert rest[0] == (12, 24) and (24, 12) in rest
    halved = encode_by(lambda x: x[..., ::2, ::2], twice(z), Tiles(48, 24, 8), 2)
    assert difference(halved, z) < 1e-6
