"""Who calls the nodes: the loop's own thread, threads beside it, and one event loop for async nodes."""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from .calls import Job, Outcome

if TYPE_CHECKING:
    import asyncio

Scope = Callable[[], AbstractContextManager[Any]]
TICK = 0.1
"""Seconds after which a waiting loop looks up, so that Ctrl-C is seen on every platform."""


class Finished(NamedTuple):
    job: Job
    outcome: Outcome
    seconds: float


class Asyncs:
    """One event loop on a thread of its own, for all runs: what async nodes hold on to between runs stays usable.

    It starts with the first coroutine and ends with the process, or when nobody has it any more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inside: AbstractContextManager[Any] | None = None

    def start(self, coroutine: Coroutine[Any, Any, Any], scope: Scope = nullcontext) -> None:
        """Run it. scope: entered on the thread for good, as soon as it is more than nothing."""
        import asyncio

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_serve, args=(self._loop,), name="carrara-async", daemon=True).start()
                weakref.finalize(self, self._loop.call_soon_threadsafe, self._loop.stop)
        self._loop.call_soon_threadsafe(self._enter, scope)
        asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def _enter(self, scope: Scope) -> None:
        """On the loop's thread. A library may have been loaded since the last time, and a scope come with it."""
        if self._inside is None:
            entered = scope()
            if not isinstance(entered, nullcontext):
                entered.__enter__()
                self._inside = entered

    def call(self, function: Callable[[], Any]) -> None:
        """Call it on the loop's thread, if there is one."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(function)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    import asyncio

    asyncio.set_event_loop(loop)
    loop.run_forever()
    loop.close()


class Crew:
    """Runs jobs that do not run on the loop's own thread, and hands their outcomes back to it."""

    def __init__(self, workers: int, scope: Scope, asyncs: Asyncs) -> None:
        self.inline = workers <= 1
        self.busy = 0
        self._workers = workers
        self._scope = scope
        self._on_threads = 0
        self._done: queue.SimpleQueue[tuple[Finished, bool]] = queue.SimpleQueue()
        self._pool: ThreadPoolExecutor | None = None
        self._asyncs = asyncs
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def free(self) -> bool:
        """Whether another node may be started."""
        return self.inline or self._on_threads < self._workers

    def start(self, job: Job) -> None:
        """Call a node on a thread."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="carrara-node")
        self.busy += 1
        self._on_threads += 1
        self._pool.submit(self._work, job)

    def _work(self, job: Job) -> None:
        with self._scope():
            begun = time.perf_counter()
            outcome = job.run()
            seconds = time.perf_counter() - begun
        self._done.put((Finished(job, outcome, seconds), True))

    def start_async(self, job: Job) -> None:
        """Start an async node on the event loop."""
        self.busy += 1
        self._asyncs.start(self._spawn(job), self._scope)

    async def _spawn(self, job: Job) -> None:
        import asyncio

        task = asyncio.get_running_loop().create_task(self._follow(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, job: Job) -> None:
        begun = time.perf_counter()
        outcome = await job.run_async()
        self._done.put((Finished(job, outcome, time.perf_counter() - begun), False))

    def finished(self, *, block: bool = False) -> list[Finished]:
        """What has finished by now; with `block`, at least one unless none is running (or after a tick)."""
        found: list[Finished] = []
        wait = block and self.busy > 0
        while True:
            try:
                done, threaded = self._done.get(timeout=TICK) if wait else self._done.get_nowait()
            except queue.Empty:
                return found
            wait = False
            self.busy -= 1
            self._on_threads -= threaded
            found.append(done)

    def drain(self) -> list[Finished]:
        """Let async nodes be cancelled and everything else come to its end."""
        found: list[Finished] = []
        while self.busy:
            self._asyncs.call(self._cancel)
            found += self.finished(block=True)
        return found

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def close(self) -> None:
        """End the threads. What still runs is waited for, and what it gives is dropped."""
        self.drain()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
