"""The queue's tables, and their rows as records. Small columns come first: SQLite reads a row from its front."""

from __future__ import annotations

import json
from typing import Any

from .jobs import FINAL, Job, State, Summary

VERSION = 1
BRIEF = "id, state, number, client, workflow, created, started, finished, cut, count, preview, error"
WHOLE = f"{BRIEF}, prompt, extra, targets, outputs, meta, messages"
_FINISHED = f"({', '.join(repr(str(state)) for state in FINAL)})"

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS jobs(
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL DEFAULT 'pending',
        number REAL NOT NULL,
        client TEXT,
        workflow TEXT,
        created INTEGER NOT NULL,
        started INTEGER,
        finished INTEGER,
        cut INTEGER NOT NULL DEFAULT 0,
        count INTEGER NOT NULL DEFAULT 0,
        preview TEXT,
        error TEXT,
        prompt TEXT NOT NULL,
        extra TEXT NOT NULL,
        targets TEXT NOT NULL,
        outputs TEXT NOT NULL DEFAULT '{}',
        meta TEXT NOT NULL DEFAULT '{}',
        messages TEXT NOT NULL DEFAULT '[]')""",
    "CREATE INDEX IF NOT EXISTS line ON jobs(state, number, seq)",
    "CREATE INDEX IF NOT EXISTS age ON jobs(created, seq, state)",
    f"CREATE INDEX IF NOT EXISTS ended ON jobs(finished, seq) WHERE state IN {_FINISHED}",
    f"CREATE VIEW IF NOT EXISTS brief AS SELECT {BRIEF}, seq FROM jobs",
    "CREATE TABLE IF NOT EXISTS facts(name TEXT PRIMARY KEY, value TEXT NOT NULL)",
)


def summary(row: tuple[Any, ...]) -> Summary:
    """From the columns of BRIEF."""
    return Summary(**_brief(row))


def job(row: tuple[Any, ...]) -> Job:
    """From the columns of WHOLE."""
    prompt, extra, targets, outputs, meta, messages = (json.loads(text) for text in row[12:18])
    told = tuple((kind, data) for kind, data in messages)
    return Job(
        **_brief(row), prompt=prompt, extra=extra, targets=tuple(targets), outputs=outputs, meta=meta, messages=told
    )


def _brief(row: tuple[Any, ...]) -> dict[str, Any]:
    found = dict(zip(BRIEF.split(", "), row[:12], strict=True))
    number, shown, wrong, ended = found["number"], found["preview"], found["error"], found["finished"]
    return found | {
        "finished": None if ended is None else int(ended),
        "state": State(found["state"]),
        "number": int(number) if number == int(number) else number,
        "preview": None if shown is None else json.loads(shown),
        "error": None if wrong is None else json.loads(wrong),
    }
