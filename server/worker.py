"""The thread that runs jobs, one at a time, away from the event loop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..engine import Engine
from ..executor.run import Cancel
from ..models.preview import Previewer
from .jobs import Job, State
from .metrics import Metrics
from .narrator import Listeners, Narrator
from .preview import Studio
from .queue import Queue

LOG = logging.getLogger(__name__)
KEPT_SECRETS = 1000


@dataclass(frozen=True, eq=False)
class Running:
    """The job at work."""

    narrator: Narrator
    cancel: Cancel = field(default_factory=Cancel)


class Worker:
    """Takes jobs from the queue and runs them. `changed` is called when the number of waiting jobs may have changed.

    previews: how, where a job does not say it: none, auto, latent2rgb or taesd.
    """

    def __init__(
        self,
        engine: Engine,
        queue: Queue,
        to: Listeners,
        metrics: Metrics,
        changed: Callable[[], None],
        previews: str = "auto",
    ) -> None:
        self._engine = engine
        self._queue = queue
        self._to = to
        self._metrics = metrics
        self._changed = changed
        self._studio = Studio(Previewer(engine.models, engine.compute.device), previews)
        self._lock = threading.Lock()
        self._running: Running | None = None
        self._doomed: set[str] = set()
        self._free: dict[str, bool] = {}
        self._secrets: dict[str, Mapping[str, Any]] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="carrara-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience: float = 30.0) -> None:
        """Break off what runs, which goes back in line, and end. patience: seconds."""
        with self._lock:
            self._stopping = True
            if self._running is not None:
                self._running.cancel.set()
        self._queue.wake()
        self._thread.join(patience)
        self._studio.close()

    # --- asked from other threads --------------------------------------------------------------------------

    @property
    def running(self) -> Job | None:
        running = self._running
        return None if running is None else running.narrator.job

    @property
    def node(self) -> str | None:
        """The node that runs."""
        running = self._running
        return None if running is None else running.narrator.node

    def node_for(self, client: str) -> str | None:
        """The node that runs now, if the job is that client's."""
        running = self._running
        if running is None or running.narrator.job.client != client:
            return None
        return running.narrator.node

    def interrupt(self, id: str | None = None) -> bool:
        """Stop the running job, if it is that one; whether it was."""
        with self._lock:
            running = self._running
            if running is not None and id in (None, running.narrator.job.id):
                running.cancel.set()
                return True
            if id is None:
                return False
            found = self._queue.get(id)
            if found is None or found.state is not State.RUNNING:
                return False
            self._doomed.add(id)  # taken out of the queue a moment ago, and not begun
            return True

    def trust(self, id: str, secrets: Mapping[str, Any]) -> None:
        """Keys that came with a job, for its nodes alone. They are never written down, so a restart forgets them."""
        with self._lock:
            self._secrets[id] = secrets
            while len(self._secrets) > KEPT_SECRETS:
                self._secrets.pop(next(iter(self._secrets)))

    def free(self, *, networks: bool, results: bool) -> None:
        """Give memory back as soon as nothing runs."""
        with self._lock:
            self._free = {
                "networks": networks or self._free.get("networks", False),
                "results": results or self._free.get("results", False),
            }
        self._queue.wake()

    # --- the thread ----------------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._stopping:
            wanted, self._free = self._free, {}
            if any(wanted.values()):
                self._engine.free(networks=wanted["networks"] or wanted["results"], results=wanted["results"])
            job = self._queue.take(timeout=1.0)
            if job is not None:
                self._job(job)

    def _hidden(self, job: Job) -> dict[str, Any]:
        """What nodes may ask for beside their inputs."""
        shown = job.extra.get("extra_pnginfo")
        with self._lock:
            secrets = self._secrets.pop(job.id, {})
        return {**secrets, "EXTRA_PNGINFO": shown} if isinstance(shown, Mapping) else dict(secrets)

    def _job(self, job: Job) -> None:
        running = Running(Narrator(job, self._to, self._studio, self._metrics.node))
        with self._lock:
            self._running = running
            if job.id in self._doomed or self._stopping:
                running.cancel.set()
            self._doomed.clear()
        self._changed()
        narrator = running.narrator
        narrator.begin()
        body: dict[str, Any] = {"prompt": job.prompt, "extra_data": job.extra}
        try:
            result = self._engine.attempt(
                body,
                targets=job.targets,
                partial=True,
                on_event=narrator,
                cancel=running.cancel,
                hidden=self._hidden(job),
            )
        except Exception as error:  # a fault in the engine ends the job, not the server
            LOG.exception("job %s", job.id)
            outcome = narrator.fail(error)
        else:
            if result.status == "interrupted" and self._stopping:
                self._queue.give_back(job.id)
                self._running = None
                return
            outcome = narrator.end(result)
        self._queue.finish(job.id, outcome)
        self._metrics.job(job, outcome.state)
        with self._lock:
            self._running = None
        self._changed()
        narrator.close()
