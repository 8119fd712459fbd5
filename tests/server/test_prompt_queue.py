"""POST /prompt: what is accepted, and what is said about the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from server_toys import GATE, SHOW, WAIT, asynchronous, finished, graph, parts, running, serving, submit


@asynchronous
async def test_a_job_is_accepted_and_its_history_written(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        body = await submit(client, SHOW, client_id="me", extra_data={"auth_token_comfy_org": "secret", "x": 1})
        assert set(body) == {"prompt_id", "number", "node_errors"} and body["node_errors"] == {}
        entry = await finished(client, body["prompt_id"])
        assert set(entry) == {"prompt", "outputs", "meta", "status"}
        number, id, prompt, extra, targets = entry["prompt"]
        assert (number, id, prompt, targets) == (body["number"], body["prompt_id"], SHOW, ["2"])
        assert extra["client_id"] == "me" and extra["x"] == 1 and isinstance(extra["create_time"], int)
        assert "auth_token_comfy_org" not in extra
        assert entry["outputs"] == {"2": {"text": ["7"]}}
        assert entry["meta"]["2"] == {"node_id": "2", "display_node": "2", "parent_node": None, "real_node_id": "2"}
        assert entry["status"]["status_str"] == "success" and entry["status"]["completed"] is True
        assert [kind for kind, _ in entry["status"]["messages"]] == [
            "execution_start", "execution_cached", "execution_success",
        ]  # fmt: skip
        assert all(isinstance(data["timestamp"], int) for _, data in entry["status"]["messages"])


@pytest.mark.parametrize(
    ("body", "type"),
    [
        ({}, "no_prompt"),
        ({"prompt": {"1": {"inputs": {}}}}, "invalid_prompt"),
        ({"prompt": graph(("Nobody", {}))}, "invalid_prompt"),
        ({"prompt": [1]}, "invalid_prompt"),
        ({"prompt": graph(("ToyNumber", {}))}, "prompt_no_outputs"),
        ({"prompt": SHOW, "partial_execution_targets": []}, "prompt_no_outputs"),
        ({"prompt": SHOW, "partial_execution_targets": ["1"]}, "prompt_no_outputs"),
        ({"prompt": graph(("ToyShow", {}))}, "prompt_outputs_failed_validation"),
        ({"prompt": SHOW, "number": "many"}, "invalid_prompt"),
        ({"prompt": SHOW, "extra_data": 5}, "invalid_prompt"),
    ],
)
@asynchronous
async def test_what_cannot_run_is_refused(tmp_path: Path, body: Any, type: str) -> None:
    async with serving(tmp_path) as client:
        answer = await client.post("/prompt", json=body)
        assert answer.status == 400
        said = await answer.json()
        assert set(said) == {"error", "node_errors"}
        assert set(said["error"]) == {"type", "message", "details", "extra_info"}
        assert said["error"]["type"] == type and said["error"]["message"]


FAULTS = [
    (("ToyNumber", {"value": -1}), "value_smaller_than_min", {"input_name", "input_config", "received_value"}),
    (("ToyNumber", {"value": 101}), "value_bigger_than_max", {"input_name", "input_config", "received_value"}),
    (("ToyNumber", {"value": "x"}), "invalid_input_type",
     {"input_name", "input_config", "received_value", "exception_message"}),
    (("ToyNumber", {"value": ["1"]}), "bad_linked_input", {"input_name", "input_config", "received_value"}),
    (("ToyChoice", {"name": "c"}), "value_not_in_list", {"input_name", "input_config", "received_value"}),
    (("ToyChoice", {}), "required_input_missing", {"input_name"}),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "type", "keys"), FAULTS, ids=[type for _, type, _ in FAULTS])
@asynchronous
async def test_each_fault_is_told_with_its_node(
    tmp_path: Path, entry: tuple[str, dict[str, Any]], type: str, keys: set[str]
) -> None:
    bad = graph(entry, ("ToyShow", {"value": ["1", 0]})) if entry[0] == "ToyNumber" else graph(entry)
    async with serving(tmp_path) as client:
        said = await (await client.post("/prompt", json={"prompt": bad})).json()
        assert said["error"]["type"] == "prompt_outputs_failed_validation"
        told = said["node_errors"]["1"]
        assert told["class_type"] == entry[0]
        assert told["dependent_outputs"] == (["2"] if entry[0] == "ToyNumber" else ["1"])
        [fault] = told["errors"]
        assert fault["type"] == type and set(fault["extra_info"]) == keys
        assert list(said["node_errors"]) == ["1"]


@asynchronous
async def test_a_link_of_the_wrong_type(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        bad = graph(("EmptyImage", {}), ("ToySteps", {"value": ["1", 0]}), ("ToyShow", {"value": ["2", 0]}))
        said = await (await client.post("/prompt", json={"prompt": bad})).json()
        [fault] = list(said["node_errors"]["2"]["errors"])
        assert fault["type"] == "return_type_mismatch"
        assert fault["extra_info"]["received_type"] == "IMAGE" and fault["extra_info"]["linked_node"] == ["1", 0]


@asynchronous
async def test_a_circle_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        bad = graph(
            ("ToySteps", {"value": ["2", 0]}), ("ToySteps", {"value": ["1", 0]}), ("ToyShow", {"value": ["1", 0]})
        )
        answer = await client.post("/prompt", json={"prompt": bad})
        said = await answer.json()
        assert answer.status == 400
        assert said["error"]["type"] == "prompt_outputs_failed_validation" and said["node_errors"] == {}


@asynchronous
async def test_sound_outputs_run_although_others_do_not(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        half = SHOW | {"8": {"class_type": "ToyChoice", "inputs": {"name": "c"}}}
        body = await submit(client, half)
        assert list(body["node_errors"]) == ["8"]
        entry = await finished(client, body["prompt_id"])
        assert entry["prompt"][4] == ["2"] and entry["status"]["status_str"] == "success"
        assert list(entry["outputs"]) == ["2"]


@asynchronous
async def test_only_the_chosen_outputs_run(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        two = SHOW | {"8": {"class_type": "ToyChoice", "inputs": {"name": "a"}}}
        body = await submit(client, two, partial_execution_targets=["8"])
        assert list((await finished(client, body["prompt_id"]))["outputs"]) == ["8"]


@asynchronous
async def test_ids_and_places_in_line(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        held = await submit(client, WAIT)
        await running(client, held["prompt_id"])
        refused = await client.post("/prompt", json={"prompt": {}})
        assert refused.status == 400
        second = await submit(client, SHOW)
        assert second["number"] == held["number"] + 2  # the refused one took a place
        first = await submit(client, SHOW, front=True, prompt_id="mine")
        assert first["prompt_id"] == "mine" and first["number"] == -(second["number"] + 1)
        exact = await submit(client, SHOW, number=-99.5)
        assert exact["number"] == -99.5
        queue = await (await client.get("/queue")).json()
        assert [item[1] for item in queue["queue_running"]] == [held["prompt_id"]]
        order = [item[1] for item in queue["queue_pending"]]
        assert order == [exact["prompt_id"], "mine", second["prompt_id"]]
        assert (await (await client.get("/prompt")).json()) == {"exec_info": {"queue_remaining": 4}}
        GATE.set()
        await finished(client, second["prompt_id"])


@asynchronous
async def test_the_same_request_twice_is_one_job(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        first = await submit(client, SHOW, prompt_id="mine")
        await finished(client, "mine")
        assert await submit(client, SHOW, prompt_id="mine") == first
        answer = await client.post("/prompt", json={"prompt": WAIT, "prompt_id": "mine"})
        assert answer.status == 400
        assert parts(client).queue.remaining() == 0


@pytest.mark.parametrize("type", ["application/x-www-form-urlencoded", "text/plain", "application/json"])
@asynchronous
async def test_the_content_type_does_not_matter(tmp_path: Path, type: str) -> None:
    async with serving(tmp_path) as client:
        answer = await client.post("/prompt", data=b'{"prompt": {}}', headers={"Content-Type": type})
        assert (await answer.json())["error"]["type"] == "prompt_no_outputs"


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[" * 100_000, b'{"a": NaN', b"\xff\xfe", b'{"prompt": 1' + b"0" * 9999 + b"}", b"null", b"[]"]
)
@asynchronous
async def test_bodies_that_are_no_request(tmp_path: Path, text: bytes) -> None:
    async with serving(tmp_path) as client:
        for route in ("/prompt", "/queue", "/history", "/settings", "/api/jobs/cancel"):
            answer = await client.post(route, data=text)
            assert answer.status == 400, route
            assert "error" in await answer.json()


@asynchronous
async def test_the_editors_form_is_taken_too(tmp_path: Path) -> None:
    flow = {
        "nodes": [
            {"id": 1, "type": "ToyNumber", "mode": 0, "inputs": [], "widgets_values": [9],
             "outputs": [{"name": "INT", "type": "INT", "links": [1]}]},
            {"id": 2, "type": "ToyShow", "mode": 0, "outputs": [],
             "inputs": [{"name": "value", "type": "*", "link": 1}]},
        ],
        "links": [[1, 1, 0, 2, 0, "INT"]],
        "version": 0.4,
    }  # fmt: skip
    async with serving(tmp_path) as client:
        body = await submit(client, flow)
        entry = await finished(client, body["prompt_id"])
        assert entry["outputs"] == {"2": {"text": ["9"]}}
        assert entry["prompt"][3]["extra_pnginfo"]["workflow"] == flow


@asynchronous
async def test_object_info(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        every = await (await client.get("/api/object_info")).json()
        one = await (await client.get("/object_info/ToyNumber")).json()
        assert one == {"ToyNumber": every["ToyNumber"]}
        assert one["ToyNumber"]["input"]["required"]["value"][1]["max"] == 100
        assert await (await client.get("/object_info/Nobody")).json() == {}
