"""Mixed precision for training: matrix products in bfloat16, weights, sums and attention in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode


class _FloatAttention(TorchFunctionMode):
    """Keeps attention out of autocast: with heads 8 or 16 wide, a processor's bfloat16 backward is twice as slow."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not F.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        with torch.autocast("cpu", enabled=False):
            q, k, v, *rest = args
            return func(q.float(), k.float(), v.float(), *rest, **(kwargs or {}))


@contextmanager
def mixed(device: torch.device | str, enabled: bool = True) -> Iterator[None]:
    """Run the body in bfloat16 where that is safe."""
    kind = torch.device(device).type
    with torch.autocast(kind, dtype=torch.bfloat16, enabled=enabled):
        if kind == "cpu" and enabled:
            with _FloatAttention():
                yield
        else:
            yield
