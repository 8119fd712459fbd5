"""Many clients at once, and a server killed again and again. Small by default; CARRARA_LOAD=full for the whole."""

from __future__ import annotations

import asyncio
import contextlib
import gc
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
from socket import SHUT_RDWR
from typing import Any

from aiohttp import ClientError, ClientSession, TCPConnector
from server_toys import asynchronous, graph, parts, serving, submit
from test_serve import flow, server

from carrara.server.jobs import Job, State
from carrara.server.metrics import resident
from carrara.server.web import Server
from carrara.server.worker import Worker

FULL = os.environ.get("CARRARA_LOAD") == "full"
CLIENTS, JOBS, ROUNDS, KILLS = (50, 1000, 6, 200) if FULL else (8, 64, 3, 3)
MOST_GROWTH = 8 << 20


class Crowd:
    """Clients of one server, and what became of what they sent. Everything random comes from one seed."""

    def __init__(self, session: ClientSession, server: Server) -> None:
        self.session = session
        self.worker = server.worker
        self.queue = server.queue
        self.chance = random.Random(7)
        self.sent: list[str] = []
        self.cancelled: set[str] = set()
        self.deleted: set[str] = set()
        self.started: Counter[str] = Counter()
        self.dropped = 0

        def counted(job: Job) -> None:
            self.started[job.id] += 1
            Worker._job(server.worker, job)

        server.worker._job = counted  # type: ignore[method-assign]

    async def one(self, number: int, jobs: int) -> None:
        """A client that submits, changes its mind and loses its connection."""
        socket = await self.session.ws_connect(f"/ws?clientId=c{number}")
        for turn in range(jobs):
            prompt = graph(
                ("ToyNumber", {"value": (number * 31 + turn) % 100}),
                ("ToySteps", {"value": ["1", 0]}),
                ("ToyNap", {"value": ["2", 0], "seconds": self.chance.choice((0, 0, 0, 0.05))}),
                ("ToyShow", {"value": ["3", 0]}),
            )
            id = (await submit(self.session, prompt, client_id=f"c{number}"))["prompt_id"]
            self.sent.append(id)
            fate = self.chance.random()
            if fate < 0.1:
                await self.cancel([id])
            elif fate < 0.2:  # whatever runs now, whose ever it is
                running = self.worker.running
                if running is not None:
                    await self.cancel([running.id])
            elif fate < 0.25:
                if self.queue.delete([id]):
                    self.deleted.add(id)
            elif fate < 0.35:
                self.dropped += 1
                if fate < 0.3:  # as if the cable were pulled
                    socket.get_extra_info("socket").shutdown(SHUT_RDWR)
                await socket.close()
                socket = await self.session.ws_connect(f"/ws?clientId=c{number}")
        await socket.close()

    async def cancel(self, ids: list[str]) -> None:
        said = await (await self.session.post("/api/jobs/cancel", json={"job_ids": ids})).json()
        self.cancelled.update(said["cancelled"])

    async def settled(self) -> Counter[State]:
        """How all jobs ended, once they have: none lost, none run twice, none stopped without a wish."""
        while self.queue.remaining():
            await asyncio.sleep(0.05)
        found = {id: self.queue.get(id) for id in self.sent}
        assert {id for id, job in found.items() if job is None} == self.deleted
        states = {id: job.state for id, job in found.items() if job is not None}
        assert set(states.values()) <= {State.DONE, State.INTERRUPTED}
        assert {id for id, state in states.items() if state is State.INTERRUPTED} <= self.cancelled
        assert max(self.started.values()) == 1
        assert {id for id, state in states.items() if state is State.DONE} <= set(self.started)
        return Counter(states.values())


@asynchronous
async def test_many_clients_lose_nothing(tmp_path: Path) -> None:
    """Submit, cancel pending and running ones, delete, disconnect: one final state each, run at most once."""
    held: list[int] = []
    async with (
        serving(tmp_path) as client,
        ClientSession(client.make_url("/"), connector=TCPConnector(limit=0)) as session,  # a TestClient keeps answers
    ):
        server = parts(client)
        for round in range(ROUNDS):
            crowd = Crowd(session, server)
            begun = time.monotonic()
            await asyncio.gather(*(crowd.one(number, JOBS // CLIENTS) for number in range(CLIENTS)))
            ends = await crowd.settled()
            server.queue.forget()
            gc.collect()
            held.append(resident() or 0)
            took = time.monotonic() - begun
            print(f"\nround {round + 1}: {len(crowd.sent)} jobs of {CLIENTS} clients in {took:.1f} s, "
                  f"{ends[State.DONE]} done, {ends[State.INTERRUPTED]} cancelled, {len(crowd.deleted)} deleted, "
                  f"{crowd.dropped} connections dropped, {held[-1] / 2**20:.1f} MB held")  # fmt: skip
        assert len(server.hub) == 0
    assert held[-1] - held[0] < MOST_GROWTH, "memory is not flat"


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
        assert not list(tmp_path.rglob("*.part"))
    print(f"\n{len(accepted)} jobs, {KILLS} kills: {dict(ends)}")
