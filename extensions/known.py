"""What the reference core is known to have, so that an absent name can be told from one that never was."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache


class Status(StrEnum):
    """How things stand with a name that is not here."""

    PLANNED = "known, but not in this version"
    REMOVED = "removed from the reference too"
    UNKNOWN = "unknown"

    @property
    def remedy(self) -> str:
        return REMEDIES[self]


REMEDIES: Mapping[Status, str] = {
    Status.PLANNED: "Nodes of the pack that do without it work.",
    Status.REMOVED: "Get a newer version of the pack.",
    Status.UNKNOWN: "Look whether the pack is made for another version.",
}

REMOVED = frozenset(
    {
        "comfy.samplers.CFGNoisePredictor",
        "comfy.sd.load_controlnet",
        "comfy.sample.prepare_mask",
    }
)

KNOWN: Mapping[str, str] = {
    "comfy": "",
}
"""Module -> its public names, as one string."""


@cache
def names(module: str) -> frozenset[str]:
    """The public names that the reference's module has; none for a module it has not."""
    return frozenset(KNOWN.get(module, "").split())


def known_module(name: str) -> bool:
    return name in KNOWN


def status(dotted: str) -> Status:
    """How things stand with a module, or a name in one."""
    module, _, name = dotted.rpartition(".")
    if dotted in REMOVED:
        return Status.REMOVED
    if dotted in KNOWN or name in names(module):
        return Status.PLANNED
    return Status.UNKNOWN
