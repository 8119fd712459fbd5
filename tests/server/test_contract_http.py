"""The server's contract, HTTP: statements that no other test here is about. Each test says what holds, in its name."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from server_toys import GATE, SHOW, WAIT, asynchronous, finished, graph, parts, running, serving, submit

from carrara.server.guard import Guard
from carrara.server.routes import every

CHECKS = '''
class Text:
    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"

    def run(self, **inputs):
        return ("",)


class Picky(Text):
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"mood": ("STRING", {})}}

    @classmethod
    def VALIDATE_INPUTS(cls, mood):
        if mood == "raise":
            raise KeyError("no mood")
        return {"fine": True, "no": False}.get(mood, mood)


class Long(Text):
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"short": (["a", "b"],), "long": ([str(n) for n in range(21)],)}}


class Pass(Text):
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {"forceInput": True})}}


class End(Pass):
    RETURN_TYPES = ()
    OUTPUT_NODE = True

    def run(self, text):
        return {"ui": {"text": [text]}}


class Old(Text):
    RETURN_NAMES = ("words",)
    DEPRECATED = True
    DESCRIPTION = "An old one."
    OUTPUT_TOOLTIPS = ("Some words.",)

    @classmethod
    def INPUT_TYPES(cls):
        options = {"default": 1, "widgetType": "X", "odd": [1]}
        return {"required": {"n": ("INT", options)}, "hidden": {"id": "UNIQUE_ID"}}


NODE_CLASS_MAPPINGS = {c.__name__: c for c in (Picky, Long, Pass, End, Old)}
NODE_DISPLAY_NAME_MAPPINGS = {"Old": "An old node"}
'''


BLACK = ("EmptyImage", {"width": 8, "height": 8, "batch_size": 1, "color": 0})


@pytest.fixture
def packs(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "packs"
    folder.mkdir()
    (folder / "checks.py").write_text(CHECKS)
    return [folder]


# --- general rules -----------------------------------------------------------------------------------------------


@asynchronous
async def test_every_route_exists_below_api_too_but_internal_ones(tmp_path: Path) -> None:
    fill = {"{id}": "x", "{name}": "ToyShow", "{folder}": "loras", "{file}": "a", "{dest}": "b", "{pack}": "p"}
    async with serving(tmp_path) as client:
        for route in every():
            path = route.path
            for name, value in fill.items():
                path = path.replace(name, value)
            if "{" in path or route.method != "GET" or path == "/ws":
                continue
            plain, prefixed = await client.get(path), await client.get(f"/api{path}")
            if route.twin:
                assert plain.status == prefixed.status, path
                assert plain.content_type == prefixed.content_type, path
            else:
                assert prefixed.status == 404, path
        assert (await client.get("/jobs")).status == 404 and (await client.get("/api/jobs")).status == 200
        for path in ("/ws", "/api/ws"):
            async with client.ws_connect(path) as socket:
                assert (await socket.receive_json())["type"] == "status"


PLAIN = [
    ("/queue", {"clear": True}), ("/interrupt", None), ("/interrupt", {"prompt_id": "x"}), ("/free", {}),
    ("/history", {"clear": True}), ("/settings", {"a": 1}), ("/settings/b", 2),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), PLAIN)
@pytest.mark.parametrize("type", ["application/x-www-form-urlencoded", "text/plain;charset=UTF-8", ""])
@asynchronous
async def test_a_plain_success_is_200_and_empty_whatever_type_the_body_claims(
    tmp_path: Path, path: str, body: Any, type: str
) -> None:
    data = b"" if body is None else json.dumps(body).encode()
    async with serving(tmp_path) as client:
        answer = await client.post(path, data=data, headers={"Content-Type": type} if type else {})
        assert answer.status == 200 and await answer.read() == b""


@pytest.mark.parametrize("path", ["/prompt", "/api/settings", "/view", "/nowhere"])
@asynchronous
async def test_options_are_answered_200_and_empty(tmp_path: Path, path: str) -> None:
    async with serving(tmp_path) as client:
        answer = await client.options(path)
        assert answer.status == 200 and await answer.read() == b""


@asynchronous
async def test_only_with_the_cors_option_are_there_cors_headers(tmp_path: Path) -> None:
    page = "https://page.example"
    async with serving(tmp_path, Guard(origin=page)) as client:
        answer = await client.get("/prompt", headers={"Origin": page})
        assert answer.status == 200 and answer.headers["Access-Control-Allow-Origin"] == page
    async with serving(tmp_path) as client:
        answer = await client.get("/prompt")
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@asynchronous
async def test_what_browsers_keep(tmp_path: Path) -> None:
    """Scripts, styles and template indexes are asked for again; pictures by their path, not by a query, kept a day."""
    web = tmp_path / "web"
    for name in ("index.html", "a.js", "b.css", "index.de.json", "deep/c.webp", "data.json"):
        (web / name).parent.mkdir(parents=True, exist_ok=True)
        (web / name).write_text("x")
    async with serving(tmp_path, editor=web) as client:
        (tmp_path / "output" / "p.png").write_bytes(b"x")

        async def kept(path: str) -> str | None:
            return (await client.get(path)).headers.get("Cache-Control")

        for path in ("/a.js", "/b.css", "/index.de.json", "/"):
            assert await kept(path) == "no-cache", path
        front = (await client.get("/")).headers
        assert front["Pragma"] == "no-cache" and front["Expires"] == "0"
        assert await kept("/deep/c.webp") == "public, max-age=86400"
        assert await kept("/deep/none.webp") == "public, max-age=3600"
        assert await kept("/data.json") is None
        assert await kept("/userdata/none.css") == "no-cache" and await kept("/api/none.js") == "no-cache"
        assert await kept("/view?filename=p.png") is None and await kept("/view?filename=none.png") is None


# --- prompt, queue, history --------------------------------------------------------------------------------------


@asynchronous
async def test_a_queue_item_holds_number_id_prompt_extra_data_and_outputs(tmp_path: Path) -> None:
    sent = {id: {**entry, "_meta": {"title": "t"}, "is_changed": ["x"], "odd": 1} for id, entry in SHOW.items()}
    async with serving(tmp_path) as client:
        held = await submit(client, WAIT)
        await running(client, held["prompt_id"])
        before = time.time() * 1000 - 1
        secrets = {"auth_token_comfy_org": "s", "api_key_comfy_org": "s"}
        extra = {"extra_pnginfo": {"workflow": {"id": "w"}}, "odd": {"a": 1}, **secrets}
        await submit(client, sent, client_id="me", extra_data=extra, number=7.5, prompt_id="mine")
        queue = await (await client.get("/queue")).json()
        [item] = queue["queue_pending"]
        assert len(item) == 5
        number, id, prompt, data, outputs = item
        assert (number, id, outputs) == (7.5, "mine", ["2"])
        assert {key: entry["class_type"] for key, entry in prompt.items()} == {"1": "ToyNumber", "2": "ToyShow"}
        assert set(data) == {"extra_pnginfo", "odd", "client_id", "create_time"} and data["client_id"] == "me"
        assert before <= data["create_time"] <= time.time() * 1000 + 1
        GATE.set()
        entry = await finished(client, "mine")
        assert entry["prompt"] == item


@asynchronous
async def test_a_history_entry_holds_prompt_outputs_meta_and_status(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        id = (await submit(client, SHOW))["prompt_id"]
        entry = await finished(client, id)
        assert set(entry) == {"prompt", "outputs", "meta", "status"}
        assert entry["outputs"] == {"2": {"text": ["7"]}}
        assert entry["meta"] == {
            "2": {"node_id": "2", "display_node": "2", "parent_node": None, "real_node_id": "2"}
        }  # fmt: skip
        assert entry["status"]["status_str"] == "success" and entry["status"]["completed"] is True
        messages = entry["status"]["messages"]
        assert [kind for kind, _ in messages] == ["execution_start", "execution_cached", "execution_success"]
        for _, data in messages:
            assert data["prompt_id"] == id and abs(data["timestamp"] - time.time() * 1000) < 60_000


@asynchronous
async def test_a_running_or_waiting_job_has_no_history(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        held, waiting = [(await submit(client, flow))["prompt_id"] for flow in (WAIT, SHOW)]
        await running(client, held)
        for id in (held, waiting):
            answer = await client.get(f"/history/{id}")
            assert answer.status == 200 and await answer.json() == {}
        assert await (await client.get("/history")).json() == {}
        GATE.set()
        await finished(client, waiting)


@asynchronous
async def test_the_history_is_written_before_the_last_message(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, client.ws_connect("/ws?clientId=me") as socket:
        for flow in (SHOW, graph(("ToyFail", {"value": 3})), SHOW):
            id = (await submit(client, flow, client_id="me"))["prompt_id"]
            while (said := await socket.receive_json())["type"] != "executing" or said["data"]["node"] is not None:
                pass
            assert id in await (await client.get(f"/history/{id}")).json()


@asynchronous
async def test_the_history_pages_by_skipping_from_the_oldest(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        ids = [(await submit(client, SHOW))["prompt_id"] for _ in range(5)]
        await finished(client, ids[-1])

        async def names(query: str) -> list[str]:
            return list(await (await client.get(f"/history?{query}")).json())

        assert await names("offset=0") == await names("") == ids
        assert await names("offset=2") == ids[2:] and await names("offset=-1") == ids
        assert await names("max_items=2") == ids[3:] and await names("max_items=2&offset=3") == ids[3:]
        assert await names("offset=5") == [] and await names("max_items=9&offset=4") == ids[4:]
        for name in ("max_items", "offset"):
            refused = await client.get(f"/history?{name}=many")
            assert refused.status == 400 and isinstance((await refused.json())["error"], str)


@asynchronous
async def test_one_prompt_runs_at_a_time_the_lowest_number_first(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        held = await submit(client, WAIT)
        await running(client, held["prompt_id"])
        places: dict[str, dict[str, Any]] = {"a": {}, "b": {"front": True}, "c": {"number": -1e6}, "d": {"number": 1e6}}
        sent = {name: await submit(client, SHOW, prompt_id=name, **more) for name, more in places.items()}
        assert sent["b"]["number"] < 0 < sent["a"]["number"]
        queue = await (await client.get("/queue")).json()
        assert [item[1] for item in queue["queue_running"]] == [held["prompt_id"]]
        GATE.set()
        await finished(client, "d")
        order = list(await (await client.get("/history")).json())
        assert order == [held["prompt_id"], "c", "b", "a", "d"]


@asynchronous
async def test_interrupt_with_an_id_stops_that_prompt_only(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        held, waiting = [(await submit(client, WAIT))["prompt_id"] for _ in range(2)]
        await running(client, held)
        for body in ({"prompt_id": waiting}, {"prompt_id": "nobody"}):
            assert (await client.post("/interrupt", json=body)).status == 200
        await asyncio.sleep(0.05)
        assert parts(client).worker.running is not None and parts(client).queue.remaining() == 2
        assert (await client.post("/api/interrupt", json={"prompt_id": held})).status == 200
        entry = await finished(client, held)
        assert entry["status"]["status_str"] == "error" and entry["status"]["completed"] is False
        GATE.set()
        assert (await finished(client, waiting))["status"]["completed"] is True


@asynchronous
async def test_a_job_tells_what_is_known_of_it(tmp_path: Path) -> None:
    saved = ("SaveImage", {"images": ["1", 0], "filename_prefix": "p"})
    prompt = graph(BLACK, saved, ("PreviewImage", {"images": ["1", 0]}))
    async with serving(tmp_path) as client:
        id = (await submit(client, prompt, extra_data={"extra_pnginfo": {"workflow": {"id": "w-1"}}}))["prompt_id"]
        await finished(client, id)
        job = await (await client.get(f"/api/jobs/{id}")).json()
        shown = {"filename": "p_00001_.png", "subfolder": "", "type": "output", "nodeId": "2", "mediaType": "images"}
        assert job["preview_output"] == shown and job["outputs_count"] == 2
        assert job["status"] == "completed" and job["workflow_id"] == "w-1" and job["priority"] == 0
        assert job["create_time"] <= job["execution_start_time"] <= job["execution_end_time"]
        assert set(job) >= {"outputs", "execution_status", "workflow"} and "execution_error" not in job
        assert set(job["workflow"]) == {"prompt", "extra_data"}
        listed = (await (await client.get("/api/jobs?limit=1&offset=-5")).json())
        assert listed["pagination"] == {"offset": 0, "limit": 1, "total": 1, "has_more": False}
        assert set(listed["jobs"][0]) == set(job) - {"outputs", "execution_status", "workflow"}


# --- what cannot run ---------------------------------------------------------------------------------------------


async def refused(client: Any, prompt: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post("/prompt", json={"prompt": prompt})
    assert answer.status == 400, await answer.text()
    said: dict[str, Any] = await answer.json()
    return said


@pytest.mark.parametrize(
    ("mood", "type", "details"),
    [("too long", "custom_validation_failed", "mood - too long"), ("no", "custom_validation_failed", "mood"),
     ("raise", "exception_during_inner_validation", None)],
)  # fmt: skip
@asynchronous
async def test_what_a_node_itself_refuses(
    tmp_path: Path, packs: list[Path], mood: str, type: str, details: str | None
) -> None:
    async with serving(tmp_path, custom_nodes=packs) as client:
        said = await refused(client, graph(("Picky", {"mood": mood}), ("End", {"text": ["1", 0]})))
        assert list(said["node_errors"]) == ["1"]  # the end's only fault is its ancestor
        [fault] = said["node_errors"]["1"]["errors"]
        assert fault["type"] == type
        if details is None:
            info = fault["extra_info"]
            assert set(info) == {"input_name", "input_config", "exception_message", "exception_type", "traceback",
                                 "linked_node"}  # fmt: skip
            assert info["exception_type"] == "KeyError" and isinstance(info["traceback"], list)
            assert info["linked_node"] == ["1", 0] and info["input_name"] == "text"
        else:
            assert fault["details"] == details and fault["extra_info"] == {"input_name": "mood"}


@asynchronous
async def test_long_lists_are_not_told_in_full(tmp_path: Path, packs: list[Path]) -> None:
    async with serving(tmp_path, custom_nodes=packs) as client:
        said = await refused(client, graph(("Long", {"short": "x", "long": "x"}), ("End", {"text": ["1", 0]})))
        faults = {fault["extra_info"]["input_name"]: fault for fault in said["node_errors"]["1"]["errors"]}
        assert {fault["type"] for fault in faults.values()} == {"value_not_in_list"}
        assert faults["short"]["extra_info"]["input_config"][0] == ["a", "b"]
        assert faults["long"]["extra_info"]["input_config"] is None
        assert all(fault["extra_info"]["received_value"] == "x" for fault in faults.values())


@asynchronous
async def test_a_link_to_nowhere_is_filed_under_the_node_above(tmp_path: Path, packs: list[Path]) -> None:
    """An output's own broken link is its own fault; one further up is told under the node that has it."""
    async with serving(tmp_path, custom_nodes=packs) as client:
        said = await refused(client, graph(("End", {"text": ["9", 0]})))
        [fault] = said["node_errors"]["1"]["errors"]
        assert fault["type"] == "exception_during_validation"
        assert {"exception_type", "traceback"} <= set(fault["extra_info"])
        for link in (["9", 0], ["3", 5]):
            flow = graph(("Pass", {"text": link}), ("End", {"text": ["1", 0]}), ("Old", {"n": 1}))
            said = await refused(client, flow)
            assert list(said["node_errors"]) == ["1"]
            [fault] = said["node_errors"]["1"]["errors"]
            assert fault["type"] == "exception_during_inner_validation"
            info = fault["extra_info"]
            assert info["exception_type"] == ("KeyError" if link == ["9", 0] else "IndexError")
            assert info["linked_node"] == ["1", 0] and info["input_name"] == "text"
            assert info["input_config"] == ["STRING", {"forceInput": True}]
            assert set(info) == {"input_name", "input_config", "exception_message", "exception_type", "traceback",
                                 "linked_node"}  # fmt: skip


