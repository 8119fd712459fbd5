"""What the reference core is known to have, so that an absent name can be told from one that never was."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("known.txt")


class Status(StrEnum):
    """How things stand with a name that is not here."""

    PLANNED = "known, but not in this version"
    REMOVED = "removed from the reference too"
    UNKNOWN = "unknown"
    UNINSTALLED = "not installed"

    @property
    def remedy(self) -> str:
        return REMEDIES[self]


REMEDIES: Mapping[Status, str] = {
    Status.PLANNED: "Nodes of the pack that do without it work.",
    Status.REMOVED: "Get a newer version of the pack.",
    Status.UNKNOWN: "Look whether the pack is made for another version.",
    Status.UNINSTALLED: "Install that package (torchvision and torchaudio in the build that matches torch).",
}

REMOVED = frozenset(
    {
        "comfy.k_diffusion.external",
        "comfy_extras.chainner_models.types",
        "comfy.samplers.CFGNoisePredictor",
        "comfy.sd.load_controlnet",
        "comfy.sample.prepare_mask",
    }
)


ASSUMED = frozenset(
    {
        "torchvision", "torchaudio", "kornia", "spandrel", "transformers", "tokenizers", "sentencepiece", "tqdm",
        "psutil", "av", "alembic", "sqlalchemy", "pydantic", "pydantic_settings", "huggingface_hub", "requests",
    }
)  # fmt: skip
"""Packages that every installation of the reference has and this program does not need. Packs import them unguarded."""


@cache
def known() -> Mapping[str, frozenset[str]]:
    """Module -> its public names."""
    found: dict[str, frozenset[str]] = {}
    module = ""
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        words = line.split()
        if not line.startswith(" "):
            module = words.pop(0).removesuffix(":")
        found[module] = found.get(module, frozenset()) | frozenset(words)
    return found


def names(module: str) -> frozenset[str]:
    """The public names that the reference's module has; none for a module it has not."""
    return known().get(module, frozenset())


def known_module(name: str) -> bool:
    return name in known()


def status(dotted: str) -> Status:
    """How things stand with a module, or a name in one."""
    module, _, name = dotted.rpartition(".")
    if dotted.partition(".")[0] in ASSUMED:
        return Status.UNINSTALLED
    if dotted in REMOVED or module in REMOVED:
        return Status.REMOVED
    owner, _, kind = module.rpartition(".")
    if known_module(dotted) or name in names(module) or kind in names(owner):
        return Status.PLANNED
    return Status.UNKNOWN
