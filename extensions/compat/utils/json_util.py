"""`utils.json_util`: JSON values laid over one another."""

from __future__ import annotations

from typing import Any


def merge_json_recursive(base: Any, update: Any) -> Any:
    """`update` over `base`: objects are merged name by name, lists joined, all else replaced. Neither is changed."""
    if isinstance(base, dict) and isinstance(update, dict):
        merged = {
            name: merge_json_recursive(base[name], value) if name in base else value for name, value in update.items()
        }
        return {**base, **merged}
    return base + update if isinstance(base, list) and isinstance(update, list) else update
