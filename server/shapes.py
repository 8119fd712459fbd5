"""JSON schemas of what clients send, for /openapi.json."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "string", "enum": ["true", "false"]}
WHOLE: Schema = {"type": "integer"}
YES: Schema = {"type": "boolean"}
IDS: Schema = {"type": "array", "items": TEXT}
BYTES = "application/octet-stream"
FILE: Schema = {"type": "string", "contentMediaType": BYTES}
ANY: Schema = {}


def record(required: tuple[str, ...] = (), **members: Schema) -> Schema:
    """An object with these members, and others that nobody reads."""
    found: Schema = {"type": "object", "properties": members}
    return found | {"required": list(required)} if required else found


NODE = record(("class_type", "inputs"), class_type=TEXT, inputs={"type": "object"}, _meta={"type": "object"})
API_FORM: Schema = {
    "type": "object",
    "additionalProperties": NODE,
    "examples": [
        {
            "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
            "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        }
    ],
}
EDITOR_FORM = record(("nodes", "links"), nodes={"type": "array"}, links={"type": "array"})
WORKFLOW: Schema = {"anyOf": [API_FORM, EDITOR_FORM]}
PROMPT = record(
    ("prompt",),
    prompt=WORKFLOW,
    client_id=TEXT,
    prompt_id=TEXT,
    number={"type": "number"},
    front=YES,
    partial_execution_targets=IDS,
    extra_data=record(
        extra_pnginfo={"type": "object"},
        preview_method={"type": "string", "enum": ["none", "auto", "latent2rgb", "taesd", "default"]},
        auth_token_comfy_org=TEXT,
        api_key_comfy_org=TEXT,
    ),
)
UPLOAD = record(
    ("image",),
    image=FILE,
    type={"type": "string", "enum": ["input", "output", "temp"]},
    subfolder=TEXT,
    overwrite={"type": "string", "enum": ["true", "1", "false"]},
)
MASK = record(
    ("image", "original_ref"),
    **UPLOAD["properties"],
    original_ref={"type": "string", "contentMediaType": "application/json"},
)
