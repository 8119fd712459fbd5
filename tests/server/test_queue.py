"""The queue: order, states, and what is left of it after `kill -9`."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from carrara.errors import InputError, ServerError
from carrara.server.jobs import Order, Outcome, State, tally
from carrara.server.queue import Queue

PROMPT = {"1": {"class_type": "Show", "inputs": {}}}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.sqlite"


@pytest.fixture
def queue(path: Path) -> Iterator[Queue]:
    queue = Queue(path)
    yield queue
    queue.close()


def put(queue: Queue, id: str | None = None, **more: object) -> str:
    return queue.submit(Order(PROMPT, id=id, **more)).id  # type: ignore[arg-type]


def run(queue: Queue, state: State = State.DONE) -> str:
    job = queue.take(0)
    assert job is not None and job.state is State.RUNNING
    queue.finish(job.id, Outcome(state))
    return job.id


def pending(queue: Queue) -> list[str]:
    return [item[1] for item in json.loads(queue.items(State.PENDING))]


def test_jobs_run_in_the_order_they_came(queue: Queue) -> None:
    ids = [put(queue) for _ in range(5)]
    assert pending(queue) == ids
    assert [run(queue) for _ in ids] == ids
    assert queue.take(0) is None
    assert [job.id for job in queue.history()] == ids


def test_front_goes_first_and_numbers_decide(queue: Queue) -> None:
    last, first = put(queue, "plain"), put(queue, "front", front=True)
    put(queue, "middle", number=0.5)
    put(queue, "far", number=99)
    assert first == "front" and last == "plain"
    assert pending(queue) == ["front", "plain", "middle", "far"]
    assert [run(queue) for _ in range(4)] == ["front", "plain", "middle", "far"]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(queue: Queue, number: float) -> None:
    with pytest.raises(InputError):
        put(queue, number=number)
    assert queue.remaining() == 0


def test_refused_jobs_take_a_number_too(queue: Queue) -> None:
    before = queue.submit(Order(PROMPT)).number
    queue.number()
    assert queue.submit(Order(PROMPT)).number == before + 2


def test_items_have_the_shape_of_the_protocol(queue: Queue) -> None:
    put(queue, "a", extra={"client_id": "c"}, targets=("1",), number=2.5)
    assert json.loads(queue.items(State.PENDING)) == [[2.5, "a", PROMPT, {"client_id": "c"}, ["1"]]]
    assert json.loads(queue.items(State.RUNNING)) == []


def test_the_same_job_under_the_same_id_is_one_job(queue: Queue) -> None:
    put(queue, "a")
    put(queue, "a")
    assert queue.remaining() == 1
    with pytest.raises(InputError, match="another job"):
        queue.submit(Order({"2": {}}, id="a"))


def test_delete_and_clear_touch_pending_jobs_only(queue: Queue) -> None:
    for id in "abcd":
        put(queue, id)
    queue.take(0)
    assert queue.delete(["a", "b", "nobody"]) == 1
    assert pending(queue) == ["c", "d"]
    assert queue.clear() == 2
    assert queue.remaining() == 1
    assert queue.get("c") is None


def test_a_cancelled_job_stays_known_as_interrupted(queue: Queue) -> None:
    put(queue, "a")
    put(queue, "b")
    queue.take(0)
    assert queue.cancel(["a", "b", "nobody"]) == ["b"]
    found = queue.get("b")
    assert found is not None and found.state is State.INTERRUPTED
    assert found.messages[-1][0] == "execution_interrupted"


def test_a_final_state_is_final(queue: Queue) -> None:
    put(queue, "a")
    run(queue, State.FAILED)
    queue.finish("a", Outcome(State.DONE))
    queue.give_back("a")
    assert queue.cancel(["a"]) == []
    found = queue.get("a")
    assert found is not None and found.state is State.FAILED


def test_pause_holds_jobs_and_outlives_the_process(path: Path) -> None:
    queue = Queue(path)
    put(queue, "a")
    queue.pause()
    assert queue.take(0) is None
    queue.close()
    queue = Queue(path)
    assert queue.paused and queue.take(0) is None
    queue.pause(False)
    assert run(queue) == "a"
    queue.close()


def test_take_waits_until_there_is_a_job(queue: Queue) -> None:
    found: list[str] = []

    def work() -> None:
        job = queue.take(60)
        found.append("" if job is None else job.id)

    thread = threading.Thread(target=work)
    thread.start()
    put(queue, "late")
    thread.join(60)
    assert found == ["late"]


def test_history_pages(queue: Queue) -> None:
    ids = [put(queue, f"j{i}") for i in range(6)]
    for _ in ids:
        run(queue)

    def names(**page: int) -> list[str]:
        return [job.id for job in queue.history(**page)]

    assert names(last=2) == ids[-2:]
    assert names(last=2, offset=1) == ids[1:3]
    assert names(offset=4) == ids[4:]
    assert names(offset=9) == []
    queue.forget(["j0"])
    assert names() == ids[1:]
    queue.forget()
    assert names() == []


def test_history_is_bounded(path: Path) -> None:
    queue = Queue(path, history=3)
    for i in range(5):
        put(queue, f"j{i}")
        run(queue)
    assert [job.id for job in queue.history()] == ["j2", "j3", "j4"]
    queue.close()


def test_list_filters_sorts_and_pages(queue: Queue) -> None:
    for i in range(4):
        put(queue, f"j{i}", extra={"extra_pnginfo": {"workflow": {"id": "w" if i % 2 else "v"}}})
    run(queue)
    run(queue, State.FAILED)
    page, total = queue.list(ascending=True, limit=2, offset=1)
    assert ([job.id for job in page], total) == (["j1", "j2"], 4)
    assert [job.id for job in queue.list((State.DONE, State.FAILED))[0]] == ["j1", "j0"]
    assert [job.id for job in queue.list(workflow="w", ascending=True)[0]] == ["j1", "j3"]
    assert queue.list(by_duration=True)[1] == 4


def test_what_a_job_shows_is_counted_and_the_saved_picture_chosen() -> None:
    outputs = {
        "1": {"images": [{"filename": "t.png", "type": "temp"}], "animated": [True]},
        "2": {"text": ["words"], "images": [{"filename": "a.png", "type": "output"}]},
        "3": {"result": [{"filename": "m.glb", "type": "output"}]},
    }
    count, shown = tally(outputs)
    assert count == 3
    assert shown == {"filename": "a.png", "type": "output", "nodeId": "2", "mediaType": "images"}
    assert tally({"1": {"text": ["words"]}}) == (0, None)


# --- crashes ---------------------------------------------------------------------------------------------------


def test_a_job_that_was_running_says_so_and_is_run_again(path: Path) -> None:
    queue = Queue(path)
    put(queue, "a")
    put(queue, "b")
    queue.take(0)
    queue.close()  # as far as the file knows, the process died here
    queue = Queue(path)
    assert queue.recovered == 1
    assert run(queue) == "a"
    found = queue.get("a")
    assert found is not None and found.cut == 1 and found.state is State.DONE
    assert [kind for kind, _ in found.messages] == ["execution_cut_off"]
    queue.close()


def test_a_job_that_kills_every_server_is_given_up(path: Path) -> None:
    for _ in range(3):
        queue = Queue(path)
        put(queue, "a")
        assert queue.take(0) is not None
        queue.close()
    queue = Queue(path)
    assert queue.take(0) is None
    found = queue.get("a")
    assert found is not None and found.state is State.FAILED and found.cut == 3
    assert found.error is not None and found.error["exception_type"] == "ServerDied"
    queue.close()


def test_a_job_given_back_was_not_cut_off(path: Path) -> None:
    queue = Queue(path)
    put(queue, "a")
    queue.take(0)
    queue.give_back("a")
    assert run(queue) == "a"
    found = queue.get("a")
    assert found is not None and found.cut == 0
    queue.close()


def test_a_second_server_is_turned_away(queue: Queue, path: Path) -> None:
    with pytest.raises(ServerError, match="another server"):
        Queue(path)


def test_a_file_that_is_no_queue_is_left_alone(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to be taken for a torn one" * 40)
    with pytest.raises(ServerError, match="cannot be read"):
        Queue(path)
    assert path.read_bytes().startswith(b"not a database")


def test_a_newer_queue_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ServerError, match="newer"):
        Queue(path)


STREAM = """
import sys
from pathlib import Path
from carrara.server.jobs import Order, Outcome, State
from carrara.server.queue import Queue
queue = Queue(Path(sys.argv[1]))
for n in range(int(sys.argv[2]), 100000):
    queue.submit(Order({"1": {"n": n}}, id=f"j{n}"))
    print("accepted", f"j{n}", flush=True)
    if n % 2:
        job = queue.take(0)
        queue.finish(job.id, Outcome(State.DONE, outputs={"1": {"images": []}}))
        print("done", job.id, flush=True)
