"""Answers that clients of the ecosystem's server count on, found by asking both servers the same."""

from __future__ import annotations

import asyncio
import json
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType
from server_toys import GATE, SHOW, WAIT, asynchronous, finished, graph, messages, parts, running, serving, submit

from carrara.server.hub import Client

PACK = """
import json
import folder_paths
from aiohttp import web
from server import PromptServer

HOME = folder_paths.get_user_directory()
USERS = PromptServer.instance.user_manager


@PromptServer.instance.routes.get("/who")
async def who(request):
    try:
        path = USERS.get_request_user_filepath(request, "mine/a.txt", create_dir=False)
        return web.json_response([USERS.get_request_user_id(request), path, USERS.settings.get_settings(request)])
    except KeyError:
        return web.json_response(["nobody", HOME, sorted(USERS.users.values())])


@PromptServer.instance.routes.post("/line/{what}")
async def line(request):
    queue, what = PromptServer.instance.prompt_queue, request.match_info["what"]
    given = await request.json()
    if what == "put":
        queue.put((given["number"], given["id"], given["prompt"], {"client_id": "me", "mine": 1}, ["2"]))
    elif what == "delete":
        return web.json_response(queue.delete_queue_item(lambda item: item[1] == given))
    elif what == "wipe":
        queue.wipe_queue()
    elif what == "forget":
        queue.wipe_history() if not given else queue.delete_history_item(given)
    elif what == "flag":
        queue.set_flag(given, True)
        return web.json_response(queue.get_flags())
    return web.json_response(None)


class Two:
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"a": ("INT", {"max": 3}), "b": ("INT", {"max": 3})}}

    @classmethod
    def VALIDATE_INPUTS(cls, a):
        return a < 10 or "too much"

    def run(self, a, b):
        return (a + b,)


class Ring:
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def run(self):
        made = {"one": {"class_type": "Two", "inputs": {"a": ["two", 0], "b": 1}},
                "two": {"class_type": "Two", "inputs": {"a": ["one", 0], "b": 1}}}
        return {"result": (["one", 0],), "expand": made}


NODE_CLASS_MAPPINGS = {"Two": Two, "Ring": Ring}
"""


