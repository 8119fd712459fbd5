"""Loading packs: every one contained, read into node specs, and listed with what came of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from importlib.metadata import EntryPoint
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from ..executor.spec import NodeSpec, spec_of
from .classic import Origin
from .classic import spec_of as classic_spec
from .contain import bounded, contained
from .declared import promised
from .failure import failure
from .host import Host
from .imports import Space
from .packs import Pack, entries
from .webs import webs

SECONDS = 120.0
PRESTARTUP = "prestartup_script.py"


@dataclass
class Found:
    """What one pack's modules declare. classes: of the ecosystem's forms, by id."""

    nodes: list[NodeSpec] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    classes: dict[str, type] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    sorts: set[str] = field(default_factory=set)

    @property
    def sort(self) -> str:
        return next(iter(self.sorts)) if len(self.sorts) == 1 else "mixed" if self.sorts else ""


def seconds() -> float:
    """How long a pack may take to be imported."""
    return float(os.environ.get("CARRARA_PACK_SECONDS") or SECONDS)


class Loader:
    """Loads packs into a host. builtin: the nodes that no pack may replace."""

    def __init__(self, host: Host, builtin: Mapping[str, NodeSpec], limit: float | None = None) -> None:
        self.host = host
        self.builtin = builtin
        self.limit = seconds() if limit is None else limit
        self.token = os.urandom(3).hex()
        self.owners: dict[str, str] = {}  # id -> pack that gave it last
        self.names: dict[str, str] = {}  # id or alias -> id
        self.nodes: dict[str, NodeSpec] = {}

    def load(self, folders: Iterable[Path | str], installed: Iterable[EntryPoint] = ()) -> list[Pack]:
        """Every pack of these folders, prestartup scripts first, and the installed ones."""
        found = list(entries(folders))
        spaces = {entry: self.space(entry) for entry in found}
        troubles: dict[Path, str] = {}
        for entry in found:
            if (entry / PRESTARTUP).is_file():
                trouble = self.prestart(spaces[entry], entry)
                if trouble:
                    troubles[entry] = trouble
        packs = [self.installed(point) for point in installed]
        packs += [self.pack(entry, spaces[entry], troubles.get(entry, "")) for entry in found]
        kept = [
            replace(pack, nodes=tuple(node for node in pack.nodes if self.owners[node.id] == pack.name))
            for pack in packs
        ]
        self.host.packs[:] = kept
        return kept

    def absent(self, packs: Iterable[Pack]) -> dict[str, str]:
        """Node id -> which pack has it and why it is not there."""
        said = {id: why for pack in packs for id, why in pack.absent().items()}
        return {id: why for id, why in said.items() if id not in self.nodes}

    def space(self, entry: Path) -> Space:
        """Names of the pack's own, told apart from those of an equally named pack, and of another engine's."""
        place = blake2b(str(entry.resolve()).encode(), digest_size=4).hexdigest()
        return Space(self.host, entry.stem, f"carrara_pack_{entry.stem.replace('.', '_x_')}_{place}_{self.token}")

    def prestart(self, space: Space, entry: Path) -> str:
        notes: list[str] = []
        with contained(notes):
            ran = bounded(lambda: space.file(f"{space.prefix}.prestartup_script", entry / PRESTARTUP),
                          self.limit, f"prestartup {entry.name}")  # fmt: skip
        return "" if ran.error is None else f"{PRESTARTUP}: {failure(ran.error, entry).reason}"

    def pack(self, entry: Path, space: Space, trouble: str = "") -> Pack:
        """One entry of a folder."""
        notes: list[str] = [trouble] if trouble else []
        begun = time.perf_counter()

        def work() -> tuple[ModuleType, Found]:
            module = space.load(entry)
            return module, self.read(module, entry)

        with contained(notes):
            ran = bounded(work, self.limit, f"pack {entry.name}")
        took = time.perf_counter() - begun
        missed = tuple(space.asker.missed)
        base = Pack(entry.stem, entry, entry=entry.name, seconds=took, missed=missed)
        if ran.error is not None:
            why = failure(ran.error, entry)
            return replace(base, reason=why.reason, where=why.where, lacks=why.lacks, traceback=why.traceback,
                           promised=promised(entry), notes=tuple(notes))  # fmt: skip
        module, found = ran.value
        nodes, left_out = self.admit(entry.stem, found, notes)
        if not found.nodes and not found.left_out and not hasattr(module, "NODE_CLASS_MAPPINGS"):
            return replace(base, reason="it declares no nodes", promised=promised(entry), notes=tuple(notes))
        return replace(base, nodes=nodes, left_out=left_out, sort=found.sort, webs=webs(module, entry),
                       notes=tuple(notes))  # fmt: skip

    def installed(self, point: EntryPoint) -> Pack:
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
            ran = bounded(work, self.limit, f"pack {name}")
        took = time.perf_counter() - begun
        if ran.error is not None:
            why = failure(ran.error, Path(point.value))
            return Pack(name, Path(point.value), reason=why.reason, lacks=why.lacks, traceback=why.traceback,
                        seconds=took, notes=tuple(notes))  # fmt: skip
        place, specs = ran.value
        nodes, left_out = self.admit(name, Found(specs, sorts={"own"}), notes)
        return Pack(name, place, nodes, entry=name, sort="own", left_out=left_out, seconds=took, notes=tuple(notes))

    # --- reading -------------------------------------------------------------------------------------------

    def read(self, module: ModuleType, entry: Path) -> Found:
        """What a pack's module declares, in whichever forms."""
        found = Found()
        own_nodes = own(module)
        if own_nodes:
            found.nodes += [replace(spec, module=entry.name) for spec in own_nodes]
            found.sorts.add("own")
        origin = Origin(self.host, entry.stem, entry.name, stamp(entry))
        mapping = getattr(module, "NODE_CLASS_MAPPINGS", None)
        if isinstance(mapping, Mapping):
            titles = getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", None) or {}
            self.classes(mapping, titles, origin, found)
        elif hasattr(module, "comfy_entrypoint"):
            from .v3 import entry_classes

            for kind in entry_classes(module, self.host):
                self.v3_class(None, kind, origin, found)
        return found

    def classes(self, mapping: Mapping[str, Any], titles: Mapping[str, str], origin: Origin, found: Found) -> None:
        for id, kind in mapping.items():
            if is_v3(kind):
                self.v3_class(id, kind, origin, found)
                continue
            try:
                kind.RELATIVE_PYTHON_MODULE = f"custom_nodes.{origin.entry}"
                found.nodes.append(classic_spec(str(id), kind, origin, titles.get(id)))
            except Exception as error:  # foreign code: it costs the pack this node
                found.left_out[str(id)] = f"{type(error).__name__}: {error}"
                continue
            found.classes[str(id)] = kind
            found.titles[str(id)] = str(titles.get(id, id))
            found.sorts.add("classic")

    def v3_class(self, id: str | None, kind: Any, origin: Origin, found: Found) -> None:
        from .v3 import spec_of as v3_spec

        try:
            kind.RELATIVE_PYTHON_MODULE = f"custom_nodes.{origin.entry}"
            spec: NodeSpec = v3_spec(kind, self.host, origin.pack, origin.entry)
            spec = replace(spec, id=id or spec.id, module=origin.entry,
                           version=f"{kind.__module__}.{kind.__qualname__} {origin.stamp}")  # fmt: skip
        except Exception as error:  # foreign code: it costs the pack this node
            found.left_out[id or getattr(kind, "__name__", str(kind))] = f"{type(error).__name__}: {error}"
            return
        found.nodes.append(spec)
        found.classes[spec.id] = kind
        found.titles[spec.id] = spec.title
        found.sorts.add("V3")

    def admit(self, pack: str, found: Found, notes: list[str]) -> tuple[tuple[NodeSpec, ...], dict[str, str]]:
        """Let nodes in: built-in names stay, those of earlier packs give way."""
        left_out = dict(found.left_out)
        nodes: list[NodeSpec] = []
        for spec in found.nodes:
            taken = next((name for name in spec.ids if name in self.builtin), None)
            if taken is not None:
                left_out[spec.id] = f"{taken} is a built-in node's name"
                continue
            earlier = self.owners.get(spec.id)
            if earlier not in (None, pack):
                notes.append(f"{spec.id} replaces the one of {earlier}")
            if any(self.names.get(name, spec.id) != spec.id for name in spec.aliases):
                spec = replace(spec, aliases=())
            self.names.update(dict.fromkeys(spec.ids, spec.id))
            self.owners[spec.id] = pack
            self.nodes[spec.id] = spec
            nodes.append(spec)
        here = {spec.id for spec in nodes}
        self.host.publish({id: kind for id, kind in found.classes.items() if id in here}, found.titles)
        return tuple(nodes), left_out


def is_v3(kind: Any) -> bool:
    """Whether a class is of the ecosystem's third form."""
    return callable(getattr(kind, "GET_SCHEMA", None)) or callable(getattr(kind, "define_schema", None))


def own(module: ModuleType) -> list[NodeSpec]:
    """Nodes declared with @carrara.node in a pack's modules and named in its first one."""
    found = [one for one in vars(module).values() if isinstance(one, FunctionType)]
    inside = [one for one in found if one.__module__.startswith(module.__name__)]
    return [spec_of(one) for one in inside if isinstance(getattr(one, "__carrara_node__", None), NodeSpec)]


def stamp(entry: Path) -> str:
    """Changes with the pack's source files, so that results of older ones are not taken for new."""
    files = [entry] if entry.is_file() else sorted(entry.rglob("*.py"))
    state = [(str(file.relative_to(entry.parent)), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return blake2b(repr(state).encode(), digest_size=8).hexdigest()
