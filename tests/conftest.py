"""Binds the repository root as the package `carrara`, whatever the folder is called."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

if "carrara" not in sys.modules:
    spec = importlib.util.spec_from_file_location(
        "carrara", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["carrara"] = package
    spec.loader.exec_module(package)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root, which is the package."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference material that developers have beside the checkout; users do not."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of toy networks."""
    import tiny_world

    return tiny_world.build(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def tiny_ctx(tiny: Path):
    """What nodes run in, with that folder."""
    import tiny_world

    return tiny_world.context(tiny)
