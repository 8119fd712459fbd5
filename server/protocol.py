"""Jobs as the editor's protocol writes them: queue items, history entries, job listings."""

from __future__ import annotations

from typing import Any

from .jobs import Job, State, Summary

STATUS = {
    State.PENDING: "pending",
    State.RUNNING: "in_progress",
    State.DONE: "completed",
    State.FAILED: "failed",
    State.INTERRUPTED: "cancelled",
}
STATES = {name: state for state, name in STATUS.items()}


def item(job: Job) -> list[Any]:
    """A queue item."""
    return [job.number, job.id, job.prompt, job.extra, list(job.targets)]


def status(job: Job) -> dict[str, Any]:
    """How a finished job ended."""
    done = job.state is State.DONE
    return {
        "status_str": "success" if done else "error",
        "completed": done,
        "messages": [list(m) for m in job.messages],
    }


def entry(job: Job) -> dict[str, Any]:
    """A history entry."""
    return {"prompt": item(job), "outputs": job.outputs, "meta": job.meta, "status": status(job)}


def brief(job: Summary) -> dict[str, Any]:
    """A job in a list. Members that are not known are left out."""
    members = {
        "id": job.id,
        "status": STATUS[job.state],
        "priority": job.number,
        "create_time": job.created,
        "execution_start_time": job.started,
        "execution_end_time": job.finished,
        "execution_error": job.error,
        "outputs_count": job.count,
        "preview_output": job.preview,
        "workflow_id": job.workflow,
        "cut_off": job.cut or None,
    }
    return {name: value for name, value in members.items() if value is not None}


def detail(job: Job) -> dict[str, Any]:
    """A whole job."""
    return brief(job) | {
        "outputs": job.outputs,
        "execution_status": status(job) if job.finished is not None else {},
        "workflow": {"prompt": job.prompt, "extra_data": job.extra},
    }
