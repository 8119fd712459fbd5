"""Queue, history and jobs over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from server_toys import GATE, SHOW, WAIT, asynchronous, finished, graph, parts, running, serving, submit


@asynchronous
async def test_pending_jobs_are_deleted_and_running_ones_are_not(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        held = (await submit(client, WAIT))["prompt_id"]
        await running(client, held)
        ids = [(await submit(client, SHOW))["prompt_id"] for _ in range(3)]
        assert (await client.post("/queue", json={"delete": [held, ids[0]]})).status == 200
        queue = await (await client.get("/api/queue")).json()
        assert [item[1] for item in queue["queue_pending"]] == ids[1:]
        assert [item[1] for item in queue["queue_running"]] == [held]
        assert await (await client.post("/queue", json={"clear": True})).read() == b""
        assert (await (await client.get("/queue")).json())["queue_pending"] == []
        GATE.set()
        await finished(client, held)


@asynchronous
async def test_a_paused_line_waits(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await client.post("/queue", json={"pause": True})
        id = (await submit(client, SHOW))["prompt_id"]
        await asyncio.sleep(0.1)
        queue = await (await client.get("/queue")).json()
        assert queue["paused"] is True and len(queue["queue_pending"]) == 1
        await client.post("/queue", json={"pause": False})
        await finished(client, id)


@asynchronous
async def test_history_pages_and_is_forgotten(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        ids = [(await submit(client, SHOW))["prompt_id"] for _ in range(4)]
        await finished(client, ids[-1])

        async def names(query: str = "") -> list[str]:
            return list(await (await client.get(f"/history{query}")).json())

        assert await names() == ids
        assert await names("?max_items=2") == ids[2:]
        assert await names("?max_items=2&offset=1") == ids[1:3]
        assert await names("?offset=9") == []
        assert await (await client.get("/history/nobody")).json() == {}
        assert (await client.get("/history?max_items=many")).status == 400
        await client.post("/history", json={"delete": ids[:1]})
        assert await names() == ids[1:]
        await client.post("/history", json={"clear": True})
        assert await names() == []


@asynchronous
async def test_jobs_of_every_state(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        good = (await submit(client, SHOW, extra_data={"extra_pnginfo": {"workflow": {"id": "w1"}}}))["prompt_id"]
        bad = (await submit(client, graph(("ToyFail", {"value": 1}))))["prompt_id"]
        held = (await submit(client, WAIT))["prompt_id"]
        await running(client, held)
        last = (await submit(client, SHOW))["prompt_id"]

        async def page(query: str = "") -> dict[str, dict[str, object]]:
            answer = await (await client.get(f"/api/jobs{query}")).json()
            assert set(answer["pagination"]) == {"offset", "limit", "total", "has_more"}
            return {job["id"]: job for job in answer["jobs"]}

        jobs = await page()
        assert [jobs[id]["status"] for id in (good, bad, held, last)] == [
            "completed", "failed", "in_progress", "pending",
        ]  # fmt: skip
        assert list(jobs) == [last, held, bad, good]
        assert list(await page("?sort_order=asc&limit=2&offset=1")) == [bad, held]
        assert list(await page("?status=completed,failed,cancelled")) == [bad, good]
        assert list(await page("?workflow_id=w1")) == [good]
        assert all(None not in job.values() for job in jobs.values())
        assert jobs[good]["workflow_id"] == "w1"
        error = jobs[bad]["execution_error"]
        assert isinstance(error, dict)
        assert {"node_id", "node_type", "exception_message", "exception_type", "traceback"} <= set(error)

        detail = await (await client.get(f"/api/jobs/{good}")).json()
        assert detail["outputs"] == {"2": {"text": ["7"]}}
        assert detail["execution_status"]["status_str"] == "success"
        assert detail["workflow"]["prompt"] == SHOW
        missing = await client.get("/api/jobs/nobody")
        assert missing.status == 404 and "error" in await missing.json()

        assert await (await client.post(f"/api/jobs/{last}/cancel")).json() == {"cancelled": [last]}
        bulk = await client.post("/api/jobs/cancel", json={"job_ids": [held, good, "nobody"]})
        assert await bulk.json() == {"cancelled": [held]}
        await finished(client, held)
        jobs = await page("?status=cancelled")
        assert set(jobs) == {held, last}
        assert (await (await client.get("/prompt")).json())["exec_info"]["queue_remaining"] == 0


@pytest.mark.parametrize("query", ["status=odd", "sort_by=size", "sort_order=up", "limit=0", "limit=x", "offset=x"])
@asynchronous
async def test_odd_wishes_are_refused(tmp_path: Path, query: str) -> None:
    async with serving(tmp_path) as client:
        answer = await client.get(f"/api/jobs?{query}")
        assert answer.status == 400 and isinstance((await answer.json())["error"], str)
        assert (await client.get("/jobs")).status == 404


@asynchronous
async def test_jobs_outlive_the_server(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        done = (await submit(client, SHOW))["prompt_id"]
        await finished(client, done)
        held = (await submit(client, WAIT))["prompt_id"]
        await running(client, held)
        waiting = (await submit(client, SHOW))["prompt_id"]
    async with serving(tmp_path) as client:  # an orderly stop: what ran is back in line, not cut off
        GATE.set()
        assert (await finished(client, done))["status"]["completed"] is True
        assert (await finished(client, held))["status"]["completed"] is True
        assert (await finished(client, waiting))["status"]["completed"] is True
        found = parts(client).queue.get(held)
        assert found is not None and found.cut == 0


@asynchronous
async def test_memory_is_given_back_when_idle(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        first = await submit(client, SHOW)
        await finished(client, first["prompt_id"])
        assert (await client.post("/free", json={"unload_models": True, "free_memory": True})).status == 200
        second = await submit(client, SHOW)
        entry = await finished(client, second["prompt_id"])
        assert entry["status"]["messages"][1][1]["nodes"] == []


@asynchronous
async def test_metrics(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        await finished(client, (await submit(client, SHOW))["prompt_id"])
        text = await (await client.get("/metrics")).text()
        assert 'carrara_jobs_total{state="done"} 1' in text
        assert 'carrara_queue_jobs{state="pending"} 0' in text
        assert 'carrara_node_seconds_count{class="ToyShow"} 1' in text
        for line in text.splitlines():
            assert line.startswith("# ") or float(line.rsplit(" ", 1)[1]) >= 0