"""


def test_nothing_accepted_is_lost_by_kill_9(path: Path, tmp_path: Path) -> None:
    (tmp_path / "carrara").symlink_to(ROOT)
    accepted: list[str] = []
    done: set[str] = set()
    for stop in (3, 20, 41):
        command = [sys.executable, "-c", STREAM, str(path), str(1000 * stop)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(tmp_path)}) as child:
            assert child.stdout is not None
            for _ in range(stop):
                line = child.stdout.readline()
                assert line, "the child ended by itself"
            child.kill()
            said = [line, *child.stdout.readlines()]
        for words in (line.split() for line in said if line.endswith("\n")):
            (accepted.append(words[1]) if words[0] == "accepted" else done.add(words[1]))
    queue = Queue(path)
    for id in accepted:
        found = queue.get(id)
        assert found is not None, f"{id} is lost"
        if id in done:
            assert found.state is State.DONE
    while (job := queue.take(0)) is not None:
        assert job.id not in done, "a finished job would run again"
        queue.finish(job.id, Outcome(State.DONE))
    counts = queue.counts()
    assert counts[State.DONE] == sum(counts.values()) >= len(accepted)
    queue.close()


def test_a_long_line(queue: Queue) -> None:
    """Figures are printed, not asserted: the machine may be busy. CARRARA_LINE=10000 for more."""
    many = int(os.environ.get("CARRARA_LINE", "1000"))
    flow = {str(n): {"class_type": "KSampler", "inputs": {"seed": n, "model": ["1", 0]}} for n in range(12)}
    begun = time.perf_counter()
    ids = [queue.submit(Order(flow)).id for _ in range(many)]
    each = (time.perf_counter() - begun) / len(ids)
    begun = time.perf_counter()
    page, total = queue.list((State.PENDING,), limit=200)
    listed = time.perf_counter() - begun
    assert (len(page), total) == (200, many)
    begun = time.perf_counter()
    assert queue.remaining() == many
    counted = time.perf_counter() - begun
    begun = time.perf_counter()
    assert queue.cancel([ids[many // 2]]) == [ids[many // 2]]
    cancelled = time.perf_counter() - begun
    begun = time.perf_counter()
    job = queue.take(0)
    taken = time.perf_counter() - begun
    assert job is not None and job.id == ids[0]
    begun = time.perf_counter()
    assert len(json.loads(queue.items(State.PENDING))) == many - 2
    whole = time.perf_counter() - begun
    assert queue.clear() == many - 2
    print(
        f"\nsubmit {each * 1e3:.2f} ms, page {listed * 1e3:.1f} ms, count {counted * 1e3:.1f} ms, "
        f"cancel {cancelled * 1e3:.1f} ms, take {taken * 1e3:.1f} ms, whole list {whole * 1e3:.0f} ms"
    )
