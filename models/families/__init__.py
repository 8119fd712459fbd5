"""The model families. Adding one: a file here, a line in `families`, a header fixture in the tests."""

from __future__ import annotations

from ..family import Family


def families() -> tuple[Family, ...]:
    from . import sd15

    return (sd15.FAMILY,)
