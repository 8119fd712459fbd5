"""The bar under a node."""

from __future__ import annotations

from typing import Any

import comfy.model_management

PROGRESS_BAR_ENABLED = False
TOLD: list[tuple[float, float, Any]] = []


class ProgressBar:
    def __init__(self, total: float, node_id: str | None = None) -> None:
        self.total = total

    def update_absolute(self, value: float, total: float | None = None, preview: Any = None) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        TOLD.append((value, self.total if total is None else total, preview))
