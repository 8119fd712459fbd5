"""Simple scenes, drawn: one flat object on a flat background. The training data of the embedded model.

A scene is five words (shape, colour, background, size, place) and the numbers that were drawn for them. Drawing needs
NumPy and OpenCV only, 0.1 ms a picture, so nothing is stored and every run draws its own.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

PIXELS = 128

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 36, 40),
    "orange": (245, 132, 22),
    "yellow": (250, 222, 48),
    "green": (38, 156, 62),
    "cyan": (62, 208, 216),
    "blue": (36, 72, 208),
    "purple": (134, 44, 168),
    "pink": (250, 156, 196),
    "white": (246, 246, 246),
    "black": (18, 18, 20),
}
SHAPES = ("circle", "square", "triangle", "star", "ring", "cross", "diamond", "heart")

SIZES: dict[str, tuple[float, float]] = {"small": (0.11, 0.135), "medium": (0.17, 0.2), "large": (0.24, 0.27)}
"""Half the larger side of the object's box, as a share of the picture."""

PLACES: dict[str, tuple[float, float]] = {
    f"{row} {column}".strip(): (x, y)
    for row, y in (("top", 0.29), ("", 0.5), ("bottom", 0.71))
    for column, x in (("left", 0.29), ("", 0.5), ("right", 0.71))
    if row or column
} | {"centre": (0.5, 0.5)}
"""Where the middle of the object's box lies: x, y as shares of the picture, from the top left."""

PLACE_JITTER = 0.02
COLOUR_JITTER = 7


@dataclass(frozen=True, slots=True)
class Scene:
    """What is to be seen, in words and in numbers. x, y, radius are shares of the picture; colours are RGB bytes."""

    shape: str
    colour: str
    background: str
    size: str
    place: str
    x: float
    y: float
    radius: float
    ink: tuple[int, int, int]
    ground: tuple[int, int, int]


def held_out(shape: str, colour: str, background: str) -> bool:
    """Is this combination kept from training? About one in ten, by hash, so that it never depends on a seed."""
    digest = hashlib.sha256(f"{shape}/{colour}/{background}".encode()).digest()
    return digest[0] < 26


def combinations(*, held: bool) -> list[tuple[str, str, str]]:
    """All (shape, colour, background) of one side of the split, in a fixed order."""
    return [
        (shape, colour, background)
        for shape in SHAPES
        for colour in COLOURS
        for background in COLOURS
        if colour != background and held_out(shape, colour, background) == held
    ]


def random_scene(rng: Generator, *, held: bool = False) -> Scene:
    """One scene of the training side (or of the held-out side) of the split."""
    pairs = combinations(held=held)
    return scene_of(rng, *pairs[int(rng.integers(len(pairs)))])


def random_scenes(rng: Generator, count: int, *, held: bool = False) -> list[Scene]:
    """`count` scenes of one side of the split."""
    pairs = combinations(held=held)
    return [scene_of(rng, *pairs[index]) for index in rng.integers(len(pairs), size=count)]


def scene_of(
    rng: Generator, shape: str, colour: str, background: str, size: str | None = None, place: str | None = None
) -> Scene:
    """A scene with these words; size and place are drawn where they are not given."""
    size = size or list(SIZES)[int(rng.integers(len(SIZES)))]
    place = place or list(PLACES)[int(rng.integers(len(PLACES)))]
    x, y = PLACES[place]
    return Scene(
        shape, colour, background, size, place,
        x=x + float(rng.uniform(-PLACE_JITTER, PLACE_JITTER)),
        y=y + float(rng.uniform(-PLACE_JITTER, PLACE_JITTER)),
        radius=float(rng.uniform(*SIZES[size])),
        ink=_shade(rng, colour),
        ground=_shade(rng, background),
    )  # fmt: skip


def _shade(rng: Generator, colour: str) -> tuple[int, int, int]:
    jitter = rng.integers(-COLOUR_JITTER, COLOUR_JITTER + 1, size=3)
    r, g, b = (min(max(value + int(step), 0), 255) for value, step in zip(COLOURS[colour], jitter, strict=True))
    return r, g, b


def outline(shape: str) -> list[NDArray[np.float64]]:
    """The contours of a shape, each `n 2` as x, y (y down), its box centred on 0 with larger half side 1."""
    import numpy as np

    def ngon(corners: int, radius: float = 1.0) -> NDArray[np.float64]:
        angle = np.arange(corners) * (2 * math.pi / corners) - math.pi / 2
        return np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius

    arm = 0.34
    if shape == "circle":
        contours = [ngon(72)]
    elif shape == "ring":
        contours = [ngon(72), ngon(72, 0.56)]
    elif shape == "square":
        contours = [np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=float)]
    elif shape == "triangle":
        contours = [ngon(3)]
    elif shape == "diamond":
        contours = [np.array([[0, -1], [0.78, 0], [0, 1], [-0.78, 0]], dtype=float)]
    elif shape == "star":
        contours = [ngon(10) * np.where(np.arange(10) % 2, 0.42, 1.0)[:, None]]
    elif shape == "cross":
        half = [(-arm, -1), (arm, -1), (arm, -arm), (1, -arm), (1, arm), (arm, arm)]
        contours = [np.array([*half, *((-x, -y) for x, y in half)], dtype=float)]
    elif shape == "heart":
        angle = np.linspace(0, 2 * math.pi, 72, endpoint=False)
        x = 16 * np.sin(angle) ** 3
        y = -(13 * np.cos(angle) - 5 * np.cos(2 * angle) - 2 * np.cos(3 * angle) - np.cos(4 * angle))
        contours = [np.stack([x, y], axis=1)]
    else:
        raise KeyError(shape)
    low, high = contours[0].min(axis=0), contours[0].max(axis=0)
    return [(contour - (low + high) / 2) * (2 / (high - low).max()) for contour in contours]


def silhouette(shape: str, x: float, y: float, radius: float, pixels: int) -> NDArray[np.uint8]:
    """The object's coverage, `h w` bytes, antialiased. Positions and radius in pixels."""
    import cv2
    import numpy as np

    fraction = 6  # bits below the pixel that OpenCV keeps
    mask = np.zeros((pixels, pixels), dtype=np.uint8)
    placed = [contour * radius + (x - 0.5, y - 0.5) for contour in outline(shape)]
    points = [np.rint(contour * (1 << fraction)).astype(np.int32) for contour in placed]
    cv2.fillPoly(mask, points, 255, lineType=cv2.LINE_AA, shift=fraction)
    return mask


def draw(scene: Scene, pixels: int = PIXELS) -> NDArray[np.uint8]:
    """The picture, `h w 3` RGB bytes."""
    import numpy as np

    cover = silhouette(scene.shape, scene.x * pixels, scene.y * pixels, scene.radius * pixels, pixels)
    share = cover.astype(np.float32)[..., None] / 255
    ground, ink = (np.array(rgb, dtype=np.float32) for rgb in (scene.ground, scene.ink))
    return np.rint(ground + (ink - ground) * share).astype(np.uint8)
