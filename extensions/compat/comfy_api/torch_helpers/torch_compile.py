"""A model whose parts are compiled while it samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

COMPILE_KEY = "torch.compile"
TORCH_COMPILE_KWARGS = "torch_compile_kwargs"
APPLY_MODEL = "apply_model"
"""comfy.patcher_extension.WrappersMP.APPLY_MODEL."""


def set_torch_compile_wrapper(
    model: Any,
    backend: str,
    options: dict[str, Any] | None = None,
    mode: str | None = None,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    keys: Sequence[str] = ("diffusion_model",),
    *args: Any,
    **kwargs: Any,
) -> None:
    """Compile these parts of a model patcher. keys: dotted names from its model on; none for the whole network."""
    how: dict[str, Any] = {
        "backend": backend,
        "options": options,
        "mode": mode,
        "fullgraph": fullgraph,
        "dynamic": dynamic,
    }
    compiled = {key: torch.compile(model.get_model_object(key), **how) for key in keys or ("diffusion_model",)}
    model.remove_wrappers_with_key(APPLY_MODEL, COMPILE_KEY)
    model.add_wrapper_with_key(APPLY_MODEL, COMPILE_KEY, _exchanging(compiled))
    model.model_options[TORCH_COMPILE_KWARGS] = how


def _exchanging(compiled: dict[str, Any]) -> Callable[..., Any]:
    """A wrapper that puts the compiled parts in for the length of one call."""

    def wrapped(executor: Any, *args: Any, **kwargs: Any) -> Any:
        whole = executor.class_obj
        plain = {key: _reach(whole, key) for key in compiled}
        try:
            for key, part in compiled.items():
                _put(whole, key, part)
            return executor(*args, **kwargs)
        finally:
            for key, part in plain.items():
                _put(whole, key, part)

    return wrapped


def _reach(whole: Any, dotted: str) -> Any:
    for name in dotted.split("."):
        whole = getattr(whole, name)
    return whole


def _put(whole: Any, dotted: str, part: Any) -> None:
    above, _, name = dotted.rpartition(".")
    setattr(_reach(whole, above) if above else whole, name, part)
