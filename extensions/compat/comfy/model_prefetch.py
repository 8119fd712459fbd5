"""`comfy.model_prefetch`: weights read ahead of their use. Here all of a network's weights are there before it runs, so
there is no queue and nothing is recorded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any


def make_prefetch_queue(queue: list[Any], device: Any, transformer_options: dict[str, Any]) -> None:
    """No queue."""


def prefetch_queue_pop(
    queue: None, device: Any, module: Any, dtype: Any = None, core: Callable[[], Any] | None = None, **_: Any
) -> None:
    """core: what the weights are for; run at once."""
    if core is not None:
        core()


def cleanup_prefetch_queues() -> None:
    """There are none."""


def malloc_graph_enabled(device: Any) -> bool:
    return False


def malloc_graph_begin(device: Any) -> None:
    """Nothing is recorded."""


def malloc_graph_end() -> None:
    """Nothing was recorded."""


def malloc_graph_scope(device: Any) -> AbstractContextManager[None]:
    return nullcontext()


def pause_malloc_graph(sync: bool = False) -> AbstractContextManager[None]:
    return nullcontext()
