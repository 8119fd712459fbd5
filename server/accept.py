"""Whether a submitted workflow may join the queue, and what to tell the client if not."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..documents.api import prompt_to_graph
from ..engine import Engine
from ..errors import CarraraError, Problem
from ..executor.graph import Graph, Link, Malformed
from ..executor.literals import printable
from ..executor.validate import Checked
from ..executor.views import input_config
from .jobs import Order
from .queue import now

SECRETS = ("auth_token_comfy_org", "api_key_comfy_org")
LONG_LIST = 20
LONG_NAME = 200
LONG_VALUE = 1000
REFUSED = "the node refuses these values."
"""What validation says where a node gave no reason."""


@dataclass(frozen=True)
class Accepted:
    """An order, and what is wrong with the part of the workflow that will not run. secrets: by what nodes call them."""

    order: Order
    node_errors: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Any] = field(default_factory=dict)


class Refused(CarraraError):
    """The workflow cannot run at all. `answer` is what the client is told."""

    def __init__(
        self, type: str, message: str, details: str = "", node_errors: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message, got=details or None)
        error = {"type": type, "message": message, "details": details, "extra_info": {}}
        self.answer = {"error": error, "node_errors": node_errors or {}}


def judge(engine: Engine, body: Any) -> Accepted:
    """The order that a request body means. The sound outputs of a workflow run although others are not sound.

    The workflow may be in either form. Raises Refused.
    """
    if not isinstance(body, Mapping):
        raise Refused("no_prompt", "The request is no JSON object.", 'Send {"prompt": {...}}.')
    if "prompt" not in body:
        raise Refused("no_prompt", "The request has no prompt.", 'Send {"prompt": {...}}.')
    extra = _extra(body)
    prompt, graph = _graph(engine, body["prompt"], extra)
    chosen = _targets(engine, graph, body.get("partial_execution_targets"))
    checked = engine.examine(graph, chosen)
    _refuse_unknown(checked)
    errors = node_errors(engine, checked)
    if not checked.good:
        raise Refused(
            "prompt_outputs_failed_validation",
            "No output of the workflow can be made.",
            "\n".join(f"{p.message} {p.remedy}".strip() for p in checked.problems[:20]),
            errors,
        )
    order = Order(
        prompt=_settled(prompt, checked),
        extra=extra,
        targets=checked.good,
        id=_name(body, "prompt_id"),
        client=_name(body, "client_id"),
        number=_number(body.get("number")),
        front=bool(body.get("front")),
    )
    given = body.get("extra_data") or {}
    return Accepted(order, errors, {name.upper(): given[name] for name in SECRETS if name in given})


def _extra(body: Mapping[str, Any]) -> dict[str, Any]:
    given = body.get("extra_data")
    if given is not None and not isinstance(given, Mapping):
        raise Refused("invalid_prompt", "extra_data is no object.")
    extra = {name: value for name, value in (given or {}).items() if name not in SECRETS}
    extra["create_time"] = now()
    client = _name(body, "client_id")
    if client is not None:
        extra["client_id"] = client
    return extra


def _graph(engine: Engine, prompt: Any, extra: dict[str, Any]) -> tuple[Mapping[str, Any], Graph]:
    """The workflow in API form. A workflow in the editor's form is converted and comes along in `extra`."""
    if not isinstance(prompt, Mapping):
        raise Refused("invalid_prompt", "The prompt is no object.", 'Send {"prompt": {"1": {"class_type": ...}}}.')
    try:
        if isinstance(prompt.get("nodes"), list):
            graph = engine.read(prompt).graph
            if not isinstance(extra.get("extra_pnginfo"), Mapping):
                extra["extra_pnginfo"] = {"workflow": prompt}
            return graph.to_api(), graph
        return prompt, prompt_to_graph(prompt)
    except CarraraError as error:
        raise Refused("invalid_prompt", error.message, str(error)) from error


def _settled(prompt: Mapping[str, Any], checked: Checked) -> Mapping[str, Any]:
    """The workflow as it was sent, with the values as nodes will get them."""
    found = dict(prompt)
    for id, name, value in checked.coerced():
        found[id] = {**found[id], "inputs": {**found[id]["inputs"], name: value}}
    return found


def _targets(engine: Engine, graph: Graph, wanted: Any) -> list[str] | None:
    """The output nodes to run: all of them (None), or those the client names."""
    if wanted is None:
        return None
    if not isinstance(wanted, list):
        raise Refused("invalid_prompt", "partial_execution_targets is no list.")
    names = {str(id) for id in wanted}
    known = engine.catalogue
    chosen = [id for id, node in graph.items() if id in names and node.type in known and known[node.type].output]
    if not chosen:
        raise Refused("prompt_no_outputs", "None of the chosen nodes is an output.")
    return chosen


