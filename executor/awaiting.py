"""Async functions called where nobody awaits."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Iterable
from typing import Any


def settled(value: Any) -> Any:
    """The value itself, or what an awaitable comes to, waited for here. Raises what it raises."""
    return _run(value) if isinstance(value, Awaitable) else value


def _run(pending: Awaitable[Any]) -> Any:
    """On an event loop of its own, beside one that may be running on this thread."""
    import asyncio

    async def wait() -> Any:
        return await pending

    found: list[Any] = []
    broken: list[BaseException] = []

    def work() -> None:
        try:
            found.append(asyncio.run(wait()))
        except BaseException as error:  # told on the thread that asked
            broken.append(error)

    thread = threading.Thread(target=work, name="carrara-await")
    thread.start()
    thread.join()
    if broken:
        raise broken[0]
    return found[0]


async def side_by_side(pending: Iterable[Awaitable[Any]]) -> list[Any]:
    """What all of them come to. When one fails, the others are cancelled before its error goes on."""
    import asyncio

    tasks = [asyncio.ensure_future(one) for one in pending]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
