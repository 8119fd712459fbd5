"""The WebSocket: exact messages in exact order, previews, several clients, slow ones."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType
from PIL import Image
from server_toys import GATE, SHOW, WAIT, asynchronous, finished, graph, messages, parts, running, serving, submit

from carrara.server.hub import LOSSY, PREVIEWS, Client, Frame, Picture
from carrara.server.preview import developed


def kinds(told: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [kind for kind, _ in told]


@asynchronous
async def test_the_whole_story_of_a_job(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, client.ws_connect("/ws?clientId=me") as socket:
        prompt = graph(("ToySteps", {"value": 2}), ("ToyShow", {"value": ["1", 0]}))
        body = await submit(client, prompt, client_id="me")
        id = body["prompt_id"]
        told = await messages(socket)
        assert told[0] == ("status", {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "me"})
        assert kinds(told[1:]) == [
            "status", "status", "execution_start", "execution_cached",
            "progress_state", "executing", "progress_state", "progress", "progress_state", "progress", "progress_state",
            "progress_state", "executing", "executed", "progress_state",
            "execution_success", "status", "executing",
        ]  # fmt: skip
        by = {kind: [data for k, data in told if k == kind] for kind in kinds(told)}
        assert [d["status"]["exec_info"]["queue_remaining"] for d in by["status"]] == [0, 1, 1, 0]
        assert by["execution_cached"] == [
            {"prompt_id": id, "nodes": [], "timestamp": by["execution_cached"][0]["timestamp"]}
        ]
        assert by["executing"][0] == {"node": "1", "display_node": "1", "prompt_id": id}
        assert by["progress"] == [{"value": n, "max": 2, "prompt_id": id, "node": "1"} for n in (1, 2)]
        assert by["executed"] == [{"node": "2", "display_node": "2", "output": {"text": ["2"]}, "prompt_id": id}]
        state = by["progress_state"][-1]
        assert state["prompt_id"] == id and set(state["nodes"]) == {"1", "2"}
        assert state["nodes"]["1"] == {
            "value": 2, "max": 2, "state": "finished", "node_id": "1", "prompt_id": id, "display_node_id": "1",
            "parent_node_id": None, "real_node_id": "1",
        }  # fmt: skip
        assert [s["nodes"].get("1", {}).get("state") for s in by["progress_state"]][:2] == ["running", "running"]
        assert told[-1] == ("executing", {"node": None, "prompt_id": id})


@asynchronous
async def test_a_cached_output_is_shown_without_running(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, client.ws_connect("/ws?clientId=me") as socket:
        await submit(client, SHOW, client_id="me")
        await messages(socket)
        await submit(client, SHOW, client_id="me")
        told = await messages(socket)
        assert kinds(told) == [
            "status", "status", "execution_start", "execution_cached", "executed", "progress_state",
            "execution_success", "status", "executing",
        ]  # fmt: skip
        assert set(told[3][1]["nodes"]) == {"1", "2"}
        assert told[4][1]["output"] == {"text": ["7"]}


@asynchronous
async def test_a_failure_is_told_to_its_client_with_its_trace_and_to_no_one_else(tmp_path: Path) -> None:
    async with (
        serving(tmp_path) as client,
        client.ws_connect("/ws?clientId=me") as mine,
        client.ws_connect("/ws?clientId=other") as other,
    ):
        prompt = graph(("ToyNumber", {"value": 5}), ("ToyFail", {"value": ["1", 0]}))
        body = await submit(client, prompt, client_id="me")
        told = await messages(mine)
        [error] = [data for kind, data in told if kind == "execution_error"]
        assert error["node_id"] == "2" and error["node_type"] == "ToyFail" and error["executed"] == ["1"]
        assert error["exception_type"] == "RuntimeError" and error["exception_message"] == "no way with 5"
        assert error["current_inputs"] == {"value": [5]} and error["current_outputs"] == ["1"]
        assert any("server_toys.py" in line for line in error["traceback"])
        assert "execution_success" not in kinds(told)
        entry = await finished(client, body["prompt_id"])
        assert entry["status"]["status_str"] == "error" and entry["status"]["completed"] is False
        assert entry["status"]["messages"][-1][0] == "execution_error"
        assert "server_toys.py" not in json.dumps(entry["status"])
        await submit(client, SHOW, client_id="other")
        heard = await messages(other)
        assert all(data.get("prompt_id") != body["prompt_id"] for _, data in heard)
        assert "execution_error" not in kinds(heard)


@asynchronous
async def test_without_a_client_only_progress_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, client.ws_connect("/ws?clientId=me") as socket:
        prompt = graph(("ToySteps", {"value": 1}), ("ToyShow", {"value": ["1", 0]}))
        nobody = await submit(client, prompt)
        await finished(client, nobody["prompt_id"])
        mine = await submit(client, SHOW, client_id="me")
        told = [one for one in await messages(socket) if one[1].get("prompt_id") != mine["prompt_id"]]
        assert set(kinds(told)) == {"status", "progress", "progress_state"}


@asynchronous
async def test_interrupting(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, client.ws_connect("/ws?clientId=me") as socket:
        body = await submit(client, WAIT, client_id="me")
        await running(client, body["prompt_id"])
        assert (await client.post("/interrupt", json={"prompt_id": "another"})).status == 200
        assert parts(client).worker.running is not None
        assert (await client.post("/interrupt")).status == 200
        told = await messages(socket)
        assert kinds(told)[-3:] == ["execution_interrupted", "status", "executing"]
        data = told[-3][1]
        assert data["node_id"] == "1" and data["node_type"] == "ToyWait" and data["executed"] == []
        entry = await finished(client, body["prompt_id"])
        assert entry["status"]["status_str"] == "error"
        assert entry["status"]["messages"][-1][0] == "execution_interrupted"


@asynchronous
async def test_a_client_that_comes_back_hears_where_its_job_is(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        first = await client.ws_connect("/ws?clientId=me")
        body = await submit(client, WAIT, client_id="me")
        await running(client, body["prompt_id"])
        async with client.ws_connect("/api/ws?clientId=me") as second:
            assert (await second.receive_json())["type"] == "status"
            assert await second.receive_json() == {"type": "executing", "data": {"node": "1"}}
            while (await first.receive()).type not in (WSMsgType.CLOSE, WSMsgType.CLOSED):
                pass
            GATE.set()
            assert kinds(await messages(second))[-1] == "executing"
        await first.close()


@asynchronous
async def test_feature_flags_are_answered_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, client.ws_connect("/ws") as socket:
        hello = await socket.receive_json()
        assert hello["type"] == "status" and hello["data"]["sid"]
        said = {"type": "feature_flags", "data": {"supports_preview_metadata": True}}
        await socket.send_json(said)
        answer = await socket.receive_json()
        assert answer["type"] == "feature_flags"
        assert answer["data"]["supports_preview_metadata"] is True and answer["data"]["max_upload_size"] > 0
        await socket.send_json(said)
        await socket.send_str("not json")
        await submit(client, SHOW)
        assert (await socket.receive_json())["type"] == "status"
        assert answer["data"] == await (await client.get("/features")).json()


@asynchronous
async def test_previews_in_the_form_each_client_takes(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        hub = parts(client).hub
        async with client.ws_connect("/ws?clientId=old") as old, client.ws_connect("/ws?clientId=new") as new:
            await old.receive_json()
            await new.receive_json()
            await new.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
            await new.receive_json()
            about = {"node_id": "3"}
            for picture, form, type in ((Picture(b"JPEG"), 1, "image/jpeg"), (Picture(b"PNG", True), 2, "image/png")):
                hub.show("old", about, picture)
                hub.show("new", about, picture)
                assert await old.receive_bytes() == struct.pack(">II", 1, form) + picture.data
                data = await new.receive_bytes()
                kind, length = struct.unpack(">II", data[:8])
                assert kind == 4 and json.loads(data[8 : 8 + length]) == {"node_id": "3", "image_type": type}
                assert data[8 + length :] == picture.data


def test_previews_of_packs_have_the_form_and_size_they_ask_for() -> None:
    wide = Image.new("RGBA", (1024, 256), (255, 0, 0, 128))
    for given, form, mode, size in [
        (("JPEG", wide, 512), "JPEG", "RGB", (512, 128)), (("PNG", wide, 512), "PNG", "RGBA", (512, 128)),
        (("PNG", wide, None), "PNG", "RGBA", (1024, 256)), (wide, "JPEG", "RGB", (512, 128)),
        (("JPEG", wide.resize((64, 16)), 512), "JPEG", "RGB", (512, 128)),
    ]:  # fmt: skip
        made = developed(given)
        assert made is not None
        picture = Image.open(io.BytesIO(made.data))
        assert (picture.format, picture.mode, picture.size, made.png) == (form, mode, size, form == "PNG")
    assert developed("no picture") is None


class Stuck:
    """A socket that takes nothing."""

    async def send_str(self, text: str) -> None:
        await asyncio.sleep(3600)

    async def close(self, **_: object) -> None:
        return None


@asynchronous
async def test_a_client_that_takes_nothing_costs_nothing() -> None:
    client = Client("slow", Stuck())  # type: ignore[arg-type]
    pump = asyncio.create_task(client.pump())
    for _ in range(50 * LOSSY):
        client.push(Frame("progress", True, False))
        client.push(Frame(b"preview", True, True))
    assert len(client._line) <= LOSSY and client._previews <= PREVIEWS
    client.push(Frame("executed", False, False))
    assert client._line[-1].data == "executed"
    for _ in range(30_000):
        client.push(Frame("executed", False, False))
    assert client._lost and not client._line
    pump.cancel()


@asynchronous
async def test_a_client_that_vanishes_does_not_stop_its_job(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        socket = await client.ws_connect("/ws?clientId=me")
        body = await submit(client, WAIT, client_id="me")
        await running(client, body["prompt_id"])
        await socket.close()
        GATE.set()
        assert (await finished(client, body["prompt_id"]))["status"]["completed"] is True


@asynchronous
async def test_the_event_loop_answers_while_a_job_runs(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        body = await submit(client, WAIT)
        await running(client, body["prompt_id"])
        stats = await (await client.get("/system_stats")).json()
        assert stats["system"]["comfyui_version"].count(".") == 2 and stats["devices"][0]["type"] == "cpu"
        GATE.set()
        await finished(client, body["prompt_id"])


def sampled(steps: int, sampler: str = "euler") -> dict[str, Any]:
    """A job of the embedded model whose node 4 samples."""
    from carrara.models.services import EMBEDDED

    if not (EMBEDDED / "pebble.safetensors").exists():
        pytest.skip("the embedded model is not here")
    return graph(
        ("CheckpointLoaderSimple", {"ckpt_name": "pebble.safetensors"}),
        ("CLIPTextEncode", {"text": "a red circle", "clip": ["1", 1]}),
        ("EmptyLatentImage", {"width": 128, "height": 128, "batch_size": 1}),
        ("KSampler", {"model": ["1", 0], "seed": 1, "steps": steps, "cfg": 2.0, "sampler_name": sampler,
                      "scheduler": "normal", "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["3", 0],
                      "denoise": 1.0}),
        ("ToyShow", {"value": ["4", 0]}),
    )  # fmt: skip


@pytest.mark.parametrize("method", ["none", "auto", "latent2rgb", "taesd", "default", "nonsense", None])
@asynchronous
async def test_a_sampler_shows_its_picture_while_it_works(tmp_path: Path, method: str | None) -> None:
    """Progress of each step as value = step + 1; JPEG of at most 512 pixels, unless the job wants none."""

    async with serving(tmp_path) as client, client.ws_connect("/ws?clientId=me") as socket:
        await socket.receive_json()
        await socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
        await socket.receive_json()
        extra = {} if method is None else {"preview_method": method}
        body = await submit(client, sampled(3), client_id="me", extra_data=extra)
        pictures, progress = [], []
        while True:
            message = await socket.receive()
            if message.type is WSMsgType.BINARY:
                kind, length = struct.unpack(">II", message.data[:8])
                pictures.append((kind, json.loads(message.data[8 : 8 + length]), message.data[8 + length :]))
                continue
            said = message.json()
            progress += [said["data"]] if said["type"] == "progress" else []
            if said["type"] == "executing" and said["data"]["node"] is None:
                break
        entry = await finished(client, body["prompt_id"])
        assert entry["status"]["completed"] is True, entry["status"]
        assert [(step["value"], step["max"], step["node"]) for step in progress] == [(n, 3, "4") for n in (1, 2, 3)]
        assert len(pictures) == 0 if method == "none" else 1 <= len(pictures) <= 3
        for kind, about, data in pictures:
            assert kind == 4 and about == {
                "node_id": "4", "prompt_id": body["prompt_id"], "display_node_id": "4", "parent_node_id": None,
                "real_node_id": "4", "image_type": "image/jpeg",
            }  # fmt: skip
            picture = Image.open(io.BytesIO(data))
            assert picture.format == "JPEG" and picture.size == (128, 128)


@pytest.mark.parametrize("sampler", ["euler", "heun", "dpm_2"])
@asynchronous
async def test_an_interrupt_takes_effect_within_one_network_evaluation(
    tmp_path: Path, sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of samplers that ask the network twice a step: the counter stands still one call after the interrupt."""
    from carrara.models.residency import Residency

    calls: list[float] = []
    stopped: list[int] = []
    ask = Residency.call

    async with serving(tmp_path) as client:
        loop = asyncio.get_running_loop()

        def counted(self: Residency, net: Any, *args: Any, **more: Any) -> Any:
            if type(net).__name__ == "UNet":
                calls.append(time.monotonic())
                if len(calls) == 4 and not stopped:  # in the middle of an evaluation, asked for from outside
                    asyncio.run_coroutine_threadsafe(stop(), loop).result(30)
            return ask(self, net, *args, **more)

        async def stop() -> None:
            assert (await client.post("/interrupt")).status == 200
            stopped.append(len(calls))

        monkeypatch.setattr(Residency, "call", counted)
        body = await submit(client, sampled(30, sampler))
        entry = await finished(client, body["prompt_id"])
        assert entry["status"]["messages"][-1][0] == "execution_interrupted"
        assert stopped == [4] and len(calls) == 4
