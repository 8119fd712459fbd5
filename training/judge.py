"""Look at a picture of a simple scene and say what is in it: colours, shape, place, size. OpenCV only, no network.

The judge knows nothing of how a picture was made: it measures the background on the frame, cuts the object out by
colour, and compares its outline with each shape filled into the same box.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from .scenes import COLOURS, PLACES, SHAPES, SIZES, silhouette

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BOX = 48
"""Side of the square into which every outline is stretched before it is compared."""

VISIBLE = 16.0
"""Distance in CIE Lab from which a pixel counts as another colour than the background."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was seen; None where no object was found. `overlap` is intersection over union with the named shape."""

    background: str
    colour: str | None = None
    shape: str | None = None
    place: str | None = None
    size: str | None = None
    overlap: float = 0.0


def judge(image: NDArray[np.uint8]) -> Verdict:
    """Name what `image` (`h w 3` RGB bytes) shows."""
    import cv2
    import numpy as np

    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    border = np.concatenate([lab[:3].reshape(-1, 3), lab[-3:].reshape(-1, 3), lab[:, :3].reshape(-1, 3),
                             lab[:, -3:].reshape(-1, 3)])  # fmt: skip
    ground = np.median(border, axis=0)
    background = nearest_colour(ground)
    seen = _largest(np.linalg.norm(lab - ground, axis=2) > VISIBLE)
    if seen is None:
        return Verdict(background)
    core = cv2.erode(seen, np.ones((3, 3), np.uint8))
    ink = np.median(lab[(core if core.any() else seen) > 0], axis=0)
    # A pixel on the edge belongs to whichever side it is nearer to, so that a soft edge does not widen the object.
    towards = (ink - ground) / float(np.dot(ink - ground, ink - ground))
    mask = _largest((lab - ground) @ towards > 0.5)
    if mask is None:
        return Verdict(background)
    left, top, width, height = cv2.boundingRect(mask)
    shape, overlap = _nearest_shape(mask[top : top + height, left : left + width])
    rows, columns = mask.shape
    place = nearest_place((left + width / 2) / columns, (top + height / 2) / rows)
    size = min(SIZES, key=lambda name: abs(sum(SIZES[name]) / 2 - max(width, height) / 2 / columns))
    return Verdict(background, nearest_colour(ink), shape, place, size, overlap)


def nearest_colour(lab: NDArray[np.floating]) -> str:
    """The name of the palette's colour nearest in CIE Lab."""
    import numpy as np

    palette = _palette()
    return min(palette, key=lambda name: float(np.linalg.norm(palette[name] - lab)))


def nearest_place(x: float, y: float) -> str:
    """The name of the place nearest to a point given as shares of the picture."""
    return min(PLACES, key=lambda name: (PLACES[name][0] - x) ** 2 + (PLACES[name][1] - y) ** 2)


@cache
def _palette() -> dict[str, NDArray[np.float32]]:
    import cv2
    import numpy as np

    rgb = np.array([list(COLOURS.values())], dtype=np.float32) / 255
    return dict(zip(COLOURS, cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)[0], strict=True))


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.uint8] | None:
    """The largest connected part of a mask, if it is large enough to be an object."""
    import cv2
    import numpy as np

    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    best = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    if stats[best, cv2.CC_STAT_AREA] < 0.003 * mask.size:
        return None
    return (labels == best).astype(np.uint8)


@cache
def _templates() -> dict[str, NDArray[np.bool_]]:
    import cv2
    import numpy as np

    found = {}
    for shape in SHAPES:
        drawn = silhouette(shape, 96.0, 96.0, 90.0, 192)
        left, top, width, height = cv2.boundingRect((drawn > 127).astype(np.uint8))
        cut = drawn[top : top + height, left : left + width]
        found[shape] = cv2.resize(cut, (BOX, BOX), interpolation=cv2.INTER_AREA) > 127
    return found


def _nearest_shape(cut: NDArray[np.uint8]) -> tuple[str, float]:
    import cv2

    stretched = cv2.resize(cut * 255, (BOX, BOX), interpolation=cv2.INTER_LINEAR) > 127
    scores = {
        shape: float((stretched & template).sum()) / float((stretched | template).sum())
        for shape, template in _templates().items()
    }
    best = max(scores, key=lambda shape: scores[shape])
    return best, scores[best]
