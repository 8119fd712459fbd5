"""Installed packs: distributions whose entry point gives nodes of ours. They need no host, and no torch."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import FunctionType, ModuleType

from ..executor.spec import NodeSpec, spec_of
from ..nodes.catalog import outside
from .contain import bounded, contained
from .failure import failure
from .packs import Pack

SECONDS = 60.0


def seconds() -> float:
    """How long a pack may take to be imported."""
    return float(os.environ.get("CARRARA_PACK_SECONDS") or SECONDS)


class Roll:
    """The nodes that packs bring to one engine. builtin: the engine's own nodes. Those that the ecosystem knows under
    that name stay; names that only we use give way, because a file that a pack's user saved means the pack's node.
    """

    def __init__(self, builtin: Mapping[str, NodeSpec]) -> None:
        self.builtin = builtin
        self.owners: dict[str, str] = {}  # id -> pack that gave it last
        self.names: dict[str, str] = {}  # id or alias -> id
        self.nodes: dict[str, NodeSpec] = {}

    @property
    def displaced(self) -> set[str]:
        """Built-in names that packs took."""
        return {name for name in self.names if name in self.builtin}

    def admit(
        self, pack: str, specs: Iterable[NodeSpec], notes: list[str]
    ) -> tuple[tuple[NodeSpec, ...], dict[str, str]]:
        """Let nodes in: the ecosystem's names stay, nodes of earlier packs give way. What is in, and why the rest is
        not."""
        refused: dict[str, str] = {}
        nodes: list[NodeSpec] = []
        for spec in specs:
            taken = [name for name in spec.ids if name in self.builtin]
            fixed = next((name for name in taken if not _gives_way(name, self.builtin[name])), None)
            if fixed is not None:
                refused[spec.id] = f"{fixed} is a built-in node's name"
                continue
            notes.extend(
                f"{name} replaces a built-in node, which is {outside(self.builtin[name].id)} now" for name in taken
            )
            earlier = self.owners.get(spec.id)
            if earlier not in (None, pack):
                notes.append(f"{spec.id} replaces the one of {earlier}")
            if any(self.names.get(name, spec.id) != spec.id for name in spec.aliases):
                spec = replace(spec, aliases=())
            self.names.update(dict.fromkeys(spec.ids, spec.id))
            self.owners[spec.id] = pack
            self.nodes[spec.id] = spec
            nodes.append(spec)
        return tuple(nodes), refused

    def kept(self, pack: Pack) -> Pack:
        """The pack with the nodes that no later one replaced."""
        return replace(pack, nodes=tuple(node for node in pack.nodes if self.owners[node.id] == pack.name))


def _gives_way(name: str, builtin: NodeSpec) -> bool:
    return name in builtin.aliases or (builtin.own and name == builtin.id)


def load_installed(points: Iterable[EntryPoint], roll: Roll, limit: float | None = None) -> list[Pack]:
    """Every installed pack."""
    return [_load(point, roll, seconds() if limit is None else limit) for point in points]


def _load(point: EntryPoint, roll: Roll, limit: float) -> Pack:
    """A distribution's nodes: of a module, or of a function that gives them."""
    notes: list[str] = []
    begun = time.perf_counter()
    name = point.dist.name if point.dist is not None else point.name

    def work() -> tuple[Path, list[NodeSpec]]:
        given = point.load()
        place = Path(getattr(given, "__file__", None) or ".")
        made = given() if callable(given) and not isinstance(given, ModuleType) else own(given)
        return place, [replace(spec_of(one), module=name) for one in made]

    with contained(notes):
        ran = bounded(work, limit, f"pack {name}", loop=False)
    took = time.perf_counter() - begun
    if ran.error is not None:
        why = failure(ran.error, Path(point.value))
        return Pack(name, Path(point.value), reason=why.reason, lacks=why.lacks, traceback=why.traceback,
                    seconds=took, notes=tuple(notes))  # fmt: skip
    place, specs = ran.value
    nodes, refused = roll.admit(name, specs, notes)
    return Pack(name, place, nodes, entry=name, sort="own", left_out=refused, seconds=took, notes=tuple(notes))


def own(module: ModuleType) -> list[NodeSpec]:
    """Nodes declared with @carrara.node in a pack's modules and named in its first one."""
    found = [one for one in vars(module).values() if isinstance(one, FunctionType)]
    inside = [one for one in found if one.__module__.startswith(module.__name__)]
    return [spec_of(one) for one in inside if isinstance(getattr(one, "__carrara_node__", None), NodeSpec)]
