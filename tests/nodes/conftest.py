from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from carrara.executor.spec import Context
    from carrara.models.handles import Model
    from carrara.models.values import Conditioning


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small networks are slower on several threads, and much slower beside other work."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def sides(tiny_ctx: Context) -> tuple[Model, Conditioning, Conditioning, Conditioning]:
    """The tiny model, two prompts and an empty one."""
    from carrara.nodes.conditioning import encode_text
    from carrara.nodes.loaders import load_checkpoint

    loaded = load_checkpoint("tiny.safetensors", tiny_ctx)
    cat, noise, empty = (encode_text(text, loaded.clip, tiny_ctx) for text in ("the (cat:1.2)", "noise", ""))
    return loaded.model, cat, noise, empty
