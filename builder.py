"""Writing a workflow in Python: the same nodes, the same file out.

graph = carrara.Graph()
ckpt = graph.CheckpointLoaderSimple(ckpt_name="pebble.safetensors")
text = graph.CLIPTextEncode(clip=ckpt, text="a red circle")      # takes ckpt's CLIP output: the types say which
graph.save("workflow.json")
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BadLink, InputError, TypeMismatch, UnknownNode
from .executor.dynamic import spread, unfold
from .executor.spec import Catalog, Input, NodeSpec


@dataclass(frozen=True)
class Socket:
    """One output of one node in a graph being written."""

    node: str
    slot: int
    type: str

    def as_json(self) -> list[Any]:
        return [self.node, self.slot]


class Built:
    """A node in a graph being written. `built[0]`, `built.LATENT` or the node itself stand for an output."""

    def __init__(self, id: str, spec: NodeSpec) -> None:
        self.id = id
        self._spec = spec

    def __getitem__(self, slot: int) -> Socket:
        outputs = self._spec.outputs
        if not 0 <= slot < len(outputs):
            raise BadLink(f"{self._spec.id} has no output {slot}", expected=[o.name for o in outputs])
        return Socket(self.id, slot, outputs[slot].type)

    def __getattr__(self, name: str) -> Socket:
        names = [o.name for o in self._spec.outputs]
        if name in names:
            return self[names.index(name)]
        raise AttributeError(f"{self._spec.id} has no output {name!r}; it has {names}")

    def fitting(self, type: str) -> Socket:
        """The one output that an input of this type can take."""
        outputs = self._spec.outputs
        if len(outputs) == 1:
            return self[0]
        fits = [slot for slot, output in enumerate(outputs) if set(output.type.split(",")) & set(type.split(","))]
        if len(fits) != 1:
            raise TypeMismatch(
                f"which output of {self._spec.id} is meant cannot be told",
                got=[o.name for o in outputs],
                expected=type,
                remedy="Name it, for example node.LATENT or node[0].",
            )
        return self[fits[0]]


class Graph:
    """A workflow under construction. Each node class of the catalogue is a method; unknown ones raise UnknownNode.

    nodes: the caller's own node functions, which join the built-in catalogue.
    """

    def __init__(self, nodes: Iterable[Callable[..., Any]] = (), *, catalogue: Catalog | None = None) -> None:
        if catalogue is None:
            from .nodes.catalog import catalogue as built_in

            catalogue = built_in()
        self._catalogue = catalogue.plus(nodes)
        self._nodes: dict[str, dict[str, Any]] = {}

    def __getattr__(self, class_type: str) -> Callable[..., Built]:
        if class_type.startswith("__"):
            raise AttributeError(class_type)

        def add(**inputs: Any) -> Built:
            return self.add(class_type, inputs)

        return add

    def add(self, class_type: str, inputs: Mapping[str, Any], *, id: str = "", title: str = "") -> Built:
        """Add a node; `id` defaults to the next number. Raises UnknownNode, InputError, TypeMismatch."""
        if class_type not in self._catalogue:
            near = self._catalogue.similar(class_type)
            raise UnknownNode(f"no node is called {class_type}", remedy=f"Did you mean {near[0]}?" if near else "")
        spec = self._catalogue[class_type]
        ports = {port.name: port for port in (*spec.inputs, *spec.plain)}
        written: dict[str, Any] = {}
        given = dict(inputs)
        for port in spec.dynamic:
            if port.name in given:
                given |= spread(port, given.pop(port.name))
        for name, value in given.items():
            if name not in ports and not spec.variadic:
                raise InputError(f"{class_type} has no input {name}", expected=list(ports))
            if isinstance(value, Built):
                value = value.fitting(ports[name].type if name in ports else "*")
            if isinstance(value, Socket):
                written[name] = value.as_json()
            else:
                written[name] = {"__value__": value} if isinstance(value, list) else value
        wanted: list[tuple[Input, bool]] = [(port, port.required) for port in spec.inputs if not port.dynamic]
        for dynamic in spec.dynamic:
            wanted += unfold(dynamic, given)
        for port, required in wanted:
            if port.name not in written and port.widget and required and port.has_default:
                written[port.name] = port.default
        key = id or str(len(self._nodes) + 1)
        if key in self._nodes:
            raise InputError("two nodes have one id", got=key)
        self._nodes[key] = {"class_type": class_type, "inputs": written}
        if title:
            self._nodes[key]["_meta"] = {"title": title}
        return Built(key, spec)

    def to_api(self) -> dict[str, Any]:
        """The workflow in API form, a fresh copy."""
        copied: dict[str, Any] = json.loads(json.dumps(self._nodes))
        return copied

    def save(self, path: str | Path) -> Path:
        """Write the workflow in API form."""
        target = Path(path).expanduser()
        target.write_text(json.dumps(self._nodes, indent=1), encoding="utf-8")
        return target
