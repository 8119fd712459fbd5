"""A run beside the caller's event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any

from .executor.events import Event, Sink
from .executor.run import Cancel
from .result import Result


class Running:
    """A run on a thread of its own. Await it for the result, iterate it for the events; do either or both, once.

    Cancelling the awaiting task stops the run.
    """

    def __init__(self, go: Callable[[Sink, Cancel], Result]) -> None:
        self._go = go
        self._cancel = Cancel()
        self._future: asyncio.Future[Result] | None = None
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()

    def cancel(self) -> None:
        """Ask the run to stop."""
        self._cancel.set()

    def _start(self) -> asyncio.Future[Result]:
        if self._future is None:
            loop = asyncio.get_running_loop()
            future = self._future = loop.create_future()

            def tell(event: Event | None) -> None:
                loop.call_soon_threadsafe(self._events.put_nowait, event)

            def settle(result: Result | None, error: BaseException | None) -> None:
                if not future.cancelled():
                    if error is not None:
                        future.set_exception(error)
                    elif result is not None:
                        future.set_result(result)

            def work() -> None:
                result, error = None, None
                try:
                    result = self._go(tell, self._cancel)
                except BaseException as raised:
                    error = raised
                tell(None)
                loop.call_soon_threadsafe(settle, result, error)

            threading.Thread(target=work, name="carrara-run", daemon=True).start()
        return self._future

    def __await__(self) -> Generator[Any, None, Result]:
        return self._finish().__await__()

    async def _finish(self) -> Result:
        try:
            result = await asyncio.shield(self._start())
        except asyncio.CancelledError:
            self._cancel.set()
            raise
        if result.error is not None:
            raise result.error
        return result

    async def __aiter__(self) -> AsyncIterator[Event]:
        self._start()
        try:
            while (event := await self._events.get()) is not None:
                yield event
        finally:
            if not self._start().done():
                self._cancel.set()
