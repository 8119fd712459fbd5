"""Changes of weights as foreign code lists them: key -> entries (strength, change, strength of the weight, part, then).

A change is a table of tensors under a name ("diff", "set", "lora", ...), an adapter that computes it, or a list that
begins with a whole weight and goes on with entries. part: (axis, start, length) of the weight that is meant; then: a
function of the finished change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import Unsupported
from ...models.deltas import Delta, Hadamard, Kronecker, LowRank
from ...models.weights import Reader, TensorFile, opening

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ...models.blueprint import Blueprint
    from ...models.merging import Merged
    from ...models.patch import Patch
    from ...models.scaled import Scaled

Entry = tuple[float, Any, float, Any, Any]

FORMS: Mapping[str, tuple[type[Any], tuple[str, ...]]] = {
    "lora": (LowRank, ("up", "down", "alpha", "mid")),
    "loha": (Hadamard, ("w1_a", "w1_b", "alpha", "w2_a", "w2_b", "t1", "t2")),
    "lokr": (Kronecker, ("w1", "w2", "alpha", "w1_a", "w1_b", "w2_a", "w2_b", "t2")),
}
"""The ecosystem's name of a form -> ours, and the order in which its tensors stand."""


class Nothing:
    """No file: what foreign code changes, it holds in memory."""

    content = "memory"

    def open(self) -> AbstractContextManager[Reader]:
        return nullcontext(_nothing)


def _nothing(key: str) -> Tensor:
    raise KeyError(key)


Calculate = Callable[..., "Tensor"]
"""(entries, weight, key) -> the changed weight."""


@dataclass(frozen=True, eq=False)
class TheirPatch:
    """All that foreign code changes of one network, as a patch of a blueprint. deltas: our key -> entries.

    prefix: what the keys begin with outside. version: new whenever the entries are. calculate: the host's function,
    looked up when the change is made, since packs replace it.
    """

    deltas: Mapping[str, list[Entry]]
    prefix: str
    version: Any
    calculate: Callable[[], Calculate]
    file: TensorFile = field(default_factory=Nothing)
    strength: float = 1.0

    @property
    def content(self) -> tuple[Any, ...]:
        return "foreign", self.version

    def applied(self, key: str, weight: Tensor, read: Reader) -> Tensor:
        return self.calculate()(self.deltas[key], weight.clone(), self.prefix + key).to(weight)


def delta_of(form: str, tensors: tuple[Any, ...]) -> tuple[Delta, Reader]:
    """A change in one of the known forms, and how to read its tensors."""
    kind, names = FORMS[form]
    found = {name: value for name, value in zip(names, tensors, strict=False) if value is not None}
    if form in ("lora", "loha", "lokr") and len(tensors) > len(names) and tensors[len(names)] is not None:
        raise Unsupported("changes with weight decomposition (DoRA)", got=form, remedy="Use a plain LoRA.")
    return kind(**{name: name for name in found}), found.__getitem__


def changed(weight: Tensor, form: str, tensors: tuple[Any, ...], strength: float, then: Any = None) -> Tensor:
    """The weight plus a change in one of the known forms."""
    delta, read = delta_of(form, tensors)
    change = strength * delta.delta(tuple(weight.shape), read).to(weight)
    return weight + (change if then is None else then(change))


def calculated(
    entries: list[Any], weight: Tensor, key: str, dtype: torch.dtype | None = None, original: Any = None
) -> Tensor:
    """The weight with the entries applied in their order. original: key -> entries whose first has the bare weight."""
    bare = weight if original is None else original[key][0][0]
    for strength, change, keep, part, then in entries:
        where = weight
        if part is not None:
            where = weight.narrow(part[0], part[1], part[2])
        where = where * keep if keep != 1.0 else where
        done = _one(change, where, key, strength, keep, part, then, bare, dtype, original)
        if part is None:
            weight = done
        else:
            weight = weight.clone()
            weight.narrow(part[0], part[1], part[2]).copy_(done)
    return weight


def _one(
    change: Any, weight: Tensor, key: str, strength: float, keep: float, part: Any, then: Any, bare: Tensor,
    dtype: Any, original: Any,
) -> Tensor:  # fmt: skip
    if isinstance(change, list):
        (first, convert), *rest = change
        whole = calculated(rest, (convert or _same)(first.to(weight)), key, dtype, original)
        change = (whole,)
    if hasattr(change, "calculate_weight"):
        import torch

        kind = torch.float32 if dtype is None else dtype
        done = change.calculate_weight(weight, key, strength, keep, part, then or _same, kind, original)
        return weight if done is None else done  # type: ignore[no-any-return]
    form, tensors = ("diff", change) if len(change) == 1 else (change[0], change[1])
    if form == "set":
        return tensors[0].to(weight).clone()  # type: ignore[no-any-return]
    if form in ("diff", "model_as_lora"):
        if strength == 0.0:  # packs scale a weight by a change of nothing: {key: (None,)}, 0.0, scale
            return weight
        diff = tensors[0].to(weight)
        diff = diff - bare.to(weight) if form == "model_as_lora" else diff
        if diff.shape != weight.shape:
            return weight
        return weight + (then or _same)(strength * diff)  # type: ignore[no-any-return]
    if form in FORMS:
        return changed(weight, form, tuple(tensors), strength, then)
    raise Unsupported(f"changes of weights of the form {form}", got=key, expected=", ".join(("diff", "set", *FORMS)))


def _same(value: Any, **_: Any) -> Any:
    return value


@dataclass(frozen=True, eq=False)
class OurPatch:
    """One key of a patch of ours, in the form of an adapter."""

    patch: Patch | Scaled | Merged
    key: str
    name: str = "carrara"
    loaded_keys: frozenset[str] = frozenset()

    def calculate_weight(
        self, weight: Tensor, key: str, strength: float, strength_model: float, offset: Any, function: Any,
        intermediate_dtype: Any = None, original_weight: Any = None,
    ) -> Tensor:  # fmt: skip
        import torch

        with self.patch.file.open() as read:
            wide = weight if weight.dtype == torch.float64 else weight.float()
            done = self.patch.applied(self.key, wide, read)
        return wide + strength * (done - wide) if strength != 1.0 else done


def entries_of(blueprint: Blueprint, prefix: str) -> dict[str, list[Entry]]:
    """A blueprint's own patches as entries."""
    found: dict[str, list[Entry]] = {}
    for patch in blueprint.patches:
        for key in patch.deltas:
            found.setdefault(prefix + key, []).append((1.0, OurPatch(patch, key), 1.0, None, None))
    return found


def tensors_of(blueprint: Blueprint, prefix: str = "", beginning: str | None = None) -> Iterator[tuple[str, Tensor]]:
    """Keys and stored tensors without any patches, in the network's order and shapes. beginning: only keys that start
    so."""
    from ...models.materialise import empty

    shapes = {key: value.shape for key, value in empty(blueprint).state_dict().items()}
    with opening() as reader:
        for key, shape in shapes.items():
            piece = blueprint.weights.get(key)
            if piece is None or (beginning is not None and not (prefix + key).startswith(beginning)):
                continue
            yield prefix + key, reader(piece.file)(piece.key).view(shape)
