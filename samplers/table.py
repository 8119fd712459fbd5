"""Every public sampler as a row: rule x aim x noise."""

from __future__ import annotations

from collections.abc import Mapping

from .aims import ancestral, clean
from .integrate import Row
from .rules.euler import Euler


def rows() -> Mapping[str, Row]:
    """Name -> row, for every sampler this package has."""
    return {
        "euler": Row(Euler()),
        "euler_ancestral": Row(Euler(), ancestral(1.0)),
        "ddim": Row(Euler(), fresh_mask_noise=True),
        "lcm": Row(Euler(), clean),
    }
