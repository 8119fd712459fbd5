"""The store survives restarts, damage, death and company."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from executor_toys import CALLS, executor, graph

from carrara.executor.cache import Entry
from carrara.executor.store import JsonCodec, Store

LARGE = "x" * 100_000


def opened(folder: Path, limit: int = 1 << 30) -> Store:
    store = Store(folder, JsonCodec(), limit=limit)
    store.begin()
    return store


def read(store: Store, key: bytes) -> Entry | None:
    record = store.fetch([key]).get(key)
    return None if record is None else store.load(record)


def files(folder: Path) -> list[Path]:
    return [p for p in (folder / "values").glob("*/*") if p.is_file()]


@pytest.mark.parametrize("value", [[1, 2.5, "a", None, {"k": [True]}], [LARGE]])
def test_what_is_put_is_there_after_a_restart(tmp_path: Path, value: list[object]) -> None:
    store = opened(tmp_path)
    assert store.put(b"k" * 20, Entry((value,), {"text": ("a",)}, ("/x",)))
    assert read(store, b"k" * 20) is not None, "before it is flushed, too"
    store.close()
    store = opened(tmp_path)
    found = read(store, b"k" * 20)
    assert found is not None
    assert (found.values, found.ui, found.files) == ((value,), {"text": ["a"]}, ("/x",))
    assert store.troubles() == []
    store.close()


def test_what_has_no_form_is_not_kept(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert not store.put(b"a", Entry(([object()],)))
    assert not store.put(b"b", Entry(([1],), {"x": object()}))
    assert not store.put(b"c", Entry(([(1, 2)],))), "a tuple would come back as a list"
    store.close()


def test_a_newer_result_takes_the_place_of_an_older(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for name in ("old", "new"):
        store.put(b"a", Entry(([LARGE + name],), None, (name,)))
        found = read(store, b"a")
        assert found is not None and found.files == (name,) and found.values == ([LARGE + name],)
    store.flush()
    assert len(files(tmp_path)) == 1
    store.close()


def test_another_codec_does_not_read_these_bytes(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.put(b"a", Entry(([1],)))
    store.close()

    class Other(JsonCodec):
        name = "other"

    store = Store(tmp_path, Other())
    store.begin()
    assert store.fetch([b"a"]) == {}
    store.close()


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone"])
def test_a_damaged_file_is_noticed(tmp_path: Path, damage: str) -> None:
    store = opened(tmp_path)
    store.put(b"a", Entry(([LARGE],)))
    store.close()
    (path,) = files(tmp_path)
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        data[5000] ^= 1
        path.write_bytes({"flip": bytes(data), "cut": bytes(data[:-1]), "empty": b""}[damage])
    store = opened(tmp_path)
    assert read(store, b"a") is None
    assert len(store.troubles()) == 1
    assert store.put(b"a", Entry(([LARGE],))), "it can be kept again"
    assert read(store, b"a") is not None
    store.close()


@pytest.mark.parametrize("column", ["meta", "payload", "sum"])
def test_a_damaged_row_is_noticed(tmp_path: Path, column: str) -> None:
    store = opened(tmp_path)
    store.put(b"a", Entry(([1, "two"],)))
    store.close()
    db = sqlite3.connect(tmp_path / "index.sqlite")
    (data,) = db.execute(f"SELECT {column} FROM entry").fetchone()
    for changed in (bytes([data[0] ^ 1]) + data[1:], data[:-1], "text", b""):
        db.execute(f"UPDATE entry SET {column} = ?", (changed,))
        db.commit()
        store = opened(tmp_path)
        assert read(store, b"a") is None
        assert len(store.troubles()) == 1
        store.put(b"a", Entry(([1, "two"],)))
        store.close()
    db.close()


def test_a_damaged_index_is_made_anew(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for i in range(500):
        store.put(b"%020d" % i, Entry(([i],)))
    store.close()
    path = tmp_path / "index.sqlite"
    whole = path.read_bytes()
    for bytes_ in (
        b"not a database at all" * 50,
        whole[: len(whole) // 2],
        whole[:4096] + os.urandom(len(whole) - 4096),
    ):
        path.write_bytes(bytes_)
        store = opened(tmp_path)
        store.fetch([b"%020d" % i for i in range(500)])
        store.begin()
        store.put(b"new", Entry(([7],)))
        store.flush()
        store.begin()
        store.put(b"new", Entry(([7],)))
        store.flush()
        assert store.troubles()
        found = read(store, b"new")
        assert found is not None and found.values == ([7],)
        store.close()


def test_it_stays_within_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path, limit=1_000_000)
    monkeypatch.setattr("carrara.executor.store.TOUCH_SECONDS", 0.0)
    for i in range(30):
        store.put(b"%020d" % i, Entry(([str(i) + LARGE],)))
        assert read(store, b"%020d" % 0) is not None or i > 9, "used again and again"
        store.flush()
        assert sum(p.stat().st_size for p in files(tmp_path)) <= 1_000_000
    assert read(store, b"%020d" % 29) is not None
    assert read(store, b"%020d" % 1) is None
    assert not store.put(b"huge", Entry(([LARGE * 11],)))
    store.close()


def test_equal_results_share_a_file(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.put(b"a", Entry(([LARGE],)))
    store.put(b"b", Entry(([LARGE],)))
    store.flush()
    assert len(files(tmp_path)) == 1
    store.forget(b"a", "test")
    assert read(store, b"b") is not None
    store.forget(b"b", "test")
    assert files(tmp_path) == []
    store.close()


def test_leftovers_of_a_dead_process_are_swept(tmp_path: Path) -> None:
    store = opened(tmp_path, limit=300_000)
    store.put(b"a", Entry(([LARGE],)))
    store.flush()
    left = tmp_path / "values" / "ab" / ("ab" * 16 + ".123.part")
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"half")
    os.utime(left, (time.time() - 9999,) * 2)
    for i in range(4):
        store.put(b"%020d" % i, Entry(([str(i) + LARGE],)))
        store.flush()
    assert not left.exists()
    store.close()


def test_a_store_that_cannot_be_written_costs_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    store = Store(tmp_path / "file" / "store", JsonCodec())
    result = executor(store=store).run(graph(n=("Number", {"value": 1}), e=("Show", {"value": ["n", 0]})))
    assert result.status == "done"


def test_a_full_disk_costs_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path)

    def full(self: Path, *_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    assert not store.put(b"a", Entry(([LARGE],)))
    monkeypatch.undo()
    assert "No space left" in store.troubles()[0]
    assert files(tmp_path) == []
    store.close()


def test_runs_go_on_where_another_process_stopped(tmp_path: Path) -> None:
    made = graph(n=("Number", {"value": 1}), a=("Add", {"a": ["n", 0], "b": 2}), e=("Show", {"value": ["a", 0]}))
    for round in range(2):
        store = Store(tmp_path, JsonCodec())
        CALLS.clear()
        result = executor(store=store, store_seconds=0.0).run(made)
        assert result.ui["e"]["text"] == ["3"]
        assert (CALLS.names == []) is (round == 1)
        store.close()
    store = Store(tmp_path, JsonCodec())
    CALLS.clear()
    changed = made.with_inputs({"e": {"value": made["a"].inputs["a"]}})
    assert executor(store=store).run(changed).executed == ("e",), "what is upstream of the change is stored"
    store.close()


def test_a_damaged_result_is_made_again(tmp_path: Path) -> None:
    made = graph(n=("Any", {"kind": "one", "free": LARGE}), e=("Show", {"value": ["n", 0]}))
    store = Store(tmp_path, JsonCodec())
    targets = ["n"]
    assert executor(store=store).run(made, targets=targets).executed == ("n",)
    (path,) = files(tmp_path)
    path.write_bytes(b"edited")
    events: list[object] = []
    result = executor(store=store).run(made, targets=targets, sink=events.append)
    assert result.executed == ("n",) and result.status == "done"
    assert any("was changed" in str(event) for event in events)
    path.write_bytes(b"edited")
    result = executor(store=store).run(made.with_inputs({"e": {}}), sink=events.append)
    assert set(result.executed) == {"n", "e"}, "a damaged result that is only passed on is made again too"
    store.close()


WRITER = """
import importlib.util, sys
from pathlib import Path
root = Path(sys.argv[1])
found = importlib.util.spec_from_file_location("carrara", root / "__init__.py", submodule_search_locations=[str(root)])
sys.modules["carrara"] = importlib.util.module_from_spec(found)
found.loader.exec_module(sys.modules["carrara"])
from carrara.executor.cache import Entry
from carrara.executor.store import JsonCodec, Store
store = Store(sys.argv[2], JsonCodec(), limit=6_000_000)
wrong = 0
for turn in range(int(sys.argv[4])):
    store.begin()
    for i in range(60):
        key = b"%020d" % i
        record = store.fetch([key]).get(key)
        entry = None if record is None else store.load(record)
        if entry is not None and entry.values != ([[i, "y" * (i * 2000)]],):
            wrong += 1
        if entry is None:
            store.put(key, Entry(([[i, "y" * (i * 2000)]],)))
    store.flush()
    print("turn", turn, flush=True)
