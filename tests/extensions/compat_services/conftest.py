"""A host with real services, its folders below a temporary one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent))  # worlds.py

from carrara.engine import Names
from carrara.executor.spec import Listing
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
    models, files = Models.at([tmp_path / "models"]), Files(*(tmp_path / name for name in ("input", "output", "temp")))
    services = {
        Models: models,
        Files: files,
        Listing: Names(models, files),
        Compute: compute,
        Residency: Residency(compute),
    }
    return Host(services, catalogue, base=tmp_path, border=plain_border())
