"""Loops and branches. What lies between the start and the end of a loop is run again for each item, or while it holds.

The end finds the nodes between and turns into copies of them. Each copy is a node like any other: cached, shown on the
node it is a copy of, and freed when it is used; no loop is nested into another by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, NamedTuple, TypeVar
from typing import Any as Anything

from ..errors import InputError
from ..executor.spec import Any as AnyValue
from ..executor.spec import (
    Autogrow,
    Blocker,
    Context,
    DynPrompt,
    Expand,
    Extra,
    Hidden,
    Lazy,
    Optional,
    Out,
    Range,
    Raw,
    is_link,
    node,
)

T = TypeVar("T")
LOOPS, BRANCHES = "logic/loops", "logic"
VALUES = ("value0", "value1", "value2", "value3")
SHOWN = Extra({"forceInput": True})
Prompt = Annotated[DynPrompt | None, Hidden("DYNPROMPT")]
Entries = Mapping[str, Mapping[str, Anything]]

# --- for each --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Round:
    """What the two ends of a loop share. items: of a loop over them; values, index: of one that goes on while."""

    socket: ClassVar[str] = "LOOP"

    items: Sequence[Anything] = ()
    values: Mapping[str, Anything] = field(default_factory=dict)
    index: int = 0


class Item(NamedTuple):
    loop: Annotated[Round, "Goes to the end of the loop."]
    item: AnyValue
    number: Annotated[int, Out("index"), "Counts from 0."]
    total: Annotated[AnyValue, "What the items before came to; at first, `initial`."]


class Results(NamedTuple):
    results: Annotated[list[AnyValue], "One for each item that was not blocked."]
    total: AnyValue


@node("LoopForEach", own=True, category=LOOPS, title="For Each")
def for_each(items: list[AnyValue], initial: Annotated[AnyValue | None, "The total to begin with."] = None) -> Item:
    """Run the nodes up to End For Each once for every item of a list, one of a range of numbers for example."""
    return Item(Round(items), items[0] if items else Blocker(), 0, initial)


@node("LoopItem", own=True, category=LOOPS, title="Item of a Loop")
def loop_item(loop: Round, index: Annotated[int, Range(0, 2**31), "0 is the first."] = 0) -> AnyValue:
    """One of the items that For Each goes through."""
    return loop.items[index]


@node("LoopForEachEnd", own=True, category=LOOPS, title="End For Each")
def for_each_end(
    loop: Round,
    result: Annotated[Raw[AnyValue] | None, "What is made of one item."] = None,
    total: Annotated[Raw[AnyValue] | None, "The new total, made of the old one and the item."] = None,
    *,
    ctx: Context,
    prompt: Prompt = None,
) -> Results | Expand:
    """The end of For Each: what was made of every item as a list, and what they came to."""
    assert prompt is not None
    start = prompt.get_node(ctx.node_id)["inputs"]["loop"][0]
    given = prompt.get_node(start)["inputs"]
    if not loop.items:
        return Expand({}, ([], given.get("initial")))
    wanted = [raw.node for raw in (result, total) if isinstance(raw, Raw)]
    body = frozenset(prompt.between(start, wanted))
    nodes: dict[str, Mapping[str, Anything]] = {}
    results = [_link(result)]
    sum_ = _link(total)
    for i in range(1, len(loop.items)):
        pick = f"{ctx.node_id}.{i}.{start}"
        nodes[pick] = _entry("LoopItem", {"loop": [start, 0], "index": i}, start)
        copy = Copy(f"{ctx.node_id}.{i}.", body, {(start, 1): [pick, 0], (start, 2): i, (start, 3): sum_})
        nodes |= copy.nodes(prompt)
        results.append(copy.moved(_link(result)))
        sum_ = copy.moved(_link(total))
    return Expand(nodes, (results if result is not None else [], sum_ if total is not None else given.get("initial")))


# --- while -----------------------------------------------------------------------------------------------------


class Turn(NamedTuple):
    loop: Annotated[Round, "Goes to the end of the loop."]
    number: Annotated[int, Out("index"), "Counts from 0."]
    value0: AnyValue
    value1: AnyValue
    value2: AnyValue
    value3: AnyValue


class Values(NamedTuple):
    value0: AnyValue
    value1: AnyValue
    value2: AnyValue
    value3: AnyValue


@dataclass(frozen=True, eq=False)
class Pattern:
    """A while loop as it was drawn: its two ends, the nodes between, and what they are given."""

    start: str
    end: str
    body: frozenset[str]
    entries: Entries


@node("LoopWhile", own=True, category=LOOPS, title="While")
def while_(
    values: Annotated[dict[str, AnyValue], Autogrow(min=0, names=VALUES), "What changes from round to round."],
    index: Annotated[int, Optional(), Range(0, 2**31), "Counting begins here."] = 0,
) -> Turn:
    """Run the nodes up to End While again and again, with other values each time, as long as a condition holds."""
    return Turn(Round(values=values, index=index), index, *(values.get(name) for name in VALUES))


@node("LoopWhileEnd", own=True, category=LOOPS, title="End While")
def while_end(
    loop: Round,
    condition: Annotated[Lazy[bool], SHOWN, "Looked at before each round."],
    values: Annotated[dict[str, Raw[AnyValue]], Autogrow(min=0, names=VALUES), "The values for the next round."],
    limit: Annotated[int, Optional(), Range(1, 10**9), "More rounds than that are taken for a mistake."] = 1_000_000,
    *,
    ctx: Context,
    prompt: Prompt = None,
    **more: AnyValue,
) -> Values | Expand:
    """The end of While: the values that no longer fulfil the condition."""
    if not condition.get():
        return Values(*(loop.values.get(name) for name in VALUES))
    if loop.index + 1 > limit:
        raise InputError("the loop does not end", got=f"{loop.index + 1} rounds", remedy="Mend it, or raise the limit.")
    assert prompt is not None
    pattern: Pattern = more.get("pattern") or _pattern(prompt, ctx.node_id)
    i = loop.index + 1
    start = f"{pattern.end}.{i}.{pattern.start}"
    here = prompt.get_node(ctx.node_id)["inputs"]["loop"][0]
    inputs = {f"values.{name}": [here, 2 + slot] for slot, name in enumerate(VALUES) if name in loop.values}
    inputs |= {f"values.{name}": _link(raw) for name, raw in values.items()}
    replaced: dict[tuple[str, int], Anything] = {(pattern.start, slot): [start, slot] for slot in range(6)}
    copy = Copy(f"{pattern.end}.{i}.", pattern.body | {pattern.end}, replaced)
    nodes = {start: _entry("LoopWhile", inputs | {"index": i}, pattern.start)} | copy.of(pattern.entries)
    end = f"{pattern.end}.{i}.{pattern.end}"
    nodes[end] = {**nodes[end], "inputs": {**nodes[end]["inputs"], "pattern": pattern}}
    return Expand(nodes, tuple([end, slot] for slot in range(len(VALUES))))


def _pattern(prompt: DynPrompt, end: str) -> Pattern:
    """What is drawn between the two ends, read in the first round."""
    inputs = prompt.get_node(end)["inputs"]
    start = inputs["loop"][0]
    ends = [value[0] for name, value in inputs.items() if name != "loop" and is_link(value)]
    body = prompt.between(start, ends)
    return Pattern(start, end, frozenset(body), {id: prompt.get_node(id) for id in (*body, end)})


# --- copies ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Copy:
    """Nodes under other names. replaced: what stands for outputs of the start."""

    prefix: str
    body: frozenset[str]
    replaced: Mapping[tuple[str, int], Anything]

    def moved(self, value: Anything) -> Anything:
        """An input as the copy has it."""
        if not is_link(value):
            return value
        source, slot = value
        if (source, slot) in self.replaced:
            return self.replaced[source, slot]
        return [self.prefix + source, slot] if source in self.body else value

    def of(self, entries: Entries) -> dict[str, Mapping[str, Anything]]:
        return {
            self.prefix + id: _entry(
                entry["class_type"], {name: self.moved(value) for name, value in entry["inputs"].items()}, id
            )
            for id, entry in entries.items()
        }

    def nodes(self, prompt: DynPrompt) -> dict[str, Mapping[str, Anything]]:
        return self.of({id: prompt.get_node(id) for id in self.body})


def _entry(kind: str, inputs: Mapping[str, Anything], shown: str) -> Mapping[str, Anything]:
    return {"class_type": kind, "inputs": inputs, "override_display_id": shown}


def _link(given: Raw[Anything] | Anything) -> Anything:
    return given.link if isinstance(given, Raw) else given


# --- branches --------------------------------------------------------------------------------------------------


@node("IfElseBranch", own=True, category=BRANCHES, title="If / Else")
def if_else(condition: bool, then: Lazy[T] | None = None, otherwise: Lazy[T] | None = None) -> T | Blocker:
    """Pass on one of two values; the other one's branch does not run. With nothing linked there, the rest does not."""
    chosen = then if condition else otherwise
    return Blocker() if chosen is None else chosen.get()


@node("SwitchByIndex", own=True, category=BRANCHES, title="Switch by Number")
def switch_by_index(
    index: Annotated[int, Range(0, 99), "0 is the first."],
    options: Annotated[dict[str, Lazy[T]], Autogrow(min=1, max=100, prefix="option")],
) -> T:
    """Pass on one of many values; only its branch runs."""
    name = f"option{index}"
    if name not in options:
        raise InputError("nothing is linked to that number", got=index, expected=list(options))
    return options[name].get()


@node("StopUnless", own=True, category=BRANCHES, title="Stop Unless")
def stop_unless(value: T, condition: bool) -> T | Blocker:
    """Pass a value on if the condition holds; else what comes after it does not run."""
    return value if condition else Blocker()
