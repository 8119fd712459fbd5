"""Results kept in memory between runs: none, so many entries or bytes, those of the last run or of recent ones."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

PAUSE = 0.1
Values = tuple[list[Any], ...]
"""A node's outputs; each is a list, with one element unless the node was called several times."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One node's finished result. files: absolute paths that must still exist for it to count."""

    values: Values
    ui: Mapping[str, Any] | None = None
    files: tuple[str, ...] = ()


class Classed(Protocol):
    @property
    def type(self) -> str: ...


Owner = tuple[str, str, bool]
"""A node's id and its class, and whether an expansion of that node made what is kept."""
Keys = Mapping[str, bytes | None]


class Cache(Protocol):
    """Entries by fingerprint. Safe to call from several threads."""

    def begin(self, keys: Keys, graph: Mapping[str, Classed]) -> None:
        """A run of that graph starts; the nodes that may run have these keys."""
        ...

    def get(self, key: bytes) -> Entry | None: ...

    def put(self, key: bytes, entry: Entry, owner: Owner | None = None) -> None:
        """owner: of what an expansion made, the graph's node behind it."""
        ...

    def clear(self) -> None: ...


class NoCache:
    """Keeps nothing: each value is freed after its last consumer."""

    def begin(self, keys: Keys, graph: Mapping[str, Classed]) -> None:
        return None

    def get(self, key: bytes) -> Entry | None:
        return None

    def put(self, key: bytes, entry: Entry, owner: Owner | None = None) -> None:
        return None

    def clear(self) -> None:
        return None


class LastRun:
    """Keeps what the newest run's nodes have, and drops the rest when that run starts.

    What an expansion made is kept as long as the node behind it is in the graph, and so is what nodes have that are in
    the graph but were not asked for this time.
    """

    def __init__(self) -> None:
        self._entries: dict[bytes, Entry] = {}
        self._owners: dict[bytes, Owner] = {}
        self._lock = threading.Lock()

    def begin(self, keys: Keys, graph: Mapping[str, Classed]) -> None:
        wanted = set(keys.values())
        with self._lock:
            for key, (id, kind, made) in self._owners.items():
                node = graph.get(id)
                if (made or id not in keys) and node is not None and node.type == kind:
                    wanted.add(key)
            self._entries = {key: entry for key, entry in self._entries.items() if key in wanted}
            self._owners = {key: owner for key, owner in self._owners.items() if key in self._entries}
            for id, own in keys.items():
                if own is not None and id in graph:
                    self._owners[own] = (id, graph[id].type, False)

    def get(self, key: bytes) -> Entry | None:
        return self._entries.get(key)

    def put(self, key: bytes, entry: Entry, owner: Owner | None = None) -> None:
        with self._lock:
            self._entries[key] = entry
            if owner is not None:
                self._owners[key] = owner

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._owners.clear()


class ByGeneration:
    """Keeps what recent runs used. When a run starts and there are more than `entries`, those of the oldest runs go.

    They go a whole run at a time, and what the newest run uses stays, however much it is.
    """

    def __init__(self, entries: int) -> None:
        self._most = entries
        self._run = 0
        self._entries: dict[bytes, Entry] = {}
        self._used: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def begin(self, keys: Keys, graph: Mapping[str, Classed]) -> None:
        with self._lock:
            self._run += 1
            self._used.update((key, self._run) for key in keys.values() if key is not None and key in self._entries)
            for run in sorted(set(self._used.values()) - {self._run}):
                if len(self._entries) <= self._most:
                    break
                for key in [key for key, used in self._used.items() if used == run]:
                    del self._entries[key], self._used[key]

    def get(self, key: bytes) -> Entry | None:
        with self._lock:
            found = self._entries.get(key)
            if found is not None:
                self._used[key] = self._run
            return found

    def put(self, key: bytes, entry: Entry, owner: Owner | None = None) -> None:
        with self._lock:
            self._entries[key] = entry
            self._used[key] = self._run

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._used.clear()


class WhileRoom:
    """Keeps the most recently used entries as long as `floor` bytes of memory are free; else drops the oldest quarter.

    free: bytes free now, 0 where that is not known. It is asked at most every PAUSE seconds.
    """

    def __init__(self, floor: int, free: Callable[[], int]) -> None:
        self._floor = floor
        self._free = free
        self._asked = 0.0
        self._kept = Bounded()

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, keys: Keys, graph: Mapping[str, Classed]) -> None:
        self._look()

    def get(self, key: bytes) -> Entry | None:
        return self._kept.get(key)

    def put(self, key: bytes, entry: Entry, owner: Owner | None = None) -> None:
        self._kept.put(key, entry)
        self._look()

    def clear(self) -> None:
        self._kept.clear()

    def _look(self) -> None:
        moment = time.monotonic()
        if moment - self._asked < PAUSE:
            return
        self._asked = moment
        if 0 < self._free() < self._floor:
            self._kept.drop(-(-len(self._kept) // 4))


class Bounded:
    """Keeps the most recently used entries within a count and a number of bytes.

    sizeof: bytes an entry's values hold; values larger than the whole budget are not kept.
    """

    def __init__(
        self, *, entries: int | None = None, bytes: int | None = None, sizeof: Callable[[Values], int] | None = None
    ) -> None:
        if bytes is not None and sizeof is None:
            raise ValueError("a budget in bytes needs sizeof")
        self._most = entries
        self._budget = bytes
        self._sizeof = sizeof
        self._entries: OrderedDict[Any, tuple[Entry, int]] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Bytes counted at present."""
        return self._held

    def __len__(self) -> int:
        return len(self._entries)

    def begin(self, keys: Keys, graph: Mapping[str, Classed]) -> None:
        return None

    def get(self, key: Any) -> Entry | None:
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            self._entries.move_to_end(key)
            return found[0]

    def put(self, key: Any, entry: Entry, owner: Owner | None = None) -> None:
        size = 0 if self._sizeof is None else self._sizeof(entry.values)
        with self._lock:
            old = self._entries.pop(key, None)
            if old is not None:
                self._held -= old[1]
            if self._budget is not None and size > self._budget:
                return
            self._entries[key] = (entry, size)
            self._held += size
            while self._over():
                _, (_, freed) = self._entries.popitem(last=False)
                self._held -= freed

    def drop(self, count: int) -> None:
        """Forget so many of those that were not used for longest."""
        with self._lock:
            for _ in range(min(count, len(self._entries))):
                _, (_, freed) = self._entries.popitem(last=False)
                self._held -= freed

    def _over(self) -> bool:
        if self._most is not None and len(self._entries) > self._most:
            return True
        return self._budget is not None and self._held > self._budget

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._held = 0
