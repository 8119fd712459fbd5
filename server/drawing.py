"""A workflow as a small picture: its nodes as boxes, its links as lines."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

SIZE = (640, 400)
MARGIN = 30
BACKGROUND, BOX, EDGE, LINK = (28, 29, 33), (58, 62, 72), (120, 130, 150), (90, 140, 200)


def drawing(workflow: Mapping[str, Any]) -> bytes:
    """A JPEG of a workflow in the editor's form. Nodes without a place are left out."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", SIZE, BACKGROUND)
    draw = ImageDraw.Draw(picture)
    boxes = _boxes(workflow)
    if boxes:
        left, top = min(b[0] for b in boxes.values()), min(b[1] for b in boxes.values())
        right, bottom = max(b[2] for b in boxes.values()), max(b[3] for b in boxes.values())
        scale = min((SIZE[0] - 2 * MARGIN) / max(right - left, 1), (SIZE[1] - 2 * MARGIN) / max(bottom - top, 1))

        def at(x: float, y: float) -> tuple[float, float]:
            return MARGIN + (x - left) * scale, MARGIN + (y - top) * scale

        for link in workflow.get("links", ()):
            ends = link[1], link[3]
            if ends[0] in boxes and ends[1] in boxes:
                source, target = boxes[ends[0]], boxes[ends[1]]
                middle = (source[1] + source[3]) / 2, (target[1] + target[3]) / 2
                draw.line([at(source[2], middle[0]), at(target[0], middle[1])], fill=LINK, width=2)
        for x0, y0, x1, y1 in boxes.values():
            draw.rounded_rectangle([at(x0, y0), at(x1, y1)], radius=5, fill=BOX, outline=EDGE)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return out.getvalue()


def _boxes(workflow: Mapping[str, Any]) -> dict[Any, tuple[float, float, float, float]]:
    """Left, top, right, bottom by node."""
    found = {}
    for node in workflow.get("nodes", ()):
        place, size = node.get("pos"), node.get("size")
        if isinstance(place, list) and isinstance(size, list) and len(place) == len(size) == 2:
            found[node["id"]] = (place[0], place[1], place[0] + size[0], place[1] + size[1])
    return found
