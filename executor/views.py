"""Other faces of a NodeSpec: the editor's node listing and JSON schema."""

from __future__ import annotations

from typing import Any

from .context import Services
from .dynamic import SLOT, last
from .ports import Grow, Input, NodeSpec

JSON_TYPES = {"INT": "integer", "FLOAT": "number", "STRING": "string", "BOOLEAN": "boolean"}


def input_config(port: Input, services: Services, *, nested: bool = False) -> list[Any]:
    """`[type_or_list, options]` of one input, as the editor reads it. nested: inside a dynamic input."""
    if port.config is not None:
        return list(port.config)
    options: dict[str, Any] = {}
    if port.has_default:
        options["default"] = port.default
    if port.range is not None:
        bounds = {"min": port.range.min, "max": port.range.max, "step": port.range.step, "round": port.range.round}
        options |= {k: v for k, v in bounds.items() if v is not None}
        if port.range.control:
            options["control_after_generate"] = port.range.control
    if port.text is not None:
        options["multiline"] = port.text.multiline
        if port.text.dynamic_prompts:
            options["dynamicPrompts"] = True
        if port.text.placeholder is not None:
            options["placeholder"] = port.text.placeholder
    if port.upload is not None:
        options[f"{port.upload}_upload"] = True
    if port.lazy:
        options["lazy"] = True
    if port.raw_link:
        options["rawLink"] = True
    if port.title is not None:
        options["display_name"] = port.title
    if port.tooltip:
        options["tooltip"] = port.tooltip
    options |= port.extra
    if port.match is not None:
        options["template"] = {"template_id": port.match.template, "allowed_types": port.match.allowed}
    if port.grow is not None:
        options["template"] = _template(port.grow, services)
    elif port.modes:
        options["options"] = [{"key": mode.key, "inputs": _inputs(mode.inputs, services)} for mode in port.modes]
    elif port.shows:
        return [SLOT, options | {"slotType": port.type, "inputs": _inputs(port.shows, services)}]
    elif port.choices is not None:
        names = list(port.choices.names(services) or ())
        return ["COMBO", options | {"options": names}] if nested else [names, options]
    return [port.type, options]


def _template(grow: Grow, services: Services) -> dict[str, Any]:
    template: dict[str, Any] = {"input": _inputs((grow.template,), services)}
    if grow.prefix is None:
        return template | {"names": [last(member.name) for member in grow.members], "min": grow.min}
    return template | {"prefix": grow.prefix, "min": grow.min, "max": len(grow.members)}


def _inputs(ports: tuple[Input, ...], services: Services) -> dict[str, Any]:
    """Inputs within a dynamic one, under their own names."""
    groups: dict[str, Any] = {"required": {}}
    for port in ports:
        group = "required" if port.required else "optional"
        groups.setdefault(group, {})[last(port.name)] = input_config(port, services, nested=True)
    return groups


def object_info(spec: NodeSpec, services: Services, id: str | None = None) -> dict[str, Any]:
    """The node's entry in /object_info. `id`: the alias asked for, if not the id itself."""
    if spec.info is not None:
        return dict(spec.info(services))
    required = {i.name: input_config(i, services) for i in spec.inputs if i.required}
    optional = {i.name: input_config(i, services) for i in spec.inputs if not i.required}
    inputs: dict[str, Any] = {"required": required}
    if optional:
        inputs["optional"] = optional
    if spec.hidden:
        inputs["hidden"] = dict(spec.hidden)
    info: dict[str, Any] = {
        "input": inputs,
        "input_order": {group: list(ports) for group, ports in inputs.items()},
        "output": [o.type for o in spec.outputs],
        "output_is_list": [o.is_list for o in spec.outputs],
        "output_name": [o.name for o in spec.outputs],
        "name": id or spec.id,
        "display_name": spec.title,
        "description": spec.description,
        "python_module": python_module(spec.module),
        "category": spec.category,
        "output_node": spec.output,
    }
    if any(o.match for o in spec.outputs):
        info["output_matchtypes"] = [o.match for o in spec.outputs]
    if any(o.tooltip for o in spec.outputs):
        info["output_tooltips"] = [o.tooltip for o in spec.outputs]
    if spec.deprecated:
        info["deprecated"] = True
    if spec.experimental:
        info["experimental"] = True
    return info


def python_module(module: str) -> str:
    """Editors group nodes by this: `nodes` are the product's own, all others a pack's."""
    own = __package__.rpartition(".")[0] + ".nodes." if __package__ else "nodes."
    return "nodes" if module.startswith(own) else f"custom_nodes.{module}"


def json_schema(spec: NodeSpec, services: Services) -> dict[str, Any]:
    """JSON schema of the node's literal inputs."""
    properties: dict[str, Any] = {}
    for port in spec.inputs:
        if not port.widget or port.dynamic:
            continue
        schema: dict[str, Any] = {}
        if port.type in JSON_TYPES:
            schema["type"] = JSON_TYPES[port.type]
        if port.choices is not None:
            schema["type"] = "string"
            names = port.choices.names(services)
            if names is not None and port.checked:
                schema["enum"] = list(names)
        if port.range is not None:
            if port.range.min is not None:
                schema["minimum"] = port.range.min
            if port.range.max is not None:
                schema["maximum"] = port.range.max
        if port.has_default:
            schema["default"] = port.default
        if port.tooltip:
            schema["description"] = port.tooltip
        properties[port.name] = schema
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": spec.title,
        "description": spec.description,
        "type": "object",
        "properties": properties,
        "required": [i.name for i in spec.inputs if i.name in properties and i.required and not i.has_default],
    }
