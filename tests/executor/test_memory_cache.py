"""Memory caches keep to their bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import carrara.executor.cache as cache_module
from carrara.executor.cache import Bounded, ByGeneration, Entry, LastRun, NoCache, WhileRoom
from carrara.executor.graph import Node


def entry(size: int = 1) -> Entry:
    return Entry(([b"x" * size],))


def sizeof(values: tuple[list[bytes], ...]) -> int:
    return sum(len(value) for output in values for value in output)


def test_entries_leave_in_order_of_use() -> None:
    cache = Bounded(entries=2)
    for key in (b"a", b"b"):
        cache.put(key, entry())
    assert cache.get(b"a")
    cache.put(b"c", entry())
    assert cache.get(b"b") is None and cache.get(b"a") and cache.get(b"c")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12)), max_size=40))
def test_bytes_never_exceed_the_budget(puts: list[tuple[int, int]]) -> None:
    cache = Bounded(bytes=20, sizeof=sizeof)
    for key, size in puts:
        cache.put(bytes([key]), entry(size))
        kept = [cache.get(bytes([k])) for k in range(6)]
        assert cache.held == sum(sizeof(e.values) for e in kept if e is not None) <= 20


def test_too_large_is_not_kept_and_evicts_nothing() -> None:
    cache = Bounded(bytes=10, sizeof=sizeof)
    cache.put(b"a", entry(5))
    cache.put(b"b", entry(11))
    assert cache.get(b"a") and cache.get(b"b") is None
    cache.clear()
    assert cache.held == len(cache) == 0


def test_a_budget_needs_a_measure() -> None:
    with pytest.raises(ValueError, match="sizeof"):
        Bounded(bytes=10)


def test_last_run_keeps_what_the_new_run_has_too() -> None:
    cache = LastRun()
    cache.put(b"a", entry())
    cache.put(b"b", entry())
    cache.put(b"grown", entry(), ("1", "Loop", True))
    cache.put(b"outgrown", entry(), ("2", "Loop", True))
    kinds = {"1": "Loop", "2": "Other", "3": "Add", "4": "Add"}
    graph = {id: Node(id, kind, {}) for id, kind in kinds.items()}
    cache.begin({"0": b"b", "3": b"aside", "4": b"changed"}, graph | {"2": Node("2", "Loop", {})})
    cache.put(b"aside", entry())
    cache.put(b"changed", entry())
    cache.begin({"0": b"b", "1": b"c", "4": None}, graph)
    assert cache.get(b"aside") and cache.get(b"changed") is None
    assert cache.get(b"a") is None and cache.get(b"b")
    assert cache.get(b"grown") and cache.get(b"outgrown") is None


def test_none() -> None:
    cache = NoCache()
    cache.put(b"a", entry())
    assert cache.get(b"a") is None


def test_what_is_kept_while_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "PAUSE", 0.0)
    free = [100]
    cache = WhileRoom(50, lambda: free[0])
    for i in range(8):
        cache.put(bytes([i]), entry())
    assert len(cache) == 8
    cache.get(b"\0")
    free[0] = 49
    cache.begin({}, {})
    assert len(cache) == 6 and cache.get(b"\0") and cache.get(b"\1") is None
    free[0] = 0  # not known
    cache.begin({}, {})
    assert len(cache) == 6
    cache.clear()
    assert len(cache) == 0


def test_generations_leave_whole_and_never_the_newest() -> None:
    cache = ByGeneration(3)

    def use(*names: str) -> None:
        keys = {name: name.encode() for name in names}
        cache.begin({**keys, "never": None}, {})
        for key in keys.values():
            if cache.get(key) is None:
                cache.put(key, entry())

    def kept() -> str:
        return "".join(name for name in "abcdefgh" if name.encode() in cache._entries)

    use("a", "b", "c", "d", "e")
    assert kept() == "abcde"  # more than three, but of one run
    use("a", "b", "c", "d", "e")
    assert kept() == "abcde"
    use("a", "f")
    assert kept() == "af"
    use("f", "g")
    assert kept() == "afg"
    use("h")
    assert kept() == "afgh"  # three when the run began
    use("h")
    assert kept() == "fgh"
    cache.clear()
    assert len(cache) == 0 and cache.get(b"h") is None