troubles = [t for t in store.troubles() if "gone" not in t]
store.close()
print("wrong", wrong, "troubles", troubles)
"""


def writer(root: Path, folder: Path, name: str, turns: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(root), str(folder), name, str(turns)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_share_a_store(tmp_path: Path, root: Path) -> None:
    both = [writer(root, tmp_path, name, 8) for name in "ab"]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert out.splitlines()[-1] == "wrong 0 troubles []"


def test_an_index_that_is_being_made_is_waited_for(tmp_path: Path) -> None:
    import sqlite3
    import threading

    other = sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    threading.Timer(0.3, lambda: other.execute("COMMIT")).start()
    store = opened(tmp_path)
    assert store.troubles() == []
    store.close()
    other.close()


@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
def test_a_killed_writer_leaves_a_whole_store(tmp_path: Path, root: Path) -> None:
    for turn in range(3):
        process = writer(root, tmp_path, "a", 1000)
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        time.sleep(0.05 * turn)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        process.stderr.close()
    store = opened(tmp_path)
    kept = 0
    for i in range(60):
        entry = read(store, b"%020d" % i)
        if entry is not None:
            kept += 1
            assert entry.values == ([[i, "y" * (i * 2000)]],)
    assert kept > 10
    assert [t for t in store.troubles() if "gone" not in t] == []
    store.close()
