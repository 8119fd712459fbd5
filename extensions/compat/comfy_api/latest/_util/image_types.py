"""Pictures that are no tensors."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO


class SVG:
    """Vector drawings, each a file in memory."""

    def __init__(self, data: Sequence[BytesIO]) -> None:
        self.data = list(data)

    def combine(self, other: SVG) -> SVG:
        return SVG([*self.data, *other.data])

    @staticmethod
    def combine_all(svgs: Sequence[SVG]) -> SVG:
        return SVG([one for svg in svgs for one in svg.data])