@pytest.fixture
def packs(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "packs"
    folder.mkdir()
    (folder / "pack.py").write_text(PACK)
    return [folder]


async def faults(client: Any, prompt: Any) -> dict[str, list[dict[str, Any]]]:
    """The refused prompt's errors by node."""
    answer = await client.post("/prompt", json={"prompt": prompt})
    assert answer.status == 400
    return {id: told["errors"] for id, told in (await answer.json())["node_errors"].items()}


@pytest.mark.parametrize("value", [[], ["1"], [1, 2, 3], {"a": [1]}, {"__value__": [1, "b"]}])
@asynchronous
async def test_a_refused_value_is_told_as_it_was(tmp_path: Path, value: Any) -> None:
    async with serving(tmp_path) as client:
        flow = graph(("ToyNumber", {"value": value}), ("ToyShow", {"value": ["1", 0]}))
        [fault] = (await faults(client, flow))["1"]
        plain = value["__value__"] if isinstance(value, dict) and "__value__" in value else value
        assert fault["extra_info"]["received_value"] == plain
        assert fault["type"] == ("bad_linked_input" if isinstance(value, list) else "invalid_input_type")


@asynchronous
async def test_a_very_long_value_is_told_in_short(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        deep: Any = []
        for _ in range(60):
            deep = [deep]
        for value in (["x"] * 10_000, [deep, 1, 2]):
            [fault] = (await faults(client, graph(("ToyShow", {"value": value}))))["1"]
            assert len(json.dumps(fault["extra_info"]["received_value"])) < 1010


@asynchronous
async def test_a_nodes_own_check_runs_beside_faults_of_inputs_it_does_not_look_at(
    tmp_path: Path, packs: list[Path]
) -> None:
    async with serving(tmp_path, custom_nodes=packs) as client:

        async def told(**inputs: Any) -> list[tuple[str, str]]:
            found = await faults(client, graph(("Two", inputs), ("ToyShow", {"value": ["1", 0]})))
            return [(fault["type"], fault["extra_info"]["input_name"]) for fault in found["1"]]

        assert await told(a=20, b=9) == [("value_bigger_than_max", "b"), ("custom_validation_failed", "a")]
        assert await told(b=9) == [("required_input_missing", "a"), ("value_bigger_than_max", "b")]
        assert await told(a="x", b=1) == [("invalid_input_type", "a")]


@pytest.mark.parametrize("body", ["[]", '"text"', "5", "null", "{}"])
@asynchronous
async def test_without_a_prompt_that_is_what_is_wrong(tmp_path: Path, body: str) -> None:
    async with serving(tmp_path) as client:
        answer = await client.post("/prompt", data=body)
        assert (answer.status, (await answer.json())["error"]["type"]) == (400, "no_prompt")


@asynchronous
async def test_ids_may_be_numbers(tmp_path: Path) -> None:
    async with serving(tmp_path) as client, client.ws_connect("/ws?clientId=7") as socket:
        body = await submit(client, SHOW, client_id=7, prompt_id=12)
        assert body["prompt_id"] == "12"
        assert (await messages(socket, "12"))[-1][0] == "executing"


@pytest.mark.parametrize("body", ["", "no json", "[1]", "5"])
@asynchronous
async def test_a_wish_to_stop_counts_whatever_its_form(tmp_path: Path, body: str) -> None:
    async with serving(tmp_path) as client:
        id = (await submit(client, WAIT))["prompt_id"]
        await running(client, id)
        assert (await client.post("/interrupt", data=body)).status == 200
        assert (await finished(client, id))["status"]["messages"][-1][0] == "execution_interrupted"


@asynchronous
async def test_a_client_that_reads_nothing_for_a_while_is_not_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script busy with other things answers no ping; the messages of its next job must still reach it."""
    monkeypatch.setattr(Client, "pump", partialmethod(Client.pump, pause=0.02))
    async with serving(tmp_path) as client, client.ws_connect("/ws?clientId=me", autoping=False) as socket:
        kinds = [(await socket.receive()).type for _ in range(5)]
        assert kinds == [WSMsgType.TEXT] + [WSMsgType.PING] * 4
        await asyncio.sleep(0.2)
        body = await submit(client, SHOW, client_id="me")
        assert (await messages(socket, body["prompt_id"]))[-1][1] == {"node": None, "prompt_id": body["prompt_id"]}


@asynchronous
async def test_a_ring_made_while_running_has_its_name(tmp_path: Path, packs: list[Path]) -> None:
    async with serving(tmp_path, custom_nodes=packs) as client:
        body = await submit(client, graph(("Ring", {}), ("ToyShow", {"value": ["1", 0]})))
        kind, data = (await finished(client, body["prompt_id"]))["status"]["messages"][-1]
        assert kind == "execution_error" and data["node_id"] == "1"
        assert data["exception_type"].endswith("DependencyCycleError")


# --- users, as packs see them ------------------------------------------------------------------------------------


@asynchronous
async def test_packs_know_the_users(tmp_path: Path, packs: list[Path]) -> None:
    async with serving(tmp_path, custom_nodes=packs, multi_user=True) as client:
        ada, bo = [await (await client.post("/users", json={"username": name})).json() for name in ("Ada", "Bo")]
        await client.post("/settings/x", json=1, headers={"Comfy-User": ada})

        async def who(**headers: str) -> Any:
            return await (await client.get("/who", headers=headers)).json()

        home = tmp_path / "user"
        assert await who(**{"Comfy-User": ada}) == [ada, str(home / ada / "mine" / "a.txt"), {"x": 1}]
        assert await who(**{"comfy-user": bo}) == [bo, str(home / bo / "mine" / "a.txt"), {}]
        for headers in ({}, {"Comfy-User": "__system"}, {"Comfy-User": "nobody"}):
            assert await who(**headers) == ["nobody", str(home), ["Ada", "Bo"]]


@asynchronous
async def test_packs_know_the_one_user(tmp_path: Path, packs: list[Path]) -> None:
    async with serving(tmp_path, custom_nodes=packs) as client:
        told = await (await client.get("/who", headers={"Comfy-User": "__system"})).json()
        assert told[:2] == ["default", str(tmp_path / "user" / "default" / "mine" / "a.txt")]


@pytest.mark.parametrize("name", ["__system", "__", "  __cache "])
@asynchronous
async def test_names_of_the_servers_own_folders_are_no_users(tmp_path: Path, name: str) -> None:
    async with serving(tmp_path, multi_user=True) as client:
        assert (await client.post("/users", json={"username": name})).status == 400
        (tmp_path / "user" / "__system").mkdir()
        (tmp_path / "user" / "__system" / "secret.txt").write_text("x")
        (tmp_path / "user" / "users.json").write_text('{"__system": "by hand"}')
        for path in ("/userdata?dir=.", "/userdata/secret.txt", "/v2/userdata", "/settings"):
            assert (await client.get(path, headers={"Comfy-User": "__system"})).status == 401


# --- the queue, as packs see it ----------------------------------------------------------------------------------


@asynchronous
async def test_packs_queue_jobs_and_take_them_back(tmp_path: Path, packs: list[Path]) -> None:
    async with serving(tmp_path, custom_nodes=packs) as client, client.ws_connect("/ws?clientId=me") as socket:

        async def say(what: str, given: Any) -> Any:
            answer = await client.post(f"/line/{what}", json=given)
            assert answer.status == 200
            return await answer.json()

        async def waiting() -> list[str]:
            return [item[1] for item in (await (await client.get("/queue")).json())["queue_pending"]]

        held = (await submit(client, WAIT))["prompt_id"]
        await running(client, held)
        for number, id in [(5, "b"), (-1.5, "a"), (7, "c"), (8, "d")]:
            await say("put", {"number": number, "id": id, "prompt": SHOW})
        assert await waiting() == ["a", "b", "c", "d"]
        assert await say("delete", "b") is True and await say("delete", "b") is False
        assert await waiting() == ["a", "c", "d"]
        GATE.set()
        told = await messages(socket, "d")
        assert [data["output"] for kind, data in told if kind == "executed"] == [{"text": ["7"]}] * 3
        entry = await finished(client, "a")
        assert entry["prompt"][0] == -1.5 and entry["prompt"][3]["mine"] == 1 and entry["prompt"][4] == ["2"]
        await say("forget", "a")
        assert set(await (await client.get("/history")).json()) == {held, "c", "d"}
        await say("forget", "")
        assert await (await client.get("/history")).json() == {}


@asynchronous
async def test_packs_empty_the_line_and_give_memory_back(
    tmp_path: Path, packs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, custom_nodes=packs) as client:
        freed: list[dict[str, bool]] = []
        monkeypatch.setattr(parts(client).worker, "free", lambda **given: freed.append(given))
        await running(client, (await submit(client, WAIT))["prompt_id"])
        for _ in range(3):
            await submit(client, SHOW)
        await client.post("/line/wipe", json="")
        assert (await (await client.get("/queue")).json())["queue_pending"] == []
        left = [
            await (await client.post("/line/flag", json=name)).json() for name in ("unload_models", "free_memory", "x")
        ]
        assert left == [{}, {}, {"x": True}]
        assert freed == [{"networks": True, "results": False}, {"networks": False, "results": True}]
