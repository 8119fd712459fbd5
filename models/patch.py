"""LoRA files as values: which weights they change, and by how much. Nothing is read until a network is made.

A weight becomes W + strength * change; deltas.py and reforms.py have the forms of the change. Names understood:
kohya's and LyCORIS', with Diffusers or LDM module paths, and Diffusers' own (PEFT and older). The module paths come
from the table that also serves checkpoints (keys.py).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadWeights, InputError
from .blueprint import Blueprint
from .deltas import Difference
from .keys import renamed
from .load import open_weights
from .reforms import Change, change_of, changed
from .weights import Reader, TensorFile, Weights

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

PREFIXES: Mapping[str, tuple[str, ...]] = {
    "unet": ("lora_unet_", "lycoris_", "unet.", "diffusion_model.", "model.diffusion_model.", "base_model.model.", ""),
    "text": (
        "lora_te_", "lora_te1_", "text_encoder.", "text_encoders.clip_l.transformer.",
        "cond_stage_model.transformer.", "",
    ),
}  # fmt: skip

ENDINGS: Mapping[str, str] = {
    ".lora_up.weight": "up", ".lora_down.weight": "down", ".lora_mid.weight": "mid", ".alpha": "alpha",
    ".lora_B.weight": "up", ".lora_A.weight": "down", ".lora_B.default.weight": "up", ".lora_A.default.weight": "down",
    ".lora.up.weight": "up", ".lora.down.weight": "down",
    "_lora.up.weight": "up", "_lora.down.weight": "down",
    ".lora_linear_layer.up.weight": "up", ".lora_linear_layer.down.weight": "down",
    ".lora_B": "up", ".lora_A": "down",
    ".dora_scale": "magnitude", ".lora_magnitude_vector": "magnitude", ".lora_magnitude_vector.weight": "magnitude",
    ".diff": "diff", ".diff_b": "diff_b", ".w_norm": "diff", ".b_norm": "diff_b", ".set_weight": "set",
    ".oft_blocks": "oft_blocks", ".rescale": "rescale",
    **{f".{k}.weight": k for k in ("a1", "a2", "b1", "b2")},
    **{f".hada_{k}": f"hada_{k}" for k in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")},
    **{f".lokr_{k}": f"lokr_{k}" for k in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")},
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Patch:
    """One file's changes to one network. deltas: our key -> how to make the change."""

    file: TensorFile
    deltas: Mapping[str, Change]
    strength: float

    @cached_property
    def content(self) -> tuple[Any, ...]:
        return self.file.content, self.strength

    def applied(self, key: str, weight: Tensor, read: Reader) -> Tensor:
        """weight plus its change, in the weight's own (wide) type. Raises BadWeights where the shapes disagree."""
        try:
            return changed(self.deltas[key], weight, self.strength, read)
        except RuntimeError as e:
            raise BadWeights(
                f"the LoRA's change does not fit {key}", got=str(e).splitlines()[0][:200], expected=tuple(weight.shape)
            ) from e


def with_lora(blueprint: Blueprint, path: Path | str, strength: float) -> tuple[Blueprint, tuple[str, ...]]:
    """The blueprint with the file's changes added, and the file's keys that fitted nothing here.

    A strength of 0 gives the blueprint back. Raises ModelNotFound or BadWeights.
    """
    file = open_weights(path)
    deltas, unused = changes(blueprint, file)
    if strength == 0 or not deltas:
        return blueprint, unused
    source = next(iter(file.values())).file
    return blueprint.patched(Patch(source, deltas, strength)), unused


def with_lora_on_all(parts: Sequence[tuple[Blueprint, float]], path: Path | str) -> tuple[Blueprint, ...]:
    """Several networks and their strengths. Logs tensors that fit none; raises InputError if not one tensor fits."""
    applied = [with_lora(blueprint, path, strength) for blueprint, strength in parts]
    left = set.intersection(*(set(unused) for _, unused in applied)) if applied else set()
    total = len(open_weights(path))
    if applied and len(left) == total:
        raise InputError(
            f"{Path(path).name} changes nothing of this model",
            got=", ".join(sorted(left)[:3]) or "no tensors",
            expected="LoRA tensors named for this model's family",
            remedy="Choose a LoRA that was made for this kind of model.",
        )
    if left:
        log.warning("%s: %d of %d tensors fit nothing here, such as %s", path, len(left), total, min(left))
    return tuple(blueprint for blueprint, _ in applied)


def changes(blueprint: Blueprint, file: Weights) -> tuple[dict[str, Change], tuple[str, ...]]:
    """What the file changes in the blueprint's network, and the keys that were left over."""
    modules = dict(public_names(blueprint))
    groups: dict[str, dict[str, str]] = {}
    unused = []
    for key in file:
        name, kind = split(key)
        if kind is None or name not in modules:
            unused.append(key)
        else:
            groups.setdefault(modules[name], {})[kind] = key
    deltas: dict[str, Change] = {}
    for module, parts in groups.items():
        found = change_of(parts)
        if found is not None:
            deltas[f"{module}.weight"] = found
        else:
            unused += [key for kind, key in parts.items() if kind != "diff_b"]
        if "diff_b" in parts and f"{module}.bias" in blueprint.weights:
            deltas[f"{module}.bias"] = Difference(parts["diff_b"])
    return deltas, tuple(unused)


def split(key: str) -> tuple[str, str | None]:
    """A LoRA file's key as (public name of the module, kind); kind None: not the name of a LoRA tensor."""
    for ending, kind in ENDINGS.items():
        if key.endswith(ending):
            name = key[: -len(ending)]
            # Old Diffusers files hang the four projections on the attention's "processor".
            name = re.sub(r"\.processor\.(to_[qkv]|to_out)$", r".\1", name)
            return re.sub(r"\.to_out$", ".to_out.0", name), kind
    return key, None


def public_names(blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    """Every name a LoRA file may use for a module, with our path of it."""
    table = blueprint.aliases(blueprint.config) if blueprint.aliases else {}
    for key in blueprint.weights:
        if not key.endswith(".weight"):
            continue
        ours = key.removesuffix(".weight")
        for path in {ours, renamed(ours, table)}:
            for prefix in PREFIXES.get(blueprint.role, ("",)):
                kohya = prefix.endswith("_")
                yield prefix + (path.replace(".", "_") if kohya else path), ours
