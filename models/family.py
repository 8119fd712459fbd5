"""What a model family declares, and how a file's header is recognised as one.

A family is one value in one file under `families/`. Nothing else branches on the family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import UnknownFamily
from .blueprint import Blueprint, LatentFormat
from .weights import Weights


@dataclass(frozen=True)
class Rule:
    """A test of names and shapes. `reason` says why weights do not fit; None means they do."""

    reason: Callable[[Weights], str | None]

    def __and__(self, other: Rule) -> Rule:
        return Rule(lambda w: self.reason(w) or other.reason(w))

    def __or__(self, other: Rule) -> Rule:
        def either(w: Weights) -> str | None:
            first, second = self.reason(w), other.reason(w)
            return f"{first}, and {second}" if first and second else None

        return Rule(either)


def has(key: str) -> Rule:
    return Rule(lambda w: None if key in w else f"lacks {key}")


def lacks(key: str) -> Rule:
    return Rule(lambda w: f"has {key}" if key in w else None)


def shaped(key: str, *shape: int | None) -> Rule:
    """The tensor is there with that shape; None stands for any size."""

    def reason(w: Weights) -> str | None:
        if key not in w:
            return f"lacks {key}"
        got = w.shape(key)
        fits = len(got) == len(shape) and all(b is None or a == b for a, b in zip(got, shape, strict=False))
        return None if fits else f"{key} is {list(got)}, not {[s or 'any' for s in shape]}"

    return Rule(reason)


@dataclass(frozen=True)
class Part:
    """One network of a family: below which prefix it lies in a single file, and how it is made.

    marker: a key (after the prefix) without which the part is absent.
    """

    role: str
    prefix: str
    marker: str
    make: Callable[..., Any]
    config: Callable[[Weights], Any]
    aliases: Callable[[Any], Mapping[str, str]] | None = None

    def blueprint(self, file: Weights) -> Blueprint | None:
        """None where the file has no such part. Raises BadWeights for shapes that contradict each other."""
        if self.prefix + self.marker not in file:
            return None
        weights = file.under(self.prefix)
        return Blueprint(self.role, self.make, self.config(weights), weights, self.aliases)


@dataclass(frozen=True)
class Family:
    """predicts: what the network's output means, and whether the schedule ends at zero SNR, from the file alone."""

    name: str
    detect: Rule
    unet: Part
    vae: Part
    text: tuple[Part, ...]
    latent: LatentFormat
    predicts: Callable[[Weights], tuple[str, bool]]


def recognise(weights: Weights, families: Iterable[Family]) -> Family:
    """The one family the weights belong to. Raises UnknownFamily with each family's reason, or with the rivals."""
    reasons = {f: f.detect.reason(weights) for f in families}
    found = [f for f, reason in reasons.items() if reason is None]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownFamily(
            "more than one model family recognises the file",
            got=", ".join(f.name for f in found),
            expected="exactly one",
            remedy="This is a fault of Carrara: please report the header.",
        )
    raise UnknownFamily(
        "no model family recognises the file",
        got="; ".join(f"{f.name}: {reason}" for f, reason in reasons.items()),
        remedy="`carrara models inspect FILE` shows what it holds.",
    )
