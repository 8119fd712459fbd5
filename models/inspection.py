"""What a model file is, told from its header: nothing of its weights is read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from ..errors import UnknownFamily
from .blueprint import Blueprint
from .checkpoint import Loaded, load_checkpoint, load_controlnet, load_text, load_vae
from .load import open_weights
from .materialise import misfit
from .weights import Weights


def inspect(path: Path) -> dict[str, Any]:
    """Family, parts with their configuration, number formats, missing and extra tensors. Raises ModelError."""
    found: dict[str, Any] = {"file": str(path)}
    try:
        loaded: Loaded | None = load_checkpoint(path)
        reason = ""
    except UnknownFamily as error:
        loaded, reason = None, str(error)
    if loaded is not None:
        family = loaded.family.name if loaded.family else "?"
        found |= {"family": family, "prediction": loaded.prediction, "zero_terminal_snr": loaded.zsnr}
        weights, parts = loaded.weights, list(_parts(loaded))
    else:
        weights, parts = open_weights(path), list(_lone(path))
        found["family"] = parts[0].role if parts else "lora" if _is_lora(weights) else "unknown"
        if found["family"] == "unknown":
            found["reason"] = reason
    found |= {
        "tensors": len(weights),
        "parameters": sum(math.prod(piece.shape) for piece in weights.values()),
        "dtypes": dict(Counter(piece.dtype for piece in weights.values())),
        "config": {part.role: _plain(part.config) for part in parts},
        **_fit(weights, parts),
        "metadata": dict(weights.metadata),
    }
    return found


def _parts(loaded: Loaded) -> Iterator[Blueprint]:
    yield from (part for part in (loaded.unet, loaded.vae, *loaded.text) if part is not None)


def _lone(path: Path) -> Iterator[Blueprint]:
    """The one network of a file that is no whole model."""
    for read in (lambda: [load_controlnet(path)], lambda: _parts(load_vae(path)), lambda: _parts(load_text(path))):
        try:
            yield from read()
        except UnknownFamily:
            continue
        return


def _is_lora(weights: Weights) -> bool:
    return any(key.endswith((".lora_up.weight", ".lora_B.weight", "lora.up.weight")) for key in weights)


def _fit(weights: Weights, parts: list[Blueprint]) -> dict[str, list[str]]:
    """Tensors that the networks lack, and tensors of the file that no network takes."""
    missing: list[str] = []
    extra: list[str] = []
    taken: set[str] = set()
    for part in parts:
        difference = misfit(part)
        prefix = part.weights.scope
        missing += [prefix + key for key in difference.missing]
        missing += [f"{prefix}{key}: {got}, not {need}" for key, (got, need) in difference.shapes.items()]
        extra += [prefix + key for key in difference.extra]
        taken |= {piece.key for piece in part.weights.values()}
    if parts:
        extra += [key for key, piece in weights.items() if piece.key not in taken]
    return {"missing": missing, "extra": extra}


def _plain(config: Any) -> Any:
    return asdict(config) if is_dataclass(config) and not isinstance(config, type) else config
