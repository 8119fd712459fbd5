"""Changes of weights as objects. Packs build on `WeightAdapterBase`."""

from __future__ import annotations

from comfy.weight_adapter.base import LoHaAdapter, LoKrAdapter, LoRAAdapter, WeightAdapterBase

adapters = [LoRAAdapter, LoHaAdapter, LoKrAdapter]

__all__ = ["LoHaAdapter", "LoKrAdapter", "LoRAAdapter", "WeightAdapterBase", "adapters"]


def adapter_of(parts):
    """parts: kind of tensor -> tensor. None where they make up none of the forms."""
    alpha = parts.get("alpha")
    alpha = None if alpha is None else float(alpha)
    if "up" in parts and "down" in parts:
        tensors = parts["up"], parts["down"], alpha, parts.get("mid"), parts.get("dora_scale"), None
        return LoRAAdapter(set(), tensors)
    if all(f"hada_{name}" in parts for name in ("w1_a", "w1_b", "w2_a", "w2_b")):
        names = ("w1_a", "w1_b", None, "w2_a", "w2_b", "t1", "t2")
        tensors = tuple(alpha if name is None else parts.get(f"hada_{name}") for name in names)
        return LoHaAdapter(set(), (*tensors, parts.get("dora_scale")))
    if any(name.startswith("lokr_") for name in parts):
        names = ("w1", "w2", None, "w1_a", "w1_b", "w2_a", "w2_b", "t2")
        tensors = tuple(alpha if name is None else parts.get(f"lokr_{name}") for name in names)
        return LoKrAdapter(set(), (*tensors, parts.get("dora_scale")))
    return None