@asynchronous
async def test_the_coerced_value_replaces_the_submitted_one(tmp_path: Path) -> None:
    """In what nodes and pictures are told; keys of extra_pnginfo become texts of the picture."""
    from PIL import Image

    odd = {"width": "16", "height": 8.7, "batch_size": 1, "color": 0}
    flow = graph(("EmptyImage", odd), ("SaveImage", {"images": ["1", 0], "filename_prefix": 5}))
    extra = {"extra_pnginfo": {"workflow": {"id": "w"}, "credit": "Ada", "list": [1], "é": 1, "": 2}}
    async with serving(tmp_path) as client:
        entry = await finished(client, (await submit(client, flow, extra_data=extra))["prompt_id"])
        [shown] = entry["outputs"]["2"]["images"]
        data = await (await client.get(f"/view?filename={shown['filename']}")).read()
        picture: Any = Image.open(io.BytesIO(data))
        assert shown["filename"] == "5_00001_.png" and picture.size == (16, 8)
        texts = {key: json.loads(value) for key, value in picture.text.items()}
        assert set(texts) == {"prompt", "workflow", "credit", "list"} and texts["credit"] == "Ada"
        assert texts["prompt"]["1"]["inputs"]["width"] == 16 and texts["prompt"]["1"]["inputs"]["height"] == 8
        assert texts["prompt"]["2"]["inputs"]["filename_prefix"] == "5"
        assert entry["prompt"][2] == texts["prompt"]


