"""The listing of V3 nodes, against that of the reference: the same declarations give the same entries."""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import worlds
from v3_world import World

from carrara.executor.views import object_info
from carrara.extensions import v3
from carrara.terminal import node_page

SHARED = Path(__file__).parents[3] / "shared/contract/object_info.json.xz"
DYNAMIC = {"ResizeImageMaskNode", "BatchImagesNode", "ComfySwitchNode", "WanReferenceVideoApi"}
TEXTS = ("description", "output_tooltips")
"""Not in the reference's file."""


class Builder:
    """Declares the node that an entry of the listing describes."""

    def __init__(self, io: Any) -> None:
        self.io = io
        self.templates: dict[str, Any] = {}
        types = [one for one in vars(io).values() if isinstance(one, type) and issubclass(one, io.ComfyTypeI)]
        self.types = {one.io_type: one for one in reversed(types)}

    def kind(self, entry: Mapping[str, Any]) -> Any:
        io = self.io
        self.templates = {}
        groups = entry["input"]
        hidden = [io.Hidden[name] for name in groups.get("hidden", {})]
        inputs = [
            self.input(name, *config, optional=group == "optional")
            for group in ("required", "optional")
            for name, config in groups.get(group, {}).items()
        ]
        matches = entry["output_matchtypes"] or [None] * len(entry["output"])
        outputs = [
            self.output(*one)
            for one in zip(entry["output"], entry["output_name"], entry["output_is_list"], matches, strict=True)
        ]

        class Node(io.ComfyNode):
            @classmethod
            def define_schema(cls) -> Any:
                return io.Schema(
                    node_id=entry["name"],
                    display_name=entry["display_name"],
                    category=entry["category"],
                    inputs=inputs,
                    outputs=outputs,
                    hidden=hidden,
                    is_output_node=entry["output_node"],
                    is_deprecated=entry["deprecated"],
                    is_experimental=entry["experimental"],
                    is_api_node=entry["api_node"],
                )

            @classmethod
            def execute(cls, **kwargs: Any) -> None:
                return None

        return Node

    def group(self, groups: Mapping[str, Any]) -> list[Any]:
        return [
            self.input(name, *config, optional=group == "optional")
            for group, inputs in groups.items()
            for name, config in inputs.items()
        ]

    def input(self, name: str, socket: str, options: Mapping[str, Any], optional: bool) -> Any:
        io = self.io
        said = dict(options)
        renamed = {
            "dynamicPrompts": "dynamic_prompts",
            "forceInput": "force_input",
            "display": "display_mode",
            "rawLink": "raw_link",
        }
        for theirs, ours in renamed.items():
            if theirs in said:
                said[ours] = said.pop(theirs)
        if "display_mode" in said:
            said["display_mode"] = io.NumberDisplay(said["display_mode"])
        if socket == "COMBO":
            return self.combo(name, said, optional)
        if socket == "COMFY_AUTOGROW_V3":
            return io.Autogrow.Input(name, self.grown(said["template"]), optional=optional)
        if socket == "COMFY_DYNAMICCOMBO_V3":
            choices = [io.DynamicCombo.Option(one["key"], self.group(one["inputs"])) for one in said["options"]]
            return io.DynamicCombo.Input(name, choices, optional=optional)
        if socket == "COMFY_MATCHTYPE_V3":
            return io.MatchType.Input(name, self.template(**said.pop("template")), optional=optional, **said)
        if "," in socket:
            return io.MultiType.Input(name, [io.Custom(one) for one in socket.split(",")], optional=optional, **said)
        return self.types.get(socket, io.Custom(socket)).Input(name, optional=optional, **said)

    def combo(self, name: str, said: dict[str, Any], optional: bool) -> Any:
        io = self.io
        upload = next((one for one in io.UploadType if said.pop(one.value, False)), None)
        assert said.pop("multiselect") is False
        return io.Combo.Input(name, upload=upload, optional=optional, **said)

    def grown(self, said: Mapping[str, Any]) -> Any:
        (inner,) = self.group(said["input"])
        if "prefix" in said:
            return self.io.Autogrow.TemplatePrefix(inner, said["prefix"], said["min"], said["max"])
        return self.io.Autogrow.TemplateNames(inner, said["names"], said["min"])

    def template(self, template_id: str, allowed_types: str) -> Any:
        if template_id not in self.templates:
            allowed = [self.types.get(one, self.io.Custom(one)) for one in allowed_types.split(",")]
            self.templates[template_id] = self.io.MatchType.Template(template_id, allowed)
        return self.templates[template_id]

    def output(self, socket: str, name: str, is_list: bool, match: str | None) -> Any:
        if match is not None:
            return self.io.MatchType.Output(self.templates[match], display_name=name, is_output_list=is_list)
        return self.types.get(socket, self.io.Custom(socket)).Output(display_name=name, is_output_list=is_list)


def reference() -> dict[str, Any]:
    if not SHARED.is_file():
        pytest.skip("the reference's listing is not here")
    entries = json.loads(lzma.decompress(SHARED.read_bytes()))
    return {name: entry for name, entry in entries.items() if "output_matchtypes" in entry}


def test_the_reference_s_nodes_are_listed_as_the_reference_lists_them(tmp_path: Path) -> None:
    entries = reference()
    assert entries.keys() > DYNAMIC and len(entries) > 400
    host = worlds.host(tmp_path)
    builder = Builder(host.modules.load("comfy_api.latest").io)
    for name, entry in entries.items():
        spec = v3.spec_of(builder.kind(entry), host, "a_pack", "a_pack")
        info = json.loads(json.dumps(object_info(spec, {})))
        assert info.keys() >= entry.keys() | {"output_tooltips"}, name
        assert info.pop("python_module") == "custom_nodes.a_pack"
        for text in TEXTS:
            info.pop(text)
        assert info == {key: value for key, value in entry.items() if key not in (*TEXTS, "python_module")}, name


