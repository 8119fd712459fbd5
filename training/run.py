"""Run a training recipe by name, with a progress bar, from where it stopped last."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from .loop import Progress

STAGES = ("text", "vae", "latents", "unet", "decoder")
EVERY = 1.0
"""Seconds between looks at the loss, which may wait for the device."""


def train(
    recipe: str, out: Path, device: str = "auto", resume: bool = True, minutes: float | None = None
) -> Path | None:
    """Train `recipe` into the folder `out`. The model's path; None if the minutes ran out before it was done.

    resume=False begins anew and refuses a folder that holds an earlier run. Raises InputError.
    """
    if recipe != "pebble":
        raise InputError("unknown recipe", got=recipe, expected="pebble", remedy="carrara train pebble")
    begun = [name for name in STAGES if (out / f"{name}.pt").exists()]
    if begun and not resume:
        raise InputError(
            f"{out} holds an earlier run", got=", ".join(begun), expected="an empty folder",
            remedy="Go on with --resume, or name another folder with --out.",
        )  # fmt: skip
    from .recipes import pebble

    with _bars() as report:
        return pebble.make(pebble.Pebble(), out, _device(device), minutes, report)


def _device(name: str) -> str:
    if name != "auto":
        return name
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def _bars() -> Iterator[Callable[[str, Progress], None]]:
    """A progress bar per stage, on the terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as View

    tasks: dict[str, TaskID] = {}
    looked = 0.0

    def tell(stage: str, progress: Progress) -> None:
        nonlocal looked
        if stage not in tasks:
            tasks[stage] = view.add_task(stage, total=progress.total, completed=progress.step, loss=0.0)
        now = time.monotonic()
        if now - looked >= EVERY or progress.step == progress.total:
            looked = now
            view.update(tasks[stage], completed=progress.step, loss=float(progress.loss))

    loss = TextColumn("loss {task.fields[loss]:.4f}")
    with View(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), loss, TimeRemainingColumn()) as view:
        yield tell
