"""Names of samplers and schedules that menus offer: ours, and those foreign packs add. Importable without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..samplers.names import SAMPLERS, SCHEDULERS

if TYPE_CHECKING:
    from ..samplers.integrate import Sampler
    from ..samplers.schedules import Schedule


class Menus:
    """What there is beside our own; of this class itself, nothing."""

    def samplers(self) -> tuple[str, ...]:
        """All names, ours first."""
        return SAMPLERS

    def schedulers(self) -> tuple[str, ...]:
        return SCHEDULERS

    def sampler(self, name: str) -> Sampler | None:
        """One that is not ours; None for any other name."""
        return None

    def schedule(self, name: str) -> Schedule | None:
        return None


def sampler_names(services: Mapping[type, Any]) -> tuple[str, ...]:
    """For `Choices`."""
    return menus_of(services).samplers()


def scheduler_names(services: Mapping[type, Any]) -> tuple[str, ...]:
    return menus_of(services).schedulers()


def menus_of(services: Mapping[type, Any]) -> Menus:
    found: Menus | None = services.get(Menus)
    return Menus() if found is None else found
