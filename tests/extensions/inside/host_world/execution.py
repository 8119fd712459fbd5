"""The host's way from a prompt to results, as far as packs notice it: links, checks, lists, lazy inputs, blockers."""

from __future__ import annotations

from typing import Any

from comfy_execution.graph import DynamicPrompt, ExecutionBlocker

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
    return Run(DynamicPrompt(prompt)).node(target)


class Run:
    """done: outputs by node."""

    def __init__(self, prompt: DynamicPrompt) -> None:
        self.prompt = prompt
        self.done: dict[str, list[list[Any]]] = {}

    def node(self, id: str) -> list[list[Any]]:
        if id not in self.done:
            self.done[id] = self._made(id, nodes.NODE_CLASS_MAPPINGS[self.prompt.get_node(id)["class_type"]])
        return self.done[id]

    def _made(self, id: str, kind: Any) -> list[list[Any]]:
        values = self._inputs(id, kind)
        rows = [values] if getattr(kind, "INPUT_IS_LIST", False) else _rows(values)
        spread = getattr(kind, "OUTPUT_IS_LIST", (False,) * len(kind.RETURN_TYPES))
        outputs: list[list[Any]] = [[] for _ in kind.RETURN_TYPES]
        for row in rows:
            blocked = next((v for v in row.values() if isinstance(v, ExecutionBlocker)), None)
            made = (blocked,) * len(outputs) if blocked is not None else getattr(kind(), kind.FUNCTION)(**row)
            if isinstance(made, dict):
                made = self._grown(id, made) if "expand" in made else made.get("result", ())
            for held, value, many in zip(outputs, made, spread, strict=True):
                held += value if many and not isinstance(value, ExecutionBlocker) else [value]
        return outputs

    def _grown(self, id: str, made: dict[str, Any]) -> list[Any]:
        """Of a result that is a link, every single value comes in its place: one that led to a list would shift the
        others."""
        for new, entry in made["expand"].items():
            self.prompt.add_ephemeral_node(new, entry, id, entry.get("override_display_id", id))
        found: list[Any] = []
        for value in made["result"]:
            found += self._value(value) if is_link(value) else [value]
        return found

    def _inputs(self, id: str, kind: Any) -> dict[str, list[Any]]:
        given, declared = self.prompt.get_node(id)["inputs"], ports(kind)
        hidden = kind.INPUT_TYPES().get("hidden", {})
        raw = {name for name, (_, options, _) in declared.items() if options.get("rawLink")}
        lazy = {name for name, (_, options, _) in declared.items() if options.get("lazy")} - raw
        lazy = {name for name in lazy if is_link(given.get(name))}
        values = {}
        for name, value in given.items():
            if is_link(value) and name not in raw:
                values[name] = [None] if name in lazy else self._value(value)
            elif name in declared or name in hidden:  # the host hands on no others
                values[name] = [value]
        told = {"DYNPROMPT": self.prompt, "PROMPT": self.prompt.original_prompt, "UNIQUE_ID": id, "EXTRA_PNGINFO": None}
        values |= {name: [told[what]] for name, what in hidden.items() if isinstance(what, str)}
        if hasattr(kind, "check_lazy_status"):
            wanted = kind().check_lazy_status(**{name: held[0] for name, held in values.items()})
            values |= {name: self._value(given[name]) for name in wanted if name in lazy}
        return values

    def _value(self, value: Any) -> list[Any]:
        return self.node(value[0])[value[1]]


def _rows(values: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """A node runs once for each item of its longest list; shorter ones repeat their last."""
    count = max(map(len, values.values()), default=1)
    return [{name: held[min(i, len(held) - 1)] for name, held in values.items()} for i in range(count)]
