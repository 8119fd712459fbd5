"""Counts and times for /metrics, in the Prometheus text form."""

from __future__ import annotations

import sys
import threading
from collections import Counter, defaultdict
from pathlib import Path

from .jobs import Job, State
from .queue import now

BUCKETS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""Upper bounds of job times, in seconds."""


class Metrics:
    """What has happened since the server started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: Counter[State] = Counter()
        self._buckets: Counter[float] = Counter()
        self._seconds = 0.0
        self._nodes: defaultdict[str, list[float]] = defaultdict(lambda: [0, 0.0])

    def job(self, job: Job, state: State) -> None:
        """A job ended."""
        seconds = max(0, now() - (job.started or now())) / 1000
        with self._lock:
            self._jobs[state] += 1
            self._seconds += seconds
            self._buckets.update(bound for bound in BUCKETS if seconds <= bound)

    def node(self, type: str, seconds: float) -> None:
        """A node of that class ran."""
        with self._lock:
            entry = self._nodes[type]
            entry[0] += 1
            entry[1] += seconds

    def text(self, waiting: dict[State, int], clients: int) -> str:
        """All of it. waiting: jobs in the queue file by state."""
        lines: list[str] = []

        def family(name: str, kind: str, help: str) -> None:
            lines.extend((f"# HELP carrara_{name} {help}", f"# TYPE carrara_{name} {kind}"))

        family("queue_jobs", "gauge", "Jobs in the queue file by state.")
        lines += [f'carrara_queue_jobs{{state="{state}"}} {count}' for state, count in waiting.items()]
        with self._lock:
            family("jobs_total", "counter", "Jobs ended since the start.")
            lines += [f'carrara_jobs_total{{state="{state}"}} {self._jobs[state]}' for state in State]
            family("job_seconds", "histogram", "Time from a job's start to its end.")
            lines += [f'carrara_job_seconds_bucket{{le="{b}"}} {self._buckets[b]}' for b in BUCKETS]
            total = self._jobs.total()
            lines.append(f'carrara_job_seconds_bucket{{le="+Inf"}} {total}')
            lines += [f"carrara_job_seconds_sum {self._seconds:.3f}", f"carrara_job_seconds_count {total}"]
            family("node_seconds", "summary", "Time inside nodes by class.")
            for type, (count, seconds) in sorted(self._nodes.items()):
                label = f'{{class="{_escaped(type)}"}}'
                lines += [
                    f"carrara_node_seconds_sum{label} {seconds:.6f}",
                    f"carrara_node_seconds_count{label} {count}",
                ]
        family("clients", "gauge", "Connected editors and clients.")
        lines.append(f"carrara_clients {clients}")
        held = resident()
        if held is not None:
            family("memory_bytes", "gauge", "Resident memory of the server.")
            lines.append(f"carrara_memory_bytes {held}")
        return "\n".join(lines) + "\n"


def resident() -> int | None:
    """Bytes of memory this process holds; None where the system does not say."""
    if sys.platform == "linux":
        import os

        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return None


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
