"""The queue: jobs in one SQLite file, so that what was accepted is run even if the server is killed.

Write-ahead logging: a finished call survives `kill -9` of this process; only a power cut may lose the last moments.
One server owns the file; its methods may be called from any thread and take milliseconds with 10,000 jobs.
"""

from __future__ import annotations

import json
import math
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import InputError, ServerError
from .jobs import Job, Order, Outcome, State, Summary, tally
from .schema import SCHEMA, VERSION, WHOLE, job, summary

HISTORY = 10_000
"""Finished jobs kept."""
ATTEMPTS = 3
"""A job during which the server died so often is not tried again."""
CUT_OFF = "execution_cut_off"
ENDED = "state IN ('done', 'failed', 'interrupted')"


class Queue:
    """Jobs in the order of their numbers. Opening it puts jobs that a dead server left running back in line."""

    def __init__(self, path: Path, history: int = HISTORY) -> None:
        self.accepted: Callable[[], None] = lambda: None
        """Called for each accepted job before anything happens to it."""
        self._history = history
        self._woken = False
        self._lock = threading.RLock()
        self._ready = threading.Condition(self._lock)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._owner = _own(path)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._upgrade(path)
        except sqlite3.DatabaseError as error:
            self._owner.close()
            raise ServerError(
                f"the queue {path} cannot be read", got=str(error), remedy="Move the file away to start with a new one."
            ) from error
        self._counter = int(self._value("counter", 0))
        self.recovered = self._recover()

    def close(self) -> None:
        with self._lock:
            self._db.close()
            self._owner.close()

    # --- asking for jobs -----------------------------------------------------------------------------------

    def number(self, front: bool = False) -> int:
        """The next place in line. Refused jobs take one too."""
        with self._lock:
            taken = self._counter
            self._counter += 1
            return -taken if front else taken

    def submit(self, order: Order) -> Job:
        """Accept a job. Once this returns, the job will be run. The same job under the same id is one job.

        Raises InputError when the id belongs to another job, or the number is none.
        """
        number = order.number if order.number is not None else self.number(order.front)
        if not math.isfinite(number):
            raise InputError("a place in line must be a number", got=number, expected="a finite number")
        id = order.id or str(uuid.uuid4())
        flow = order.extra.get("extra_pnginfo")
        flow = flow.get("workflow") if isinstance(flow, Mapping) else None
        flow = flow.get("id") if isinstance(flow, Mapping) else None
        row = (id, number, order.client, flow if isinstance(flow, str) else None, now())
        texts = [_text(value) for value in (order.prompt, order.extra, order.targets)]
        with self._lock:
            with self._transaction():
                known = self._db.execute("SELECT prompt FROM jobs WHERE id = ?", (id,)).fetchone()
                if known is None:
                    self._db.execute(
                        "INSERT INTO jobs(id, number, client, workflow, created, prompt, extra, targets)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                        (*row, *texts),
                    )
                    self._keep("counter", self._counter)
                elif known[0] != texts[0]:
                    raise InputError(
                        "that prompt_id belongs to another job", got=id, remedy="Leave it out, or choose one."
                    )
            self.accepted()
            self._ready.notify()
        found = self.get(id)
        assert found is not None
        return found

    # --- the worker's side ---------------------------------------------------------------------------------

    def take(self, timeout: float | None = None) -> Job | None:
        """The first job in line, now running; None when `timeout` seconds bring none."""
        until = None if timeout is None else time.monotonic() + timeout
        with self._lock:
            while (id := self._first()) is None:
                left = None if until is None else until - time.monotonic()
                if (left is not None and left <= 0) or not self._ready.wait(left) or self._woken:
                    self._woken = False
                    return None
            with self._transaction():
                self._db.execute("UPDATE jobs SET state = 'running', started = ? WHERE id = ?", (now(), id))
            return self.get(id)

    def _first(self) -> str | None:
        if self.paused:
            return None
        row = self._db.execute("SELECT id FROM jobs WHERE state = 'pending' ORDER BY number, seq LIMIT 1").fetchone()
        return None if row is None else str(row[0])

    def finish(self, id: str, outcome: Outcome) -> None:
        """A running job has ended, and how."""
        count, preview = tally(outcome.outputs)
        with self._transaction():
            row = self._db.execute("SELECT messages FROM jobs WHERE id = ? AND state = 'running'", (id,)).fetchone()
            if row is None:
                return
            messages = [*json.loads(row[0]), *outcome.messages]
            self._db.execute(
                "UPDATE jobs SET state = ?, finished = ?, count = ?, preview = ?, error = ?, outputs = ?, meta = ?,"
                " messages = ? WHERE id = ?",
                (
                    outcome.state,
                    moment(),
                    count,
                    None if preview is None else _text(preview),
                    None if outcome.error is None else _text(outcome.error),
                    _text(outcome.outputs),
                    _text(outcome.meta),
                    _text(messages),
                    id,
                ),
            )
            self._trim()

    def give_back(self, id: str) -> None:
        """A server that shuts down puts its job back in line; nothing was wrong with it."""
        with self._transaction():
            self._db.execute(
                "UPDATE jobs SET state = 'pending', started = NULL WHERE id = ? AND state = 'running'", (id,)
            )

    # --- changing the line ---------------------------------------------------------------------------------

    def cancel(self, ids: Iterable[str]) -> list[str]:
        """Pending jobs become interrupted ones; the ids of those that did."""
        done: list[str] = []
        with self._transaction():
            for id in ids:
                note = [["execution_interrupted", {"prompt_id": id, "node_id": "", "node_type": "", "executed": [],
                                                   "timestamp": now()}]]  # fmt: skip
                changed = self._db.execute(
                    "UPDATE jobs SET state = 'interrupted', finished = ?, messages = ?"
                    " WHERE id = ? AND state = 'pending'",
                    (moment(), _text(note), id),
                )
                if changed.rowcount:
                    done.append(id)
            self._trim()
        return done

    def delete(self, ids: Iterable[str]) -> int:
        """Forget pending jobs; how many there were."""
        with self._transaction():
            rows = [self._db.execute("DELETE FROM jobs WHERE id = ? AND state = 'pending'", (id,)) for id in ids]
        return sum(row.rowcount for row in rows)

    def clear(self) -> int:
        """Forget all pending jobs."""
        with self._transaction():
            return self._db.execute("DELETE FROM jobs WHERE state = 'pending'").rowcount

    def forget(self, ids: Iterable[str] | None = None) -> None:
        """Drop finished jobs from the history; all of them when none is named. Their files stay."""
        with self._transaction():
            if ids is None:
                self._db.execute(f"DELETE FROM jobs WHERE {ENDED}")
            else:
                self._db.executemany(f"DELETE FROM jobs WHERE id = ? AND {ENDED}", [(id,) for id in ids])

    @property
    def paused(self) -> bool:
        """Whether pending jobs wait until `pause(False)`. Survives a restart."""
        with self._lock:
            return self._value("paused", "0") == "1"

    def pause(self, on: bool = True) -> None:
        with self._transaction():
            self._keep("paused", "1" if on else "0")
            self._ready.notify_all()

    def wake(self) -> None:
        """Let a waiting `take` return at once."""
        with self._lock:
            self._woken = True
            self._ready.notify_all()

    # --- looking -------------------------------------------------------------------------------------------

    def get(self, id: str) -> Job | None:
        with self._lock:
            row = self._db.execute(f"SELECT {WHOLE} FROM jobs WHERE id = ?", (id,)).fetchone()
        return None if row is None else job(row)

    def remaining(self) -> int:
        """Jobs that are pending or running."""
        counts = self.counts()
        return counts[State.PENDING] + counts[State.RUNNING]

    def counts(self) -> dict[State, int]:
        with self._lock:
            found = dict(self._db.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall())
        return {state: found.get(state, 0) for state in State}

    def items(self, state: State) -> str:
        """Jobs of that state as a JSON list of queue items, in order. Text: with many jobs, reading it costs most."""
        with self._lock:
            rows = self._db.execute(
                "SELECT number, id, prompt, extra, targets FROM jobs WHERE state = ? ORDER BY number, seq", (state,)
            ).fetchall()
        return "[" + ",".join(f"[{_number(n)},{_text(id)},{p},{e},{t}]" for n, id, p, e, t in rows) + "]"

    def history(self, last: int | None = None, offset: int | None = None) -> list[Job]:
        """Finished jobs, oldest first: the `last` ones, or up to `last` of them after skipping `offset`."""
        most = -1 if last is None else last
        order = "ORDER BY finished, seq LIMIT ? OFFSET ?"
        if offset is None:
            order = "ORDER BY finished DESC, seq DESC LIMIT ? OFFSET ?"
        with self._lock:
            rows = self._db.execute(
                f"SELECT {WHOLE} FROM jobs INDEXED BY ended WHERE {ENDED} {order}", (most, offset or 0)
            ).fetchall()
        return [job(row) for row in (rows if offset is not None else reversed(rows))]

    def list(
        self,
        states: Sequence[State] = tuple(State),
        workflow: str | None = None,
        *,
        by_duration: bool = False,
        ascending: bool = False,
        limit: int = 200,
        offset: int = 0,
    ) -> tuple[list[Summary], int]:
        """A page of jobs, and how many there are on all pages. (`+state`: read in order of age, not state by state.)"""
        where = f"state IN ({','.join('?' * len(states))})"
        values: list[Any] = list(states)
        if workflow is not None:
            where += " AND workflow = ?"
            values.append(workflow)
        key = "coalesce(finished - started, 0)" if by_duration else "created"
        way = "ASC" if ascending else "DESC"
        with self._lock:
            total = self._db.execute(f"SELECT count(*) FROM jobs WHERE {where}", values).fetchone()[0]
            rows = self._db.execute(
                f"SELECT * FROM brief WHERE +{where} ORDER BY {key} {way}, seq {way} LIMIT ? OFFSET ?",
                (*values, limit, offset),
            ).fetchall()
        return [summary(row) for row in rows], total

    # --- inside --------------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _value(self, name: str, default: Any) -> Any:
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return default if row is None else row[0]

    def _keep(self, name: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts(name, value) VALUES (?, ?)", (name, str(value)))

    def _upgrade(self, path: Path) -> None:
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found > VERSION:
            self._owner.close()
            raise ServerError(f"the queue {path} was written by a newer version", remedy="Update, or move it away.")
        with self._transaction():
            for statement in SCHEMA:
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {VERSION}")

    def _recover(self) -> int:
        """What was running when the last server died is pending again, and says so."""
        with self._transaction():
            rows = self._db.execute("SELECT id, cut, started, messages FROM jobs WHERE state = 'running'").fetchall()
            for id, cut, started, messages in rows:
                note = {"prompt_id": id, "timestamp": now(), "started": started, "attempt": cut + 1}
                told = [*json.loads(messages), [CUT_OFF, note]]
                again = cut + 1 < ATTEMPTS
                error = None
                if not again:
                    error = {
                        "prompt_id": id, "node_id": "", "node_type": "", "executed": [], "traceback": [],
                        "exception_type": "ServerDied", "current_inputs": {}, "current_outputs": [],
                        "exception_message": f"The server died {cut + 1} times while this job ran; it is not tried "
                        "again.", "timestamp": now(),
                    }  # fmt: skip
                    told.append(["execution_error", error])
                self._db.execute(
                    "UPDATE jobs SET state = ?, cut = ?, messages = ?, error = ?, finished = ? WHERE id = ?",
                    (
                        State.PENDING if again else State.FAILED,
                        cut + 1,
                        _text(told),
                        None if error is None else _text(error),
                        None if again else moment(),
                        id,
                    ),
                )
        return len(rows)

    def _trim(self) -> None:
        self._db.execute(
            f"DELETE FROM jobs WHERE seq IN (SELECT seq FROM jobs INDEXED BY ended WHERE {ENDED}"
            " ORDER BY finished DESC, seq DESC LIMIT -1 OFFSET ?)",
            (self._history,),
        )


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def moment() -> float:
    """The same with its fractions, for the order in which jobs ended."""
    return time.time_ns() / 1e6


def _own(path: Path) -> sqlite3.Connection:
    """Hold the queue for this process. The system lets go of it however the process ends."""
    lock = sqlite3.connect(
        path.with_name(path.name + ".owner"), isolation_level=None, timeout=0, check_same_thread=False
    )
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        raise ServerError(
            f"another server uses the queue {path}", remedy="Stop it, or give this one a --user-directory of its own."
        ) from error
    return lock


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), default=str)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
