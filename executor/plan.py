"""What must run: pulled from the targets, stopping at whatever is cached."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from .bound import Bound
from .cache import Cache, Entry
from .fingerprint import Fingerprints, Key
from .ports import NodeSpec
from .store import Record, Store


@dataclass(frozen=True, eq=False)
class Plan:
    """What a run would do. reasons: for every node, why it runs or does not."""

    run: tuple[str, ...]
    cached: tuple[str, ...]
    reasons: Mapping[str, str]


class Acted:
    """The keys of nodes that are run for what they do and took part in the newest run."""

    def __init__(self) -> None:
        self._keys: frozenset[Key] = frozenset()

    def __contains__(self, key: Key) -> bool:
        return key in self._keys

    def renew(self, keys: Iterable[Key | None]) -> None:
        self._keys = frozenset(key for key in keys if key is not None)


class Planner:
    """Knows of each node whether it is available, must run, or was not asked for yet.

    Nodes with equal keys are one node: the first met stands for all (`same`).
    """

    def __init__(
        self, nodes: dict[str, Bound], keys: Fingerprints, cache: Cache, store: Store | None, acted: Acted
    ) -> None:
        self.nodes = nodes
        self.todo: set[str] = set()
        self.hits: dict[str, Entry | Record] = {}
        self.reasons: dict[str, str] = {}
        self.ran: set[str] = set()
        self.kept: set[str] = set()
        self._keys = keys
        self._cache = cache
        self._store = store
        self._acted = acted
        self._leaders: dict[Key, str] = {}
        self._followers: dict[str, str] = {}
        self._lazy: dict[NodeSpec, frozenset[str]] = {}

    def same(self, id: str) -> str:
        """The node that stands for this one."""
        return self._followers.get(id, id)

    def lazy(self, spec: NodeSpec) -> frozenset[str]:
        found = self._lazy.get(spec)
        if found is None:
            found = self._lazy[spec] = frozenset(port.param for port in spec.plain if port.lazy)
        return found

    def adopt(self, ids: Iterable[str]) -> None:
        """Find among new nodes those that are the same."""
        keys = self._keys.keys
        leaders = self._leaders
        for id in ids:
            key = keys[id]
            if key is not None:
                leader = leaders.setdefault(key, id)
                if leader is not id:
                    self._followers[id] = leader
                    self.reasons[id] = f"node {leader} is the same and stands for it"

    def forget(self, id: str) -> None:
        """A node is made anew: what was known of it holds no longer."""
        self._followers.pop(id, None)
        self.hits.pop(id, None)
        self.kept.discard(id)
        self.ran.discard(id)

    def need(self, ids: Iterable[str], have: Mapping[str, object]) -> list[str]:
        """Make these available: the nodes that must run for it and were not asked for before.

        have: nodes whose values are at hand. Lazy inputs are not followed.
        """
        new: list[str] = []
        followers = self._followers
        wave = list(ids)
        while wave:
            asked = self._unknown(wave, have)
            self._probe(asked)
            wave = []
            for id in asked:
                if id in self.hits:
                    continue
                self.todo.add(id)
                new.append(id)
                bound = self.nodes[id]
                lazy = self.lazy(bound.spec)
                for param, source, _ in bound.wires:
                    if not lazy or param not in lazy:
                        wave.append(followers.get(source, source) if followers else source)
        return new

    def _unknown(self, ids: Iterable[str], have: Mapping[str, object]) -> list[str]:
        seen: dict[str, None] = {}
        for id in ids:
            if id not in self.todo and id not in self.hits and id not in have:
                seen[id] = None
        return list(seen)

    def _probe(self, ids: list[str]) -> None:
        """Look in memory, then on disk."""
        keys = self._keys.keys
        missing: list[tuple[str, Key]] = []
        for id in ids:
            key = keys[id]
            if key is None:
                self.reasons[id] = f"runs: {self._keys.why.get(id, 'it has no fingerprint')}"
                continue
            entry = self._cache.get(key)
            if entry is not None and self._stands(id, key, entry) and self._whole(id, entry):
                self.hits[id] = entry
                self.kept.add(id)
                self.reasons[id] = "cached in memory"
            else:
                missing.append((id, key))
        if not missing:
            return
        brief = self._keys.brief
        sought = [key for id, key in missing if id not in brief]
        found = {} if self._store is None or not sought else self._store.fetch(sought)
        for id, key in missing:
            record = found.get(key)
            if record is not None and self._stands(id, key, record) and self._whole(id, record):
                self.hits[id] = record
                self.kept.add(id)
                self.reasons[id] = "stored on disk"
            elif id not in self.reasons:
                self.reasons[id] = "runs: no result is kept for these inputs"

    def _stands(self, id: str, key: Key, found: Entry | Record) -> bool:
        """Whether what the node did still holds: another run in between may have undone it."""
        if not self.nodes[id].spec.acts or found.files or key in self._acted:
            return True
        self.reasons[id] = "runs: it is run for what it does, and was no part of the last run"
        return False

    def _whole(self, id: str, found: Entry | Record) -> bool:
        """Whether the files that the result wrote are still there."""
        for file in found.files:
            if not os.path.exists(file):  # noqa: PTH110  many files, and a Path costs more than the look
                self.reasons[id] = f"runs: its file {file} is gone"
                return False
        return True

    def take(self, id: str) -> Entry | None:
        """The values of a hit, read from disk if need be. None when damaged: the node is unknown again."""
        found = self.hits.get(id)
        if not isinstance(found, Record):
            return found
        assert self._store is not None
        entry = self._store.load(found)
        if entry is None:
            del self.hits[id]
            self.kept.discard(id)
            self.reasons[id] = "runs: its stored result was damaged"
            return None
        self.hits[id] = entry
        key = self._keys.keys[id]
        if key is not None:
            self._cache.put(key, entry)
        return entry

    def finished(self, id: str) -> None:
        self.todo.discard(id)
        self.ran.add(id)

    def over(self) -> None:
        """The run ends: what acted in it is what acted last."""
        there = self.kept | self.ran
        self._acted.renew(self._keys.keys[id] for id, bound in self.nodes.items() if bound.spec.acts and id in there)

    def spared(self) -> list[str]:
        """Nodes that need not run: hits, whatever only hits use, and those that another stands for."""
        covered: set[str] = set()
        found: list[str] = []
        nodes, kept, todo, ran, followers = self.nodes, self.kept, self.todo, self.ran, self._followers
        for id in reversed(nodes):
            if id in kept or id in followers or (id in covered and id not in todo and id not in ran):
                found.append(id)
                for wire in nodes[id].wires:
                    covered.add(followers.get(wire.source, wire.source))
                    covered.add(wire.source)
        found.reverse()
        return found

    def idle(self, spared: Collection[str]) -> list[str]:
        """Nodes that nobody has asked for yet, but whose results are kept: lazy inputs may lead there."""
        keys = self._keys.keys
        passed = {*spared, *self.todo, *self.ran}
        asked = {id: keys.get(id) for id in self.nodes if id not in passed}
        sought = {id: key for id, key in asked.items() if key is not None and id not in self._keys.brief}
        stored = self._store.fetch(list(sought.values())) if self._store is not None and sought else {}
        found: list[str] = []
        for id, key in asked.items():
            entry = None if key is None else self._cache.get(key) or stored.get(key)
            if entry is not None and all(map(os.path.exists, entry.files)):
                found.append(id)
        return found

    def explained(self, spared: Iterable[str]) -> dict[str, str]:
        """A reason for every node, in order."""
        reasons = dict.fromkeys(self.nodes, "not needed: no node asked for it")
        reasons.update(dict.fromkeys(spared, "not needed: what uses it is cached"))
        reasons.update(self.reasons)
        return reasons
