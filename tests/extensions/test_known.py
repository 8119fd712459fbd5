"""What is there, what has a stand-in, and the page that says so."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from carrara.extensions.known import Status, known, status

ROOT = Path(__file__).resolve().parents[2]


def test_how_things_stand_with_a_name() -> None:
    assert status("comfy.sd.load_controlnet") is Status.REMOVED
    assert status("comfy.k_diffusion.external.CompVisDenoiser") is Status.REMOVED
    assert status("comfy_extras.chainner_models.types.PyTorchModel") is Status.REMOVED
    assert status("comfy.text_encoders.t5.T5") is Status.PLANNED
    assert status("comfy.text_encoders.t5") is Status.PLANNED
    assert status("torchvision.ops.nms") is Status.UNINSTALLED
    assert status("comfy.text_encoders.t5.T6") is Status.UNKNOWN
    assert all(one.remedy for one in Status)


def test_the_table_is_in_order() -> None:
    """Sorted, so that two people's additions do not hide each other."""
    assert list(known()) == sorted(known())
    assert all(name.isidentifier() for names in known().values() for name in names)


def test_the_page_of_supported_names_promises_nothing_that_is_not_there() -> None:
    spec = importlib.util.spec_from_file_location("supported", ROOT / "docs" / "supported.py")
    assert spec is not None and spec.loader is not None
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    written = page.promised((ROOT / "docs" / "supported.md").read_text(encoding="utf-8"))
    now = page.promised(page.text())
    gone = {module: names - now.get(module, set()) for module, names in written.items()}
    assert not any(gone.values()), f"run: python docs/supported.py; no longer there: {gone}"