def test_an_entry_has_all_keys_and_options_as_they_were_said(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        """
        class Node(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                same = io.MatchType.Template("same", [io.Image, io.Mask])
                return io.Schema(
                    "Node", display_name="A node", category="mine/own", description="What it does.",
                    inputs=[
                        io.Int.Input("n", default=1, min=0, extra_dict={"mine": [1]}, tooltip="How many."),
                        io.MatchType.Input("x", template=same, optional=True),
                        io.Autogrow.Input("all", template=io.Autogrow.TemplatePrefix(
                            io.Image.Input("image", tooltip="One."), prefix="image", min=0, max=3)),
                    ],
                    outputs=[io.MatchType.Output(same, display_name="y"), io.Int.Output(tooltip="Count.")],
                    hidden=[io.Hidden.unique_id], is_output_node=True, is_experimental=True,
                    search_aliases=["thing"],
                )
            @classmethod
            def execute(cls, **kwargs):
                return io.NodeOutput(None, 0)
        """,
    )
    assert world.listed("Node") == {
        "input": {
            "required": {
                "n": ["INT", {"default": 1, "min": 0, "mine": [1], "tooltip": "How many."}],
                "all": [
                    "COMFY_AUTOGROW_V3",
                    {
                        "template": {
                            "input": {"required": {"image": ["IMAGE", {"tooltip": "One."}]}},
                            "prefix": "image",
                            "min": 0,
                            "max": 3,
                        }
                    },
                ],
            },
            "optional": {
                "x": ["COMFY_MATCHTYPE_V3", {"template": {"template_id": "same", "allowed_types": "IMAGE,MASK"}}]
            },
            "hidden": {"unique_id": ["UNIQUE_ID"], "prompt": ["PROMPT"], "extra_pnginfo": ["EXTRA_PNGINFO"]},
        },
        "input_order": {
            "required": ["n", "all"],
            "optional": ["x"],
            "hidden": ["unique_id", "prompt", "extra_pnginfo"],
        },
        "output": ["COMFY_MATCHTYPE_V3", "INT"],
        "output_is_list": [False, False],
        "output_name": ["y", "INT"],
        "output_tooltips": [None, "Count."],
        "output_matchtypes": ["same", None],
        "name": "Node",
        "display_name": "A node",
        "description": "What it does.",
        "python_module": "custom_nodes.a_pack",
        "category": "mine/own",
        "output_node": True,
        "deprecated": False,
        "experimental": True,
        "api_node": False,
        "search_aliases": ["thing"],
    }


def test_lists_are_read_anew(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        """
        FOUND = ["a"]
        class Node(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                inner = io.Combo.Input("inner", options=FOUND)
                return io.Schema("Node", is_output_node=True, inputs=[
                    io.Combo.Input("name", options=FOUND),
                    io.DynamicCombo.Input("mode", options=[io.DynamicCombo.Option("one", [inner])]),
                ])
            @classmethod
            def execute(cls, name, mode):
                return io.NodeOutput(ui={"text": [name, mode["inner"]]})
        """,
    )
    graph = {"1": ("Node", {"name": "b", "mode": "one", "mode.inner": "b"})}
    assert [problem.type for problem in world.run(graph).problems] == ["value_not_in_list"] * 2
    world.module.FOUND.append("b")
    assert world.listed("Node")["input"]["required"]["name"][1]["options"] == ["a", "b"]
    assert world.run(graph).ui == {"1": {"text": ["b", "b"]}}


def test_a_page_says_what_dynamic_inputs_bring(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        """
        class Node(io.ComfyNode):
            @classmethod
            def define_schema(cls):
                same = io.MatchType.Template("kind", [io.Image, io.Mask])
                grown = io.Autogrow.TemplateNames(io.Image.Input("picture"), names=["a", "b"], min=1)
                return io.Schema("Node", inputs=[
                    io.DynamicCombo.Input("mode", tooltip="How.", options=[
                        io.DynamicCombo.Option("fit", [io.Int.Input("width", default=512, min=0)]),
                        io.DynamicCombo.Option("none", [])]),
                    io.Autogrow.Input("all", template=grown),
                    io.MatchType.Input("x", template=same, optional=True),
                    io.Combo.Input("how", options=["p", "q"]),
                    io.DynamicSlot.Input(io.Image.Input("slot"), inputs=[io.Float.Input("strength", default=1.0)]),
                ], outputs=[io.Image.Output()])
            @classmethod
            def execute(cls, **given):
                return io.NodeOutput(None)
        """,
    )
    assert node_page("Node", world.listed("Node")).splitlines() == [
        "Node — Node",
        "category: sd",
        "",
        "",
        "",
        "inputs",
        "  mode: COMFY_DYNAMICCOMBO_V3",
        "      How.",
        "    'fit' brings",
        "      width: INT  default 512; min 0",
        "    'none' brings",
        "  all: COMFY_AUTOGROW_V3",
        "    1 to 2 of",
        "      picture: IMAGE",
        "  how: COMBO  one of p, q",
        "  x: COMFY_MATCHTYPE_V3  optional",
        "    one of IMAGE,MASK, the same for kind",
        "  slot: COMFY_DYNAMICSLOT_V3  optional",
        "    brings",
        "      strength: FLOAT  default 1.0",
        "outputs",
        "  IMAGE: IMAGE",
    ]
