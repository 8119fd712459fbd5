"""Small workflows and signatures, made by hand for these tests."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any


def entry(
    required: Mapping[str, Any] | None = None,
    optional: Mapping[str, Any] | None = None,
    output: Sequence[str] = (),
    **more: Any,
) -> dict[str, Any]:
    """An /object_info entry."""
    inputs = {"required": dict(required or {}), "optional": dict(optional or {})}
    return {"input": inputs, "output": list(output), "output_node": False, **more}


SIZES = [
    {"key": "by factor", "inputs": {"required": {"factor": ["FLOAT", {"default": 2.0}]}}},
    {
        "key": "to size",
        "inputs": {
            "required": {"width": ["INT", {"default": 64}], "height": ["INT", {"default": 32}]},
            "optional": {
                "fit": [
                    "COMFY_DYNAMICCOMBO_V3",
                    {
                        "options": [
                            {"key": "stretch", "inputs": {}},
                            {"key": "crop", "inputs": {"required": {"where": [["top", "bottom"], {}]}}},
                        ]
                    },
                ]
            },
        },
    },
    {"key": "like", "inputs": {"required": {"other": ["IMAGE,MASK", {}], "seed": ["INT", {"default": 3}]}}},
]

INFO: dict[str, Any] = {
    "Load": entry({"name": [["a.bin", "b.bin"], {}]}, output=["MODEL", "CLIP"], display_name="Load Model"),
    "Encode": entry(
        {"clip": ["CLIP", {}], "text": ["STRING", {"dynamicPrompts": True}]},
        output=["CONDITIONING"],
        display_name="Encode Text",
    ),
    "Sample": entry(
        {
            "model": ["MODEL", {}],
            "positive": ["CONDITIONING", {}],
            "seed": ["INT", {"default": 0, "control_after_generate": True}],
            "steps": ["INT", {"default": 20}],
            "cfg": ["FLOAT", {"default": 8.0}],
            "sampler": [["euler", "heun"], {}],
        },
        output=["LATENT"],
    ),
    "Decode": entry({"latent": ["LATENT", {}]}, output=["IMAGE"]),
    "Save": entry({"images": ["IMAGE", {}], "filename_prefix": ["STRING", {"default": "out"}]}, output_node=True),
    "Resize": entry(
        {
            "image": ["IMAGE", {}],
            "how": ["COMFY_DYNAMICCOMBO_V3", {"options": SIZES}],
            "filter": [["area", "cubic"], {}],
        },
        output=["IMAGE"],
    ),
    "Number": entry({"value": ["INT", {"control_after_generate": True}]}, output=["INT"]),
    "Words": entry({"value": ["STRING", {"multiline": True}]}, output=["STRING"]),
    "Join": entry({"a": ["STRING", {}], "b": ["STRING", {}]}, output=["STRING"]),
    "Show": entry({"source": ["*", {}]}, output_node=True),
    "Picture": entry(
        {"image": [["x.png"], {"image_upload": True}], "channel": [["red", "blue"], {}]},
        {"scale": ["FLOAT", {"default": 1.5}]},
        output=["IMAGE", "MASK"],
    ),
    "Batch": entry(
        {"images": ["COMFY_AUTOGROW_V3", {"template": {}}], "count": ["INT", {"default": 1}]}, output=["IMAGE"]
    ),
    "Blend": entry({"image": ["IMAGE", {}], "mask": ["MASK", {}], "other": ["IMAGE", {}]}, output=["IMAGE", "MASK"]),
}


class Drawing:
    """An editor graph in the making: `node` and `link` as one would draw them."""

    def __init__(
        self, id: str | None = None, inputs: Sequence[tuple[str, str]] = (), outputs: Sequence[str] = ()
    ) -> None:
        self.id = id
        self.nodes: list[dict[str, Any]] = []
        self.links: list[tuple[int, Any, int, Any, int]] = []
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self.subgraphs: list[Drawing] = []

    def node(self, id: Any, type: str, values: Any = None, **more: Any) -> Any:
        node = {"id": id, "type": type, "mode": 0, "inputs": [], "outputs": [], **more}
        if values is not None:
            node["widgets_values"] = values
        self.nodes.append(node)
        return id

    def link(self, source: Any, slot: int, target: Any, name: str, type: str = "*", widget: bool = False) -> int:
        """From output `slot` of a node (or -10) to input `name` of another, which is listed if it is not yet."""
        id = len(self.links) + 1
        node = next(n for n in self.nodes if n["id"] == target)
        at = next((i for i, s in enumerate(node["inputs"]) if s["name"] == name), None)
        if at is None:
            at = len(node["inputs"])
            node["inputs"].append({"name": name, "type": type} | ({"widget": {"name": name}} if widget else {}))
        node["inputs"][at]["link"] = id
        self.links.append((id, source, slot, target, at))
        return id

    def out(self, source: Any, slot: int, index: int) -> None:
        """From a node to output `index` of this subgraph."""
        self.links.append((len(self.links) + 1, source, slot, -20, index))

    def as_json(self) -> dict[str, Any]:
        if self.id is None:
            links: list[Any] = [[*link, "*"] for link in self.links]
            last = max((n["id"] for n in self.nodes if isinstance(n["id"], int)), default=0)
            form: dict[str, Any] = {"version": 0.4, "last_node_id": last, "nodes": self.nodes, "links": links}
            if self.subgraphs:
                form["definitions"] = {"subgraphs": [s.as_json() for s in self.subgraphs]}
            return form
        keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
        return {
            "id": self.id,
            "name": f"sub {self.id}",
            "nodes": self.nodes,
            "links": [dict(zip(keys, link, strict=True)) for link in self.links],
            "inputs": [{"name": name, "type": type} for name, type in self.inputs],
            "outputs": [{"name": name} for name in self.outputs],
        }


def text_to_image() -> Drawing:
    """A whole ordinary workflow: load, encode, sample, decode, save."""
    d = Drawing()
    d.node(1, "Load", ["b.bin"])
    d.node(2, "Encode", ["a red boat"], title="Prompt")
    d.node(3, "Sample", [7, "randomize", 4, 5.5, "heun"])
    d.node(4, "Decode")
    d.node(5, "Save", ["boats/one"])
    d.node(6, "MarkdownNote", ["remember the milk"])
    d.link(1, 1, 2, "clip", "CLIP")
    d.link(1, 0, 3, "model", "MODEL")
    d.link(2, 0, 3, "positive", "CONDITIONING")
    d.link(3, 0, 4, "latent", "LATENT")
    d.link(4, 0, 5, "images", "IMAGE")
    return d


def with_subgraph(style: str = "new") -> Drawing:
    """A sampler inside a subgraph that shows its prompt, seed and steps; `style` new: the instance holds them."""
    inner = Drawing(
        "sampling",
        [("model", "MODEL"), ("clip", "CLIP"), ("text", "STRING"), ("seed", "INT"), ("steps", "INT")],
        ["IMAGE"],
    )
    inner.node(1, "Encode", ["inner words"])
    inner.node(2, "Sample", [11, "fixed", 12, 1.5, "euler"])
    inner.node(3, "Decode")
    inner.link(-10, 1, 1, "clip", "CLIP")
    inner.link(-10, 2, 1, "text", "STRING", widget=True)
    inner.link(-10, 0, 2, "model", "MODEL")
    inner.link(1, 0, 2, "positive", "CONDITIONING")
    inner.link(-10, 3, 2, "seed", "INT", widget=True)
    inner.link(-10, 4, 2, "steps", "INT", widget=True)
    inner.link(2, 0, 3, "latent", "LATENT")
    inner.out(3, 0, 0)
    d = Drawing()
    d.node(1, "Load", ["a.bin"])
    d.node(2, "sampling", ["outer words", 21, 22] if style == "new" else [])
    d.node(3, "Save", ["x"])
    d.link(1, 1, 2, "clip", "CLIP")
    d.link(1, 0, 2, "model", "MODEL")
    d.link(2, 0, 3, "images", "IMAGE")
    d.subgraphs.append(inner)
    return d


def png(texts: Mapping[str, bytes | str], kind: bytes = b"tEXt", pixels: bytes = b"\0\0\0\0") -> bytes:
    """A PNG of one pixel with texts."""
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    for key, text in texts.items():
        data = text.encode() if isinstance(text, str) else text
        body = {
            b"tEXt": data,
            b"zTXt": b"\0" + zlib.compress(data),
            b"iTXt": b"\0\0\0\0" + data,
        }[kind]
        out += chunk(kind, key.encode() + b"\0" + body)
    return out + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def webp(texts: Mapping[str, Any], order: str = "<", before: bytes = b"Exif\0\0") -> bytes:
    """A WebP container whose EXIF block holds `key:json` entries; no pixels."""
    values = [f"{key}:{json.dumps(value)}".encode() + b"\0" for key, value in texts.items()]
    at = 8 + 2 + 12 * len(values) + 4
    directory = struct.pack(order + "H", len(values))
    for tag, value in enumerate(values, 0x010F):
        directory += struct.pack(order + "HHII", tag, 2, len(value), at)
        at += len(value)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    exif = before + mark + struct.pack(order + "I", 8) + directory + struct.pack(order + "I", 0) + b"".join(values)
    body = b"WEBP" + _riff(b"VP8X", bytes(10)) + _riff(b"EXIF", exif)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _riff(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