# --- what there is -----------------------------------------------------------------------------------------------


@asynchronous
async def test_a_node_is_described_as_its_class_says(tmp_path: Path, packs: list[Path]) -> None:
    async with serving(tmp_path, custom_nodes=packs) as client:
        info = (await (await client.get("/object_info/Old")).json())["Old"]
        assert info == {
            "input": {
                "required": {"n": ["INT", {"default": 1, "widgetType": "X", "odd": [1]}]},
                "hidden": {"id": "UNIQUE_ID"},
            },
            "input_order": {"required": ["n"], "hidden": ["id"]},
            "output": ["STRING"],
            "output_is_list": [False],
            "output_name": ["words"],
            "output_tooltips": ["Some words."],
            "name": "Old",
            "display_name": "An old node",
            "description": "An old one.",
            "python_module": "custom_nodes.checks",
            "category": "sd",
            "output_node": False,
            "deprecated": True,
        }
        plain = (await (await client.get("/object_info/Long")).json())["Long"]
        assert plain["description"] == "" and plain["display_name"] == "Long" and plain["output_name"] == ["STRING"]
        assert not {"deprecated", "experimental", "output_tooltips", "api_node"} & set(plain)
        assert plain["input"]["required"]["short"][0] == ["a", "b"]


@asynchronous
async def test_the_server_says_what_it_is(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        stats = await (await client.get("/system_stats")).json()
        system = stats["system"]
        assert set(system) >= {
            "os", "ram_total", "ram_free", "comfyui_version", "required_frontend_version", "pytorch_version", "argv",
            "installed_templates_version", "required_templates_version", "python_version", "embedded_python",
        }  # fmt: skip
        for name in ("comfyui_version", "required_frontend_version", "required_templates_version"):
            assert re.fullmatch(r"\d+\.\d+\.\d+", system[name]), name
        [device] = stats["devices"]
        sizes = {"vram_total", "vram_free", "torch_vram_total", "torch_vram_free"}
        assert set(device) == {"name", "type", "index"} | sizes
        features = await (await client.get("/features")).json()
        assert features["supports_preview_metadata"] is True and isinstance(features["max_upload_size"], int)
        for closed in ("/api/assets", "/api/node_replacements", "/api/secrets", "/api/workspaces"):
            assert (await client.get(closed)).status == 404  # nothing of that is advertised


@asynchronous
async def test_inner_listings(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for number, name in enumerate(("old.png", "new.png")):
            (tmp_path / "output" / name).write_bytes(b"x")
            os.utime(tmp_path / "output" / name, (1000 + number, 1000 + number))
        assert await (await client.get("/internal/files/output")).json() == ["new.png", "old.png"]
        assert (await client.get("/internal/files/secrets")).status == 400
        folders = await (await client.get("/internal/folder_paths")).json()
        assert str(tmp_path / "models" / "loras") in folders["loras"]
        assert "checkpoints" in await (await client.get("/models")).json()
        for alias in ("clip", "unet"):
            assert (await client.get(f"/models/{alias}")).status == 200
        assert (await client.get("/models/nothing")).status == 404


@asynchronous
async def test_passing_files_go_when_the_server_stops(tmp_path: Path) -> None:
    flow = graph(BLACK, ("PreviewImage", {"images": ["1", 0]}))
    async with serving(tmp_path) as client:
        entry = await finished(client, (await submit(client, flow))["prompt_id"])
        [shown] = entry["outputs"]["2"]["images"]
        assert shown["type"] == "temp" and re.fullmatch(r"ComfyUI_temp_[a-z]{5}_00001_\.png", shown["filename"])
        temp = parts(client).engine.files.temp_dir
        assert (temp / shown["filename"]).is_file()
    assert not temp.exists()