def _refuse_unknown(checked: Checked) -> None:
    unknown = [p for p in checked.problems if p.type == "invalid_prompt"]
    if unknown:
        said = "\n".join(f"node {p.node}: {p.message} {p.remedy}".strip() for p in unknown[:20])
        raise Refused("invalid_prompt", "The workflow has nodes that are not here.", said)
    if not checked.targets:
        raise Refused("prompt_no_outputs", "The workflow has no output node.", "Add one that saves or shows something.")


def _name(body: Mapping[str, Any], key: str) -> str | None:
    value = body.get(key)
    if value is None or value == "":
        return None
    if type(value) is int:
        value = str(printable(value))
    if not isinstance(value, str) or len(value) > LONG_NAME or not value.isprintable():
        raise Refused("invalid_prompt", f"{key} is no short text.")
    return value


def _number(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Refused("invalid_prompt", "number is no number.")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise Refused("invalid_prompt", "number is no number.") from None
    if not math.isfinite(number) or abs(number) > 2**53:
        raise Refused("invalid_prompt", "number is out of range.")
    return number


# --- what is wrong with nodes ----------------------------------------------------------------------------------


def node_errors(engine: Engine, checked: Checked) -> dict[str, Any]:
    """By node: its faults, and the outputs that suffer from them."""
    outputs = checked.dependents()
    found: dict[str, Any] = {}
    for problem in checked.problems:
        node = checked.graph.get(problem.node)
        if node is None or problem.type.startswith("prompt_"):
            continue
        told = found.setdefault(
            problem.node,
            {"errors": [], "dependent_outputs": list(outputs.get(problem.node, ())), "class_type": node.type},
        )
        told["errors"].append(_fault(engine, checked, problem))
    return found


def _fault(engine: Engine, checked: Checked, problem: Problem) -> dict[str, Any]:
    node = checked.graph[problem.node]
    given = node.inputs.get(problem.input)
    info: dict[str, Any] = {}
    details = " ".join(part for part in (problem.input, problem.remedy) if part)
    if problem.input:
        info["input_name"] = problem.input
    if problem.type == "exception_during_validation":
        info |= {"exception_type": _raised(checked, problem), "traceback": []}
    elif problem.type == "exception_during_inner_validation":
        return _seen_from_below(engine, checked, problem, details)
    elif problem.type == "custom_validation_failed":
        details = " - ".join(part for part in (problem.input, _reason(problem)) if part)
        return {"type": problem.type, "message": problem.message, "details": details, "extra_info": info}
    elif problem.type != "required_input_missing":
        info |= _wanted(engine, problem.type, node.type, problem.input)
        if problem.type == "return_type_mismatch":
            info["received_type"] = problem.got
        else:
            info["received_value"] = _received(problem, given)
        if problem.type == "invalid_input_type":
            info["exception_message"] = problem.message
    if isinstance(given, Link):
        info["linked_node"] = [given.node, given.slot]
    return {"type": problem.type, "message": problem.message, "details": details, "extra_info": info}


def _seen_from_below(engine: Engine, checked: Checked, problem: Problem, details: str) -> dict[str, Any]:
    """A fault found on the way up is told by the link that leads to its node: the protocol says so."""
    info: dict[str, Any] = {"input_name": problem.input, "input_config": None}
    for id, bound in checked.nodes.items():
        for name, value in checked.graph[id].inputs.items():
            if isinstance(value, Link) and value.node == problem.node:
                wanted = _wanted(engine, problem.type, bound.node.type, name)
                info = {"input_name": name, **wanted, "linked_node": [value.node, value.slot]}
                break
        else:
            continue
        break
    info |= {"exception_type": _raised(checked, problem), "exception_message": problem.message, "traceback": []}
    return {"type": problem.type, "message": problem.message, "details": details, "extra_info": info}


def _received(problem: Problem, given: Any) -> Any:
    """What was given: as it is, if it is short."""
    value = given.value if isinstance(given, Malformed) else given
    if not isinstance(value, list | Mapping):
        return problem.got
    try:
        return value if len(json.dumps(value)) <= LONG_VALUE else problem.got
    except RecursionError:
        return problem.got


def _raised(checked: Checked, problem: Problem) -> str:
    """The name of what a check raised; looking up what a link names fails as it does in a dict or a list."""
    if isinstance(problem.got, list):
        return "IndexError" if problem.got[0] in checked.graph else "KeyError"
    name = problem.got.partition(":")[0] if isinstance(problem.got, str) else ""
    return name if name.replace(".", "").isidentifier() else "Exception"


def _reason(problem: Problem) -> str:
    """What a node said when it refused, if it said anything."""
    return "" if problem.message == REFUSED else problem.message


def _wanted(engine: Engine, fault: str, type: str, name: str) -> dict[str, Any]:
    port = engine.catalogue[type].input(name)
    if port is None:
        return {"input_config": None}
    config = input_config(port, engine.services)
    if fault == "value_not_in_list" and isinstance(config[0], list) and len(config[0]) > LONG_LIST:
        return {"input_config": None}
    return {"input_config": config}
