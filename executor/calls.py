"""Calling one node: from the lists on its links to the lists of its outputs.

Every output is a list. A node is called once per index up to its longest input, shorter lists repeating their last
element; a node with `list[T]` inputs is called once with whole lists.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from inspect import iscoroutinefunction
from typing import Any

from ..errors import CarraraError, Interrupted
from .awaiting import settled, side_by_side
from .cache import Values
from .context import Blocker, Context, Expand, Lazy, NeedsInput, Shown
from .dynamic import regroup
from .ports import NodeSpec

Inputs = dict[str, list[Any]]
SILENT = Blocker()
NAMES = (list, tuple, set, frozenset)


class Recipe:
    """How a node class is called, worked out once per run.

    plain: by passing values, and no more. waits: on an event loop.
    """

    __slots__ = ("casts", "lazy", "lists", "named", "plain", "raw", "spec", "waits", "wrapped")

    def __init__(self, spec: NodeSpec) -> None:
        self.spec = spec
        casts = ((i.param, i.cast or i.enum) for i in spec.plain)
        self.casts: dict[str, Callable[[Any], Any]] = {param: cast for param, cast in casts if cast is not None}
        self.lazy = frozenset(i.param for i in spec.plain if i.lazy)
        self.raw = frozenset(i.param for i in spec.plain if i.raw_link)
        self.wrapped = self.lazy - self.raw if spec.needs is None else frozenset[str]()
        self.lists = frozenset(i.param for i in spec.plain if i.is_list)
        self.named = frozenset(i.param for i in spec.plain)
        self.waits = spec.is_async or (spec.needs is not None and iscoroutinefunction(spec.needs.function))
        special = (self.casts, self.lazy, self.raw, spec.dynamic, spec.input_is_list, spec.context, spec.hidden)
        self.plain = not (self.waits or any(special) or any(o.is_list for o in spec.outputs))


@dataclass(frozen=True, slots=True)
class Done:
    """The node has its outputs. skipped: no call was made. blocked: messages of blockers that kept one from being made.

    What was skipped is not kept: it costs nothing, and what to say about it is to be said in each run.
    """

    values: Values
    ui: Mapping[str, Any] | None = None
    files: tuple[str, ...] = ()
    skipped: bool = False
    blocked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wants:
    """The node asked for lazy inputs; it is called again when they are there."""

    params: frozenset[str]


@dataclass(frozen=True, slots=True)
class Grown:
    """At least one call returned a piece of graph."""

    results: list[Any]
    skipped: bool
    blocked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """The node raised."""

    error: BaseException


Outcome = Done | Wants | Grown | Broken


class Job:
    """One node about to be called, with its inputs gathered. missing: lazy inputs not evaluated yet."""

    __slots__ = ("context", "extra", "id", "inputs", "missing", "recipe")

    def __init__(
        self,
        id: str,
        recipe: Recipe,
        inputs: Inputs,
        missing: frozenset[str],
        context: Context,
        extra: Mapping[str, Any],
    ) -> None:
        self.id = id
        self.recipe = recipe
        self.inputs = inputs
        self.missing = missing
        self.context = context
        self.extra = extra

    def run(self) -> Outcome:
        """Call the node on this thread."""
        try:
            wanted = self._known([settled(names) for names in self._asked()])
            if wanted:
                return Wants(wanted)
            results: list[Any] = []
            blocked: list[str] = []
            for index, arguments in enumerate(self._calls()):
                if isinstance(arguments, Blocker):
                    self._block(arguments, results, blocked)
                else:
                    self.context.check()
                    results.append(self._call(arguments, index))
            return collected(self.recipe.spec, results, blocked)
        except NeedsInput as need:
            return Wants(frozenset((need.name,)))
        except BaseException as error:
            return Broken(error)

    async def run_async(self) -> Outcome:
        """Call the node on an event loop; several calls run side by side."""
        import asyncio  # costs as much as the rest of the executor, and few nodes are async

        try:
            asked = [await names if isinstance(names, Awaitable) else names for names in self._asked()]
            wanted = self._known(asked)
            if wanted:
                return Wants(wanted)
            results: list[Any] = []
            blocked: list[str] = []
            running: list[tuple[int, Awaitable[Any]]] = []
            for index, arguments in enumerate(self._calls()):
                if isinstance(arguments, Blocker):
                    self._block(arguments, results, blocked)
                else:
                    self.context.check()
                    result = self._call(arguments, index)
                    if isinstance(result, Awaitable):
                        running.append((len(results), result))
                    results.append(result)
            given = await side_by_side([call for _, call in running])
            for (place, _), result in zip(running, given, strict=True):
                results[place] = result
            return collected(self.recipe.spec, results, blocked)
        except NeedsInput as need:
            return Wants(frozenset((need.name,)))
        except asyncio.CancelledError:
            return Broken(Interrupted("stopped while it waited"))
        except BaseException as error:
            return Broken(error)

    # --- arguments -----------------------------------------------------------------------------------------

    def _call(self, arguments: dict[str, Any], index: int) -> Any:
        spec = self.recipe.spec
        extra = self.extra
        if index and spec.context is not None:
            extra = {**extra, spec.context: replace(self.context, call=index)}
        return spec.function(**arguments, **extra)

    def _asked(self) -> list[Any]:
        """What a `needs` hook says for each call: names, or an awaitable of them."""
        needs = self.recipe.spec.needs
        if needs is None or not self.missing:
            return []
        hidden = self.extra if needs.classic else {}
        calls = [arguments for arguments in self._calls() if not isinstance(arguments, Blocker)]
        return [needs({**hidden, **arguments}, self.context) for arguments in calls]

    def _known(self, asked: list[Any]) -> frozenset[str]:
        """The inputs asked for that are not there."""
        wanted = {name for names in asked if isinstance(names, NAMES) for name in names}
        strange = wanted - self.inputs.keys() - self.missing
        if strange:
            raise CarraraError("the node asks for inputs it does not have", got=sorted(strange))
        return frozenset(wanted & self.missing)

    def _calls(self) -> list[dict[str, Any] | Blocker]:
        inputs = self.inputs
        recipe = self.recipe
        if recipe.spec.input_is_list:
            return [self._whole()]
        count = max(map(len, inputs.values()), default=1)
        if any(not values for values in inputs.values()):
            count = 0
        return [self._ready({name: v[i] if i < len(v) else v[-1] for name, v in inputs.items()}) for i in range(count)]

    def _whole(self) -> dict[str, Any] | Blocker:
        lists = self.recipe.lists
        named = self.recipe.named
        arguments: dict[str, Any] = {}
        for name, values in self.inputs.items():
            for value in values:
                if isinstance(value, Blocker):
                    return value
            if name in lists or name not in named:
                cast = self.recipe.casts.get(name)
                arguments[name] = list(values) if cast is None else [cast(v) for v in values]
            elif values:
                cast = self.recipe.casts.get(name)
                arguments[name] = values[0] if cast is None else cast(values[0])
        return self._lazily(arguments, [None])

    def _ready(self, arguments: dict[str, Any]) -> dict[str, Any] | Blocker:
        for value in arguments.values():
            if isinstance(value, Blocker):
                return value
        for name, cast in self.recipe.casts.items():
            if arguments.get(name) is not None:
                arguments[name] = cast(arguments[name])
        return self._lazily(arguments, None)

    def _lazily(self, arguments: dict[str, Any], absent: Any) -> dict[str, Any]:
        wrapped = self.recipe.wrapped
        for name in self.missing:
            arguments[name] = Lazy(name) if name in wrapped else absent
        for name in wrapped - self.missing:
            if arguments.get(name) is not None:
                arguments[name] = Lazy(name, arguments[name], ready=True)
        return regroup(self.recipe.spec.dynamic, arguments) if self.recipe.spec.dynamic else arguments

    # --- results -------------------------------------------------------------------------------------------

    def _block(self, blocker: Blocker, results: list[Any], blocked: list[str]) -> None:
        if blocker.message is not None:
            blocked.append(blocker.message)
        results.append(SILENT)


def collected(spec: NodeSpec, results: list[Any], blocked: list[str]) -> Done | Grown:
    """All calls are made: their outputs, or the graph they ask for."""
    if len(results) == 1 and not spec.packed:
        kind = type(results[0])
        if kind is not Shown and kind is not Blocker and kind is not Expand and not spec.outputs[0].is_list:
            return Done(([results[0]],))
    skipped = bool(results) and all(result is SILENT for result in results)
    if any(type(result) is Expand for result in results):
        return Grown(results, skipped, tuple(blocked))
    return gather(spec, results, skipped, tuple(blocked))


def gather(
    spec: NodeSpec,
    results: list[Any],
    skipped: bool = False,
    blocked: tuple[str, ...] = (),
    linked: Callable[[Any], Any] | None = None,
) -> Done:
    """Collect the results of all calls, output by output. linked: gives the list behind a link of an Expand."""
    outputs: tuple[list[Any], ...] = tuple([] for _ in spec.outputs)
    shows: list[Mapping[str, Any]] = []
    files: list[str] = []
    for result in results:
        values, ui, made = unpack(spec, result)
        if ui is not None:
            shows.append(ui)
        files += made
        grown = type(result) is Expand
        for output, port, value in zip(outputs, spec.outputs, values, strict=True):
            many = linked(value) if grown and linked is not None else None
            if many is not None:
                output.extend(many)
            elif port.is_list and not isinstance(value, Blocker):
                output.extend(value if not grown or linked is None else _linked(value, linked))
            else:
                output.append(value)
    return Done(outputs, _merged(shows), tuple(files), skipped, blocked)


def _linked(items: list[Any], linked: Callable[[Any], Any]) -> Iterator[Any]:
    """A list with links in it; what is blocked without a word is left out."""
    for item in items:
        found = linked(item)
        for value in (item,) if found is None else found:
            if value != SILENT if type(value) is Blocker else True:
                yield value


def unpack(spec: NodeSpec, result: Any) -> tuple[tuple[Any, ...], Mapping[str, Any] | None, tuple[str, ...]]:
    """One call's return value as (outputs, ui, files). Raises CarraraError when the number of outputs is wrong."""
    count = len(spec.outputs)
    ui: Mapping[str, Any] | None = None
    files: tuple[str, ...] = ()
    if isinstance(result, Blocker):
        return (result,) * count, None, ()
    if isinstance(result, Shown):
        ui, files, values = result.ui, result.files, result.result or (None,) * count
    elif isinstance(result, Expand):
        ui, values = result.ui or None, result.result or (None,) * count
    elif not spec.packed:
        values = (result,)
    elif result is None and count == 0:
        values = ()
    elif isinstance(result, tuple | list):
        values = tuple(result)
    else:
        values = (result,)
    if len(values) != count:
        raise CarraraError(
            "the node returned another number of outputs than it declares",
            got=len(values),
            expected=count,
            remedy=f"Return {', '.join(o.name for o in spec.outputs) or 'None'}.",
        )
    return values, ui, files


def _merged(shows: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The ui of several calls: lists joined under the keys of the first."""
    if len(shows) < 2:
        return shows[0] if shows else None
    return {key: [item for ui in shows for item in ui.get(key, ())] for key in shows[0]}
