"""Many clients at once, and a server killed again and again. Small by default; CARRARA_LOAD=full for the whole."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from aiohttp import ClientError
from server_toys import asynchronous, graph, parts, serving, submit
from test_serve import flow, server

from carrara.server.jobs import State
from carrara.server.metrics import resident

FULL = os.environ.get("CARRARA_LOAD") == "full"
CLIENTS, JOBS, KILLS = (50, 1000, 200) if FULL else (8, 64, 3)


@asynchronous
async def test_many_clients_lose_nothing(tmp_path: Path) -> None:
    """Submit, cancel, disconnect at random: every job has one final state, and ran at most once."""
    chance = random.Random(7)
    submitted: list[str] = []
    cancelled: set[str] = set()
    started: Counter[str] = Counter()
    async with serving(tmp_path) as client:
        before = resident() or 0

        async def one(number: int) -> None:
            socket = await client.ws_connect(f"/ws?clientId=c{number}")
            for turn in range(JOBS // CLIENTS):
                value = number * 100 + turn
                prompt = graph(("ToyNumber", {"value": value % 100}), ("ToySteps", {"value": ["1", 0]}),
                               ("ToyShow", {"value": ["2", 0]}))  # fmt: skip
                id = (await submit(client, prompt, client_id=f"c{number}"))["prompt_id"]
                submitted.append(id)
                fate = chance.random()
                if fate < 0.1:
                    done = await (await client.post("/api/jobs/cancel", json={"job_ids": [id]})).json()
                    cancelled.update(done["cancelled"])
                elif fate < 0.2:
                    await socket.close()
                    socket = await client.ws_connect(f"/ws?clientId=c{number}")
            await socket.close()

        queue = parts(client).queue
        take = queue.take

        def counted(timeout: float | None = None) -> Any:
            job = take(timeout)
            if job is not None:
                started[job.id] += 1
            return job

        queue.take = counted  # type: ignore[method-assign]
        await asyncio.gather(*(one(number) for number in range(CLIENTS)))
        while queue.remaining():
            await asyncio.sleep(0.05)
        states = {id: found.state for id in submitted if (found := queue.get(id)) is not None}
        assert len(states) == len(submitted) == JOBS
        assert set(states.values()) <= {State.DONE, State.INTERRUPTED}
        assert {id for id, state in states.items() if state is State.INTERRUPTED} <= cancelled
        assert max(started.values()) == 1
        print(f"\n{JOBS} jobs of {CLIENTS} clients: {Counter(states.values())}, "
              f"memory {((resident() or 0) - before) / 2**20:+.0f} MB")  # fmt: skip


def call(url: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url + path, data=data), timeout=60) as answer:
        return json.load(answer)


def test_a_server_killed_again_and_again(tmp_path: Path) -> None:
    """Every accepted job ends in one truthful state, its file whole."""
    chance = random.Random(11)
    accepted: list[str] = []

    def stream(url: str, stop: threading.Event) -> None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError, ClientError, OSError):
            while not stop.is_set():
                id = f"job-{len(accepted)}-{chance.randrange(10**6)}"
                call(url, "/prompt", {"prompt": flow(id, chance.choice((0, 0, 0.05))), "prompt_id": id})
                accepted.append(id)
                stop.wait(0.02)

    def kill(process: subprocess.Popen[str]) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()

    for _ in range(KILLS):
        with server(tmp_path) as (process, url):
            stop = threading.Event()
            thread = threading.Thread(target=stream, args=(url, stop))
            thread.start()
            time.sleep(chance.uniform(0.0, 0.6))
            kill(process)
            stop.set()
            thread.join()
    ends: Counter[str] = Counter()
    with server(tmp_path) as (_, url):
        while call(url, "/prompt")["exec_info"]["queue_remaining"]:
            time.sleep(0.1)
        for id in accepted:
            job = call(url, f"/api/jobs/{id}")
            ends[f"{job['status']}, cut off {job.get('cut_off', 0)} times"] += 1
            if job["status"] == "failed":
                assert job["cut_off"] == 3 and job["execution_error"]["exception_type"] == "ServerDied"
                continue
            assert job["status"] == "completed"
            [item] = call(url, f"/history/{id}")[id]["outputs"]["1"]["images"]
            assert (tmp_path / "output-directory" / item["filename"]).read_text() == id * 1000
    print(f"\n{len(accepted)} jobs, {KILLS} kills: {dict(ends)}")
