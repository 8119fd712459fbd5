"""`reads` of typed nodes sees linked values too: keyed once they are there, and nothing else is made for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from executor_toys import CALLS, TOYS, api

from carrara.executor import events
from carrara.executor.cache import Bounded
from carrara.executor.graph import Graph
from carrara.executor.run import Cancel, Executor
from carrara.executor.spec import Blocker, Lazy, node
from carrara.executor.store import JsonCodec, Store


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()


def content(path: str) -> str | None:
    return Path(path).read_text() if path else None


@node("ReadFile", category="test", reads=content)
def read_file(path: str) -> str:
    """The text of a file."""
    CALLS.add("ReadFile")
    return Path(path).read_text()


@node("Name", category="test")
def name(path: str) -> str:
    """A path."""
    CALLS.add("Name")
    return path


@node("Costly", category="test")
def costly(text: str, more: int = 0) -> str:
    """Work that must not be done twice."""
    CALLS.add("Costly")
    return text.upper()


@node("Maybe", category="test")
def maybe(on: bool, text: Lazy[str]) -> str:
    """Reads only if on."""
    return text.get() if on else "off"


@node("Names", category="test")
def names(folder: str) -> list[str]:
    """All files of a folder."""
    return sorted(map(str, Path(folder).glob("*.txt")))


@node("NoName", category="test")
def no_name() -> str | Blocker:
    """Nothing."""
    return Blocker()


NODES = TOYS.plus([read_file, name, costly, maybe, names, no_name])


def graph(path: Path) -> Graph:
    return Graph.from_api(
        api(
            n=("Name", {"path": str(path)}),
            f=("ReadFile", {"path": ["n", 0]}),
            slow=("Costly", {"text": "x", "more": 1}),
            w=("Costly", {"text": ["f", 0], "more": 0}),
            j=("StringPair", {"a": ["w", 0], "b": ["slow", 0]}),
        )
    )


@node("StringPair", category="test")
def string_pair(a: str, b: str) -> str:
    """Both."""
    CALLS.add("StringPair")
    return a + b


def engine(**more: Any) -> Executor:
    return Executor(NODES.plus([string_pair]), **more)


def test_a_changed_file_behind_a_link_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    executor = engine(cache=Bounded(entries=99))
    assert executor.run(graph(path), targets=["j"]).values["j"] == ("ONEX",)
    again = executor.run(graph(path), targets=["j"])
    assert again.executed == () and set(again.cached) == {"n", "f", "slow", "w", "j"}
    path.write_text("two")
    changed = executor.run(graph(path), targets=["j"])
    assert changed.values["j"] == ("TWOX",) and changed.executed == ("f", "w", "j")


def test_after_a_restart_only_what_names_the_file_may_run(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    for expected in (("n", "f", "slow", "w", "j"), ()):
        store = Store(tmp_path / "store", JsonCodec())
        result = engine(store=store, store_seconds=0.0).run(graph(path), targets=["j"])
        store.close()
        assert set(result.executed) == set(expected)


def test_the_plan_is_told_before_what_ran_for_it(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    heard: list[Any] = []
    engine().run(graph(path), targets=["j"], sink=heard.append)
    assert isinstance(heard[0], events.RunStarted) and heard[0].total == 5
    assert next(e.node for e in heard if isinstance(e, events.NodeStarted)) == "n"
    assert CALLS.count("Name") == 1


def test_lists_and_lazy_branches(tmp_path: Path) -> None:
    for text in "ab":
        (tmp_path / f"{text}.txt").write_text(text)
    executor = engine(cache=Bounded(entries=99))
    made = Graph.from_api(api(n=("Names", {"folder": str(tmp_path)}), f=("ReadFile", {"path": ["n", 0]})))
    assert executor.run(made, targets=["f"]).values["f"] == (["a", "b"],)
    (tmp_path / "b.txt").write_text("c")
    assert executor.run(made, targets=["f"]).values["f"] == (["a", "c"],)
    lazy = Graph.from_api(
        api(
            n=("Name", {"path": str(tmp_path / "a.txt")}),
            f=("ReadFile", {"path": ["n", 0]}),
            m=("Maybe", {"on": False, "text": ["f", 0]}),
        )
    )
    CALLS.clear()
    assert executor.run(lazy, targets=["m"]).executed == ("m",) and CALLS.names == []
    assert executor.run(lazy.with_inputs({"m": {"on": True}}), targets=["m"]).values["m"] == ("a",)


def test_failures_stops_and_blocks_before_the_plan(tmp_path: Path) -> None:
    def made(kind: str) -> Graph:
        return Graph.from_api(api(n=(kind, {"value": 1} if kind == "Fail" else {}), f=("ReadFile", {"path": ["n", 0]})))

    failing = engine()
    ids = failing.run(Graph.from_api(api(v=("Fail", {"value": 1}), n=("Name", {"path": ["v", 0]}))), targets=["n"])
    assert ids.status == "invalid"  # a number is no path
    blocked = failing.run(made("NoName"), targets=["f"])
    assert blocked.status == "done" and CALLS.count("ReadFile") == 0
    cancel = Cancel()
    cancel.set()
    assert failing.run(graph(tmp_path / "none"), targets=["j"], cancel=cancel).status == "interrupted"
    heard: list[Any] = []
    lost = failing.run(graph(tmp_path / "none"), targets=["j"], sink=heard.append)
    assert lost.status == "failed" and type(heard[0]) is events.RunStarted and "f" in str(lost.error)


def test_a_plan_does_not_run_anything(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    plan = engine().explain(graph(path), targets=["j"])
    assert (
        CALLS.names == [] and "not there in time" in plan.reasons["f"] and set(plan.run) == {"n", "f", "slow", "w", "j"}
    )


def test_ctrl_c_before_the_plan_is_told_in_order() -> None:
    @node("Slept", category="test")
    def slept() -> str:
        raise KeyboardInterrupt

    heard: list[Any] = []
    made = Graph.from_api(api(n=("Slept", {}), f=("ReadFile", {"path": ["n", 0]})))
    result = Executor(NODES.plus([slept])).run(made, targets=["f"], sink=heard.append)
    assert result.status == "interrupted"
    assert type(heard[0]) is events.RunStarted and type(heard[-1]) is events.RunFinished


def test_a_failure_before_the_plan_is_a_failure_of_its_node() -> None:
    @node("Lost", category="test")
    def lost() -> str:
        raise OSError("lost")

    heard: list[Any] = []
    made = Graph.from_api(
        api(n=("Lost", {}), f=("ReadFile", {"path": ["n", 0]}), w=("Costly", {"text": ["f", 0], "more": 0}))
    )
    result = Executor(NODES.plus([lost])).run(made, targets=["w"], sink=heard.append)
    assert result.status == "failed" and result.error is not None and "lost" in str(result.error)
    kinds = [type(event) for event in heard]
    assert kinds == [events.RunStarted, events.NodeStarted, events.NodeFailed, events.RunFinished]
