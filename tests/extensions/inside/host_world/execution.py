"""The host's way from a prompt to results, as far as packs notice it: links, checks, lists, lazy inputs, blockers."""

from __future__ import annotations

from typing import Any

from comfy_execution.graph import ExecutionBlocker

import nodes


def fits(given: str, wanted: str) -> bool:
    """`!=` is asked first, so that a pack's own text class may answer it."""
    different = given != wanted
    return not different or bool({t.strip() for t in given.split(",")} & {t.strip() for t in wanted.split(",")})


def is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def ports(kind: Any) -> dict[str, tuple[Any, dict[str, Any], bool]]:
    """Name -> type, options, whether it must be there."""
    said = kind.INPUT_TYPES()
    return {
        name: (config[0], config[1] if len(config) > 1 else {}, group == "required")
        for group in ("required", "optional")
        for name, config in said.get(group, {}).items()
    }


def faults(prompt: dict[str, Any]) -> list[str]:
    """What is wrong with a prompt. Links are compared by their types; names by their lists; numbers by their bounds."""
    found = []
    for id, entry in prompt.items():
        kind = nodes.NODE_CLASS_MAPPINGS[entry["class_type"]]
        for name, (type_, options, needed) in ports(kind).items():
            if name not in entry["inputs"]:
                found += [f"{id}.{name} is missing"] if needed else []
                continue
            value = entry["inputs"][name]
            if is_link(value):
                given = nodes.NODE_CLASS_MAPPINGS[prompt[value[0]]["class_type"]].RETURN_TYPES[value[1]]
                found += [] if fits(given, type_) else [f"{id}.{name} takes {type_}, not {given}"]
            elif isinstance(type_, list) and value not in type_:
                found.append(f"{id}.{name}: {value} is not in the list")
            elif type_ in ("INT", "FLOAT") and not options.get("min", value) <= value <= options.get("max", value):
                found.append(f"{id}.{name}: {value} is out of range")
    return found


def execute(prompt: dict[str, Any], target: str) -> list[list[Any]]:
    """The outputs of one node, each a list. Raises ValueError for a prompt with faults."""
    if faults(prompt):
        raise ValueError("; ".join(faults(prompt)))
    return _node(prompt, target, {})


def _node(prompt: dict[str, Any], id: str, done: dict[str, list[list[Any]]]) -> list[list[Any]]:
    if id in done:
        return done[id]
    kind = nodes.NODE_CLASS_MAPPINGS[prompt[id]["class_type"]]
    declared, given = ports(kind), prompt[id]["inputs"]
    lazy = {name for name, (_, options, _) in declared.items() if options.get("lazy") and is_link(given.get(name))}
    values = {name: _value(prompt, value, done) for name, value in given.items() if name not in lazy}
    if lazy:
        first = {name: held[0] for name, held in values.items()} | dict.fromkeys(lazy)
        wanted = kind().check_lazy_status(**first)
        values |= {name: _value(prompt, given[name], done) if name in wanted else [None] for name in lazy}
    whole = getattr(kind, "INPUT_IS_LIST", False)
    rows = [values] if whole else _rows(values)
    spread = getattr(kind, "OUTPUT_IS_LIST", (False,) * len(kind.RETURN_TYPES))
    outputs: list[list[Any]] = [[] for _ in kind.RETURN_TYPES]
    for row in rows:
        blocked = next((v for v in row.values() if isinstance(v, ExecutionBlocker)), None)
        made = (blocked,) * len(outputs) if blocked is not None else getattr(kind(), kind.FUNCTION)(**row)
        made = made.get("result", ()) if isinstance(made, dict) else made
        for held, value, many in zip(outputs, made, spread, strict=True):
            held += value if many and blocked is None else [value]
    done[id] = outputs
    return outputs


def _value(prompt: dict[str, Any], value: Any, done: dict[str, list[list[Any]]]) -> list[Any]:
    return _node(prompt, value[0], done)[value[1]] if is_link(value) else [value]


def _rows(values: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """A node runs once for each item of its longest list; shorter ones repeat their last."""
    count = max(map(len, values.values()), default=1)
    return [{name: held[min(i, len(held) - 1)] for name, held in values.items()} for i in range(count)]
