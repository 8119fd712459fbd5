"""A host with real services, its folders below a temporary one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent))  # worlds.py

from carrara.extensions.host import Host
from carrara.extensions.plain import plain_border
from carrara.models.compute import Compute
from carrara.models.residency import Residency
from carrara.models.services import Models
from carrara.nodes.catalog import catalogue
from carrara.nodes.store import Files


@pytest.fixture
def host(tmp_path: Path) -> Host:
    compute = Compute()
    services = {
        Models: Models.at([tmp_path / "models"]),
        Files: Files(tmp_path / "input", tmp_path / "output", tmp_path / "temp"),
        Compute: compute,
        Residency: Residency(compute),
    }
    return Host(services, catalogue, base=tmp_path, border=plain_border())
