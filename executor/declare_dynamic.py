"""Reads the annotations of dynamic inputs: dicts that grow, and choices that bring inputs of their own."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .dynamic import autogrow, dynamic_combo
from .ports import Autogrow, Input, Port

if TYPE_CHECKING:
    from .declare import Reader


def growing(reader: Reader, name: str, hint: Any, said: list[Any], absent: bool) -> Input:
    """`dict[str, T]`: an input that grows."""
    key, value = typing.get_args(hint)
    if key is not str:
        reader.fail(f"{name} is a dict, but not by name", f"Write `{name}: dict[str, ...]`.", got=hint)
    word, port = reader.only(said, Autogrow, name) or Autogrow(), reader.only(said, Port, name) or Port()
    single = name[:-1] if name.endswith("s") else name
    if word.names and word.prefix:
        reader.fail(f"{name} grows by a prefix and by names too", "Keep one of the two.", got=word)
    if not 0 <= word.min <= (len(word.names) or word.max):
        reader.fail(f"{name} needs more members than it may have", "Lower min, or raise max.", got=word)
    prefix = None if word.names else word.prefix or single
    return autogrow(
        port.name or name,
        reader.input(prefix or single, value),
        names=word.names,
        prefix=prefix,
        min=word.min,
        max=word.max,
        param=name,
        required=not absent,
        title=port.title,
        tooltip=" ".join(s for s in said if isinstance(s, str)),
    )


def choosing(reader: Reader, name: str, hint: Any, said: list[Any], absent: bool) -> Input:
    """A union of dataclasses: a choice that brings the fields of one of them."""
    port = reader.only(said, Port, name) or Port()
    kinds: dict[str, Any] = {}
    options: dict[str, list[Input]] = {}
    for kind in reader.members(hint):
        if kind.choice in kinds:
            reader.fail(f"{name} has two choices called {kind.choice}", "Give each `choice` its own name.")
        kinds[kind.choice] = kind
        try:
            hints = typing.get_type_hints(kind, include_extras=True)
        except NameError as error:
            reader.fail(f"{kind.__name__} names something undefined: {error}", "Import it at the top of the module.")
        options[kind.choice] = [
            reader.input(field.name, hints[field.name], _default(field)) for field in dataclasses.fields(kind)
        ]
    return dynamic_combo(
        port.name or name,
        options,
        make={key: _maker(kind) for key, kind in kinds.items()},
        param=name,
        required=not absent,
        title=port.title,
        tooltip=" ".join(s for s in said if isinstance(s, str)),
    )


def is_choice(hint: Any) -> bool:
    return dataclasses.is_dataclass(hint) and isinstance(getattr(hint, "choice", None), str)


def _default(field: dataclasses.Field[Any]) -> Any:
    return inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default


def _maker(kind: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda values: kind(**values)
