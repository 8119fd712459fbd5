"""A class whose coroutine methods can be called without awaiting."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def wait_for(start: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine to its end, on another thread if this one has a running event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(start())
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1, thread_name_prefix="comfy-api-sync") as pool:
        return pool.submit(context.run, lambda: asyncio.run(start())).result()


class Waiting:
    """Stands for an object; its coroutine methods return when they are done, at every depth."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if inspect.iscoroutinefunction(found):
            return lambda *arguments, **named: wait_for(lambda: found(*arguments, **named))
        if callable(found) or isinstance(found, str | int | float | bool | tuple | list | dict | None):
            return found
        return Waiting(found)


def create_sync_class(async_class: type, thread_pool_size: int = 10) -> type:
    """The same interface, without awaiting."""

    def begin(self: Waiting, *arguments: Any, **named: Any) -> None:
        Waiting.__init__(self, async_class(*arguments, **named))

    members = {"__init__": begin, "__doc__": async_class.__doc__, "__module__": async_class.__module__}
    for name in ("VERSION", "STABLE"):
        if hasattr(async_class, name):
            members[name] = getattr(async_class, name)
    return type("ComfyAPISyncStub", (Waiting,), members)
