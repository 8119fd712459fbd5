"""Samplers and schedules that packs added to the ecosystem's tables, for our own menus."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from ..models.menus import Menus

if TYPE_CHECKING:
    from ..samplers.integrate import Sampler
    from ..samplers.levels import Levels
    from ..samplers.schedules import Schedule
    from .host import Host


class TheirMenus(Menus):
    """Read anew each time: packs may add at any time. Nothing is loaded to look."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def _tables(self) -> Any:
        return self._host.modules.loaded().get("comfy.samplers")

    def samplers(self) -> tuple[str, ...]:
        tables = self._tables
        if tables is None:
            return super().samplers()
        return _joined(super().samplers(), tables.KSampler.SAMPLERS, tables.SAMPLER_NAMES)

    def schedulers(self) -> tuple[str, ...]:
        tables = self._tables
        if tables is None:
            return super().schedulers()
        return _joined(super().schedulers(), tables.KSampler.SCHEDULERS, tables.SCHEDULER_NAMES)

    def sampler(self, name: str) -> Sampler | None:
        if name in super().samplers() or name not in self.samplers():
            return None
        from .patchers.runs import TheirSampler

        tables = self._tables
        shorter = name in tables.KSampler.DISCARD_PENULTIMATE_SIGMA_SAMPLERS
        return TheirSampler(self._host, tables.sampler_object(name), drop_second_last=shorter)

    def schedule(self, name: str) -> Schedule | None:
        if name in super().schedulers() or name not in self.schedulers():
            return None
        tables, modules = self._tables, self._host.modules

        def made(levels: Levels, steps: int) -> list[float]:
            from ..samplers.path import VE
            from ..samplers.prediction import Eps, Sampling

            theirs = modules.load("comfy.model_sampling").of_sampling(Sampling(Eps(), VE(), levels))
            return [float(sigma) for sigma in tables.calculate_sigmas(theirs, name, steps)]

        return made


def _joined(ours: tuple[str, ...], *theirs: list[str]) -> tuple[str, ...]:
    """Each name once. A pack adds to one of two lists, or puts a longer one in the place of the first."""
    return tuple(dict.fromkeys([*ours, *chain(*theirs)]))
