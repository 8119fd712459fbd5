"""Whether two API-form workflows mean the same, up to the names of their nodes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

FRONTEND_KEYS = {
    ("SaveGLB", "image"),
    ("Preview3D", "image"),
    ("ImageCompare", "compare_view"),
}
"""Inputs that stock editor extensions add at export and that no engine reads."""
FRONTEND_TYPES = {"Load3D", "CustomCombo"}
"""Types whose literal inputs an editor extension makes up."""
Prompt = Mapping[str, Mapping[str, Any]]


def differences(got: Prompt, wanted: Prompt, info: Mapping[str, Any]) -> list[str]:
    """Human-readable differences; empty when equal. `info`: /object_info, which says what is an output."""
    left, right = _reduced(got, info), _reduced(wanted, info)
    if left.keys() == right.keys():
        found = [line for id in left for line in _node_differences(id, left[id], right[id])]
        if not found:
            return []
    a, b = _fingerprints(left), _fingerprints(right)
    extra, missing = Counter(a.values()) - Counter(b.values()), Counter(b.values()) - Counter(a.values())
    if not extra and not missing:
        return []
    lines = [f"only here: {_show(id, left)}" for id in left if a[id] in extra]
    lines += [f"only there: {_show(id, right)}" for id in right if b[id] in missing]
    return lines


def reachable(prompt: Prompt, info: Mapping[str, Any]) -> list[str]:
    """Ids of the output nodes and all that they need. Links may lead to nodes that are not there."""
    found = [id for id, node in prompt.items() if info.get(node.get("class_type"), {}).get("output_node")]
    seen = set(found)
    for id in found:
        for value in prompt[id]["inputs"].values():
            if is_link(value) and value[0] in prompt and value[0] not in seen:
                seen.add(value[0])
                found.append(value[0])
    return found


def is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def declared(info: Mapping[str, Any], type: str) -> set[str]:
    inputs = info.get(type, {}).get("input", {})
    return {name for group in ("required", "optional") for name in inputs.get(group, {})}


def _reduced(prompt: Prompt, info: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Nodes that matter, with the inputs that matter."""
    known = {id: node for id, node in prompt.items() if node.get("class_type") in info}
    reduced = {}
    for id in reachable(known, info):
        type = known[id]["class_type"]
        names = declared(info, type)
        inputs = {}
        for name, value in known[id]["inputs"].items():
            if (type, name) in FRONTEND_KEYS or (type in FRONTEND_TYPES and not is_link(value)):
                continue
            if name.partition(".")[0] not in names and not is_link(value):
                continue
            inputs[name] = value
        reduced[id] = {"class_type": type, "inputs": inputs}
    return reduced


def _node_differences(id: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    if a["class_type"] != b["class_type"]:
        return [f"{id}: {a['class_type']} != {b['class_type']}"]
    lines = []
    for name in sorted(a["inputs"].keys() | b["inputs"].keys()):
        left, right = a["inputs"].get(name, "<absent>"), b["inputs"].get(name, "<absent>")
        if not _same(left, right):
            lines.append(f"{id} {a['class_type']}.{name}: {str(left)[:90]} != {str(right)[:90]}")
    return lines


def _same(a: Any, b: Any) -> bool:
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def _fingerprints(prompt: Prompt) -> dict[str, str]:
    """A hash of each node with all that it needs, whatever the ids are."""
    done: dict[str, str] = {}
    for start in prompt:
        stack = {start: None}
        while stack:
            id = next(reversed(stack))
            links = [v for v in prompt[id]["inputs"].values() if is_link(v)]
            waiting = [v[0] for v in links if v[0] in prompt and v[0] not in done and v[0] not in stack]
            if waiting:
                stack[waiting[0]] = None
                continue
            stack.popitem()
            inputs = {
                name: ["link", done.get(value[0], "gone"), value[1]] if is_link(value) else ["value", _plain(value)]
                for name, value in prompt[id]["inputs"].items()
            }
            text = json.dumps([prompt[id]["class_type"], inputs], sort_keys=True)
            done[id] = hashlib.sha256(text.encode()).hexdigest()
    return done


def _plain(value: Any) -> Any:
    """1.0 and 1 are one number in the files compared."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _show(id: str, prompt: Prompt) -> str:
    return f"{id} {prompt[id]['class_type']} {str(prompt[id]['inputs'])[:300]}"
