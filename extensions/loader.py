"""Loading packs: every one contained, read into node specs, and listed with what came of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any

from ..executor.spec import Catalog, NodeSpec, Services
from ..nodes.store import KINDS, Files
from . import v3
from .classic import Origin
from .classic import spec_of as classic_spec
from .contain import bounded, contained
from .declared import promised
from .failure import failure
from .host import Host
from .imports import Space
from .installed import Roll, own, seconds
from .packs import Pack, entries
from .webs import webs

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


def load(
    folders: list[Path], roll: Roll, services: Services, catalogue: Callable[[], Catalog], spare: Path
) -> tuple[Host, list[Pack]]:
    """A host with the packs of these folders in it; their nodes go to the roll.

    catalogue: gives the engine's nodes later. The folder that holds `custom_nodes` stands for the program's own; where
    no folder is called that, `spare` does.
    """
    places = [folder.parent if (folder / "__init__.py").is_file() else folder for folder in folders]
    base = next((place.absolute().parent for place in places if place.name == "custom_nodes"), spare)
    files: Files | None = services.get(Files)
    if files is not None:
        for kind in KINDS:
            files.root(kind).mkdir(parents=True, exist_ok=True)  # packs list them while they are read
    host = Host(services, catalogue, base=base)
    return host, Loader(host, roll).load(folders)


class Loader:
    """Loads packs into a host, and their nodes into a roll."""

    def __init__(self, host: Host, roll: Roll, limit: float | None = None) -> None:
        self.host = host
        self.roll = roll
        self.limit = seconds() if limit is None else limit
        self.token = os.urandom(3).hex()

    def load(self, folders: Iterable[Path | str]) -> list[Pack]:
        """Every pack of these folders, prestartup scripts first."""
        places = [Path(folder) for folder in folders]
        self.host.folders[:] = places
        found = list(entries(places))
        spaces = {entry: self.space(entry) for entry in found}
        troubles: dict[Path, str] = {}
        for entry in found:
            if (entry / PRESTARTUP).is_file():
                trouble = self.prestart(spaces[entry], entry)
                if trouble:
                    troubles[entry] = trouble
        packs = [self.pack(entry, spaces[entry], troubles.get(entry, "")) for entry in found]
        self.core()
        self.host.packs[:] = map(self.roll.kept, packs)
        return list(self.host.packs)

    def core(self) -> None:
        """Core node classes that no node of ours stands behind, as far as packs have asked for the core's list."""
        mine = {id: kind for id, kind in self.host.core().items() if id not in self.roll.builtin}
        for id, kind in mine.items():
            found = Found()
            self.classes({id: kind}, {}, Origin(self.host, "", "comfy_extras", home=kind.__module__), found)
            self.roll.admit("", found.nodes, [])

    def space(self, entry: Path) -> Space:
        """Names of the pack's own, told apart from those of an equally named pack, and of another engine's."""
        place = blake2b(str(entry.resolve()).encode(), digest_size=4).hexdigest()
        prefix = f"carrara_pack_{entry.stem.replace('.', '_x_')}_{place}_{self.token}"
        self.host.spaces[entry.stem if entry.is_file() else entry.name] = space = Space(self.host, entry.stem, prefix)
        return space

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
        folders = {**webs(module, entry), **self.host.web_folders()}
        nodes, left_out = self.admit(entry.stem, found, notes)
        if not found.nodes and not found.left_out and not hasattr(module, "NODE_CLASS_MAPPINGS"):
            return replace(base, reason="it declares no nodes", promised=promised(entry), notes=tuple(notes))
        return replace(base, nodes=nodes, left_out=left_out, sort=found.sort, webs=folders,
                       notes=tuple(notes))  # fmt: skip

    # --- reading -------------------------------------------------------------------------------------------

    def read(self, module: ModuleType, entry: Path) -> Found:
        """What a pack's module declares, in whichever forms."""
        found = Found()
        own_nodes = own(module)
        called = entry.stem if entry.is_file() else entry.name
        if own_nodes:
            found.nodes += [replace(spec, module=called) for spec in own_nodes]
            found.sorts.add("own")
        origin = Origin(self.host, entry.stem, called, stamp(entry))
        mapping = getattr(module, "NODE_CLASS_MAPPINGS", None)
        if isinstance(mapping, Mapping):
            titles = getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", None) or {}
            self.classes(mapping, titles, origin, found)
        elif hasattr(module, "comfy_entrypoint"):
            self.entry_point(module, origin, found)
        self.classes(
            {id: kind for id, kind in self.host.planted().items() if id not in found.classes}, {}, origin, found
        )
        return found

    def classes(self, mapping: Mapping[str, Any], titles: Mapping[str, str], origin: Origin, found: Found) -> None:
        for id, kind in mapping.items():
            read = self.schema if v3.is_v3(kind) else self.classic
            self.keep(str(id), partial(read, kind, origin, str(id), titles.get(id)), kind, found)

    def entry_point(self, module: ModuleType, origin: Origin, found: Found) -> None:
        """Classes that a pack's `comfy_entrypoint` gives, most of them of the second form."""
        for kind in v3.entry_classes(module, self.host):
            name = getattr(kind, "__name__", str(kind))
            self.keep(name, partial(self.schema, kind, origin), kind, found)

    def keep(self, id: str, read: Callable[[], NodeSpec], kind: Any, found: Found) -> None:
        """Read one class; what goes wrong costs the pack this node only."""
        try:
            spec = read()
        except Exception as error:  # foreign code may raise anything
            found.left_out[id] = f"{type(error).__name__}: {error}"
            return
        found.nodes.append(spec)
        found.classes[spec.id] = kind
        found.titles[spec.id] = spec.title
        found.sorts.add("V3" if v3.is_v3(kind) else "classic")

    def classic(self, kind: Any, origin: Origin, id: str, title: str | None) -> NodeSpec:
        kind.RELATIVE_PYTHON_MODULE = origin.module
        return classic_spec(id, kind, origin, title)

    def schema(self, kind: Any, origin: Origin, id: str | None = None, title: str | None = None) -> NodeSpec:
        return v3.spec_of(kind, self.host, origin.pack, origin.entry, id, title, origin.stamp)

    def admit(self, pack: str, found: Found, notes: list[str]) -> tuple[tuple[NodeSpec, ...], dict[str, str]]:
        nodes, refused = self.roll.admit(pack, found.nodes, notes)
        here = {spec.id for spec in nodes}
        self.host.publish({id: kind for id, kind in found.classes.items() if id in here}, found.titles)
        return nodes, {**found.left_out, **refused}


def stamp(entry: Path) -> str:
    """Changes with the pack's source files, so that results of older ones are not taken for new."""
    files = [entry] if entry.is_file() else sorted(entry.rglob("*.py"))
    state = [(str(file.relative_to(entry.parent)), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return blake2b(repr(state).encode(), digest_size=8).hexdigest()
