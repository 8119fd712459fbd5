"""Keeping a pack's import to itself: what it changes in the process is put back, and its time is bounded."""

from __future__ import annotations

import builtins
import ctypes
import gc
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CarraraError

PATCHED = ("torch", "torch.nn.functional")
"""Modules whose functions packs replace, for all who use them."""


class Hung(CarraraError):
    """A pack was still busy when its time was over. The engine does not wait for it."""


@dataclass(frozen=True)
class Outcome:
    """How a piece of foreign code ended: with a value or an error."""

    value: Any = None
    error: BaseException | None = None


def bounded(work: Callable[[], Any], seconds: float, name: str, *, loop: bool = True) -> Outcome:
    """Do foreign work on a thread of its own; `sys.exit` and every exception end only that.

    loop: there is an event loop to be found.
    """
    outcome: list[Outcome] = []

    def body() -> None:
        try:
            with _loop() if loop else nullcontext():
                outcome.append(Outcome(work()))
        except BaseException as error:  # SystemExit among them: the pack is over, the program is not
            outcome.append(Outcome(error=error))

    thread = threading.Thread(target=body, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    if outcome:
        return outcome[0]
    if thread.ident is not None:  # ends loops in Python; what waits in C goes on until it returns
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
    return Outcome(error=Hung(f"it was still busy after {seconds:g} s", remedy="CARRARA_PACK_SECONDS gives it longer."))


@contextmanager
def _loop() -> Iterator[None]:
    """An event loop to be found, not running: packs ask for the current one while they are imported."""
    import asyncio

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@contextmanager
def contained(notes: list[str]) -> Iterator[None]:
    """Put back what foreign code changes in the process; `notes` tells what that was.

    New environment variables stay, since libraries the pack uses read them later; changed ones do not.
    """
    folder = Path.cwd()
    environment = dict(os.environ)
    filters = list(warnings.filters)
    words = dict(vars(builtins))
    streams = (sys.stdout, sys.stderr, sys.excepthook, threading.excepthook)
    path = list(sys.path)
    root = logging.getLogger()
    logs = (root.level, list(root.handlers))
    limit = sys.getrecursionlimit()
    collecting = gc.isenabled()
    torch = _torch()
    functions = {name: dict(vars(sys.modules[name])) for name in PATCHED if name in sys.modules}
    try:
        yield
    finally:
        _functions(functions, notes)
        _folder(folder, notes)
        _environment(environment, notes)
        _restore_torch(torch, notes)  # before the filters: torch may import what adds some
        _filters(filters, notes)
        if vars(builtins) != words:
            notes.append("builtins")
            for name in set(vars(builtins)) - set(words):
                del vars(builtins)[name]
            vars(builtins).update(words)
        if (sys.stdout, sys.stderr, sys.excepthook, threading.excepthook) != streams:
            notes.append("standard streams or hooks")
            sys.stdout, sys.stderr, sys.excepthook, threading.excepthook = streams
        if sys.path != path:
            notes.append("sys.path")
            sys.path[:] = path
        if (root.level, root.handlers) != logs:
            notes.append("logging")
            root.setLevel(logs[0])
            root.handlers[:] = logs[1]
        if sys.getrecursionlimit() < limit:
            notes.append("recursion limit")
            sys.setrecursionlimit(limit)
        if collecting and not gc.isenabled():
            notes.append("garbage collection")
            gc.enable()


def _functions(before: dict[str, dict[str, Any]], notes: list[str]) -> None:
    for module, names in before.items():
        now = vars(sys.modules[module])
        for name, value in names.items():
            if callable(value) and now.get(name) is not value:
                notes.append(f"{module}.{name}")
                setattr(sys.modules[module], name, value)


def _filters(before: list[Any], notes: list[str]) -> None:
    """Filters that libraries add for warnings of their own stay; those for everybody's go."""
    added = [f for f in warnings.filters if f not in before]
    broad = [f for f in added if f[1] is f[3] is None and f[2].__module__ == "builtins"]
    if broad or any(f not in warnings.filters for f in before):
        notes.append("warning filters")
        warnings.filters[:] = [*(f for f in added if f not in broad), *before]  # type: ignore[index]
        warnings._filters_mutated()  # type: ignore[attr-defined]


def _folder(folder: Path, notes: list[str]) -> None:
    try:
        same = Path.cwd() == folder
    except FileNotFoundError:
        same = False
    if not same:
        notes.append("working directory")
        os.chdir(folder)


def _environment(before: dict[str, str], notes: list[str]) -> None:
    for name, value in before.items():
        if os.environ.get(name) != value:
            notes.append(f"environment variable {name}")
            os.environ[name] = value
    for name in [name for name in os.environ if name not in before]:
        if name.startswith("CARRARA_") or name == "CUDA_VISIBLE_DEVICES":
            notes.append(f"environment variable {name}")
            del os.environ[name]


def _torch() -> dict[str, Any]:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "get_default_dtype"):
        return {}
    return {
        "dtype": torch.get_default_dtype(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "benchmark": torch.backends.cudnn.benchmark,
        "tf32": torch.backends.cuda.matmul.allow_tf32,
        "threads": torch.get_num_threads(),
    }


def _restore_torch(before: dict[str, Any], notes: list[str]) -> None:
    now = _torch()
    if not now:
        return
    torch = sys.modules["torch"]
    if not before:  # the pack was the first to import it: what it should be is known
        before = {**now, "dtype": torch.float32, "deterministic": False, "benchmark": False, "tf32": False}
    if now == before:
        return
    notes.append("torch's defaults")
    put = {
        "dtype": torch.set_default_dtype,
        "deterministic": torch.use_deterministic_algorithms,
        "benchmark": lambda value: setattr(torch.backends.cudnn, "benchmark", value),
        "tf32": lambda value: setattr(torch.backends.cuda.matmul, "allow_tf32", value),
        "threads": torch.set_num_threads,
    }
    for key, value in before.items():
        if now[key] != value:
            put[key](value)


@contextmanager
def steady() -> Iterator[None]:
    """What a foreign node changes of torch's defaults while it runs is put back, for the nodes after it."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    dtype, grad = torch.get_default_dtype(), torch.is_grad_enabled()
    try:
        yield
    finally:
        if torch.get_default_dtype() is not dtype:
            torch.set_default_dtype(dtype)
        if torch.is_grad_enabled() is not grad:
            torch.set_grad_enabled(grad)
