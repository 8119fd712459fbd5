"""Scenes, their split and the judge that reads them back."""

from __future__ import annotations

import numpy as np
import pytest

from carrara.training.judge import judge
from carrara.training.scenes import COLOURS, PIXELS, PLACES, SHAPES, SIZES, combinations, draw, random_scenes, scene_of


def test_the_split_is_fixed_disjoint_and_about_one_in_ten() -> None:
    held, kept = combinations(held=True), combinations(held=False)
    assert not set(held) & set(kept)
    assert len(held) + len(kept) == len(SHAPES) * len(COLOURS) * (len(COLOURS) - 1)
    assert 0.07 < len(held) / (len(held) + len(kept)) < 0.13
    # Every word is trained on, and every word is asked for.
    for side in (held, kept):
        assert {shape for shape, _, _ in side} == set(SHAPES)
        assert {colour for _, colour, _ in side} == {ground for _, _, ground in side} == set(COLOURS)


def test_training_scenes_are_never_held_out() -> None:
    kept = set(combinations(held=False))
    for scene in random_scenes(np.random.default_rng(0), 500):
        assert (scene.shape, scene.colour, scene.background) in kept


def test_objects_lie_inside_the_picture() -> None:
    for scene in random_scenes(np.random.default_rng(1), 500):
        assert scene.radius <= scene.x <= 1 - scene.radius
        assert scene.radius <= scene.y <= 1 - scene.radius


def test_drawing_is_antialiased_and_depends_on_the_scene_alone() -> None:
    scene = scene_of(np.random.default_rng(2), "circle", "white", "black", "large", "centre")
    image = draw(scene)
    assert image.shape == (PIXELS, PIXELS, 3) and image.dtype == np.uint8
    assert len(np.unique(image[..., 0])) > 10
    assert (draw(scene) == image).all()


def test_a_circle_has_the_area_of_a_circle() -> None:
    scene = scene_of(np.random.default_rng(3), "circle", "white", "black", "large", "centre")
    share = (draw(scene)[..., 0].astype(float) - scene.ground[0]) / (scene.ink[0] - scene.ground[0])
    assert share.mean() == pytest.approx(np.pi * scene.radius**2, rel=0.05)  # OpenCV fills half a pixel beyond the edge


@pytest.mark.parametrize("held", [False, True])
def test_the_judge_reads_drawn_scenes(held: bool) -> None:
    scenes = random_scenes(np.random.default_rng(4), 500, held=held)
    verdicts = [judge(draw(scene)) for scene in scenes]
    for what in ("background", "colour", "shape", "place", "size"):
        right = np.mean([getattr(a, what) == getattr(b, what) for a, b in zip(scenes, verdicts, strict=True)])
        assert right >= 0.995, what


def test_the_judge_reads_soft_and_noisy_pictures() -> None:
    import cv2

    rng = np.random.default_rng(5)
    right = []
    for scene in random_scenes(rng, 200):
        image = cv2.GaussianBlur(draw(scene), (3, 3), 0.8).astype(float) + rng.normal(0, 4, (PIXELS, PIXELS, 3))
        verdict = judge(np.clip(image, 0, 255).astype(np.uint8))
        right.append(all(getattr(verdict, what) == getattr(scene, what) for what in ("shape", "colour", "background")))
    assert np.mean(right) >= 0.97


def test_the_judge_sees_that_there_is_nothing() -> None:
    verdict = judge(np.full((64, 64, 3), COLOURS["blue"], np.uint8))
    assert verdict.background == "blue"
    assert verdict.shape is verdict.colour is verdict.place is verdict.size is None


def test_the_judge_is_not_fooled() -> None:
    """Every wrong word is noticed: the judge separates all shapes, colours, places and sizes from each other."""
    rng = np.random.default_rng(6)
    for words, part in ((SHAPES, 0), (tuple(COLOURS), 1), (tuple(PLACES), 4), (tuple(SIZES), 3)):
        seen = []
        for word in words:
            parts = ["square", "red", "white" if word != "white" else "black", "medium", "centre"]
            parts[part] = word
            verdict = judge(draw(scene_of(rng, *parts)))
            seen.append((verdict.shape, verdict.colour, verdict.background, verdict.size, verdict.place)[part])
        assert tuple(seen) == words
