"""One tiny world for all tests here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]  # worlds.py, tiny_world.py

if TYPE_CHECKING:
    from patched_world import World


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    from patched_world import build

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield build(tmp_path_factory.mktemp("world"))
    torch.set_num_threads(before)
