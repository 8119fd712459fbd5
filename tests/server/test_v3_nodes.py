"""A V3 pack behind the server: its listing, its checks, its messages, its files."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from textwrap import dedent
from typing import Any

from aiohttp import WSMsgType
from server_toys import asynchronous, finished, serving, submit

PACK = """
    import torch
    from comfy_api.latest import ComfyAPI, ComfyExtension, io, ui

    class Picture(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            sizes = io.Autogrow.TemplatePrefix(io.Int.Input("size"), "size", min=1, max=2)
            return io.Schema("V3Picture", display_name="A picture", category="tests", is_output_node=True, inputs=[
                io.Autogrow.Input("sizes", template=sizes),
                io.DynamicCombo.Input("look", options=[
                    io.DynamicCombo.Option("grey", [io.Float.Input("light", default=0.5, min=0.0, max=1.0)]),
                    io.DynamicCombo.Option("black", []),
                ]),
            ], outputs=[io.Image.Output()])
        @classmethod
        async def execute(cls, sizes, look):
            picture = torch.full((1, sizes["size0"], sizes.get("size1", 4), 3), look.get("light", 0.0))
            await ComfyAPI().execution.set_progress(1, 2, preview_image=picture)
            return io.NodeOutput(picture, ui=ui.PreviewImage(picture, cls=cls))

    class Extension(ComfyExtension):
        async def get_node_list(self):
            return [Picture]

    async def comfy_entrypoint():
        return Extension()
"""
NODE = {"sizes.size0": 8, "look": "grey", "look.light": 0.25}


def planted(folder: Path) -> list[Path]:
    place = folder / "custom_nodes" / "a_pack"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text(dedent(PACK))
    return [folder / "custom_nodes"]


@asynchronous
async def test_a_v3_pack_from_listing_to_file(tmp_path: Path) -> None:
    async with serving(tmp_path, custom_nodes=planted(tmp_path)) as client:
        info = (await (await client.get("/object_info/V3Picture")).json())["V3Picture"]
        assert (info["display_name"], info["python_module"]) == ("A picture", "custom_nodes.a_pack")
        assert info["input"]["required"]["sizes"][1]["template"]["prefix"] == "size"
        assert info["input"]["hidden"] == {"prompt": ["PROMPT"], "extra_pnginfo": ["EXTRA_PNGINFO"]}
        assert "V3Picture" in await (await client.get("/object_info")).json()

        async with client.ws_connect("/ws?clientId=me") as socket:
            await socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
            prompt = {"1": {"class_type": "V3Picture", "inputs": NODE}}
            more = {"client_id": "me", "extra_data": {"extra_pnginfo": {"workflow": {"nodes": []}}}}
            id = (await submit(client, prompt, **more))["prompt_id"]
            told: list[tuple[str, Any]] = []
            previews: list[dict[str, Any]] = []
            while not told or told[-1] != ("executing", {"node": None, "prompt_id": id}):
                message = await socket.receive()
                if message.type is WSMsgType.BINARY:
                    kind, length = struct.unpack(">II", message.data[:8])
                    assert kind == 4
                    previews.append(json.loads(message.data[8 : 8 + length]))
                else:
                    said = message.json()
                    told.append((said["type"], said["data"]))
        said = dict(told)
        assert (said["progress"]["value"], said["progress"]["max"], said["progress"]["node"]) == (1, 2, "1")
        assert [(one["node_id"], one["image_type"]) for one in previews] == [("1", "image/jpeg")]
        (image,) = said["executed"]["output"]["images"]
        assert said["executed"]["output"]["animated"] == [False] and image["type"] == "temp"
        data = await (await client.get("/view", params=image)).read()
        assert data.startswith(b"\x89PNG") and b"workflow" in data and b"sizes.size0" in data
        entry = await finished(client, id)
        assert entry["outputs"]["1"]["images"] == [image] and entry["status"]["status_str"] == "success"


@asynchronous
async def test_a_v3_pack_s_inputs_are_checked(tmp_path: Path) -> None:
    async with serving(tmp_path, custom_nodes=planted(tmp_path)) as client:
        for inputs, kind, name in (
            ({**NODE, "look.light": 2.0}, "value_bigger_than_max", "look.light"),
            ({**NODE, "look": "blue"}, "value_not_in_list", "look"),
            ({"look": "black"}, "required_input_missing", "sizes.size0"),
        ):
            prompt = {"1": {"class_type": "V3Picture", "inputs": inputs}}
            answer = await client.post("/prompt", json={"prompt": prompt})
            body = await answer.json()
            (error,) = body["node_errors"]["1"]["errors"]
            assert (answer.status, error["type"], error["extra_info"]["input_name"]) == (400, kind, name)
