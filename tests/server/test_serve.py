"""`carrara serve` and `carrara submit` as processes; what `kill -9` leaves behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from server_toys import SHOW, asynchronous, make

from carrara.errors import GraphError, InputError, ServerError
from carrara.executor.cache import ByGeneration, LastRun, NoCache, WhileRoom
from carrara.server.client import Client
from carrara.server.serve import keeping

ROOT = Path(__file__).resolve().parents[2]
PACK = '''
import os, time
from pathlib import Path
import carrara
from carrara.executor.spec import Context, Shown
from carrara.nodes.store import Files

@carrara.node("Keep", category="test", output=True)
def keep(name: str, seconds: float = 0.0, *, ctx: Context) -> Shown:
    """Writes a file after a while."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ctx.check()
        time.sleep(0.01)
    files = ctx.service(Files)
    saved = files.save(files.slot(name), 1, "txt", name.encode() * 1000)
    return Shown(ui={"images": [saved.shown()]}, files=(str(saved.path),))
'''


@contextmanager
def server(folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and its address. Killed at the end if it still runs."""
    (folder / "packs").mkdir(exist_ok=True)
    (folder / "packs" / "keep.py").write_text(PACK)
    if not (folder / "carrara").exists():
        (folder / "carrara").symlink_to(ROOT)
    command = [sys.executable, "-m", "carrara", "serve", "--port", "0", "--cpu"]
    for name in ("output-directory", "input-directory", "user-directory", "cache"):
        command += [f"--{name}", str(folder / name)]
    command += more or ["--custom-nodes", str(folder / "packs")]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
                          cwd=folder) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert "listens on" in line, "the server did not start"
            yield process, line.split()[-1]
        finally:
            process.kill()


def flow(name: str, seconds: float = 0.0) -> dict[str, Any]:
    return {"1": {"class_type": "Keep", "inputs": {"name": name, "seconds": seconds}}}


def carrara(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run([sys.executable, "-m", "carrara", *arguments], capture_output=True, text=True, timeout=120,
                          env=environment, cwd=folder)  # fmt: skip


def test_jobs_survive_kill_9(tmp_path: Path) -> None:
    """Done jobs stay done, the one at work says it was cut off and is run again, waiting ones run; none is lost."""

    async def before(url: str, process: subprocess.Popen[str]) -> list[str]:
        async with Client(url) as client:
            done = (await client.submit(flow("done"))).id
            async for _ in client.follow(done):
                pass
            assert (await client.job(done)).status == "completed"
            cut = (await client.submit(flow("cut", 600))).id
            waiting = [(await client.submit(flow(f"waiting{n}"))).id for n in range(3)]
            while (await client.job(cut)).status != "in_progress":
                await asyncio.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            process.wait()
            return [done, cut, *waiting]

    async def after(url: str, ids: list[str]) -> None:
        done, cut, *waiting = ids
        async with Client(url) as client:
            assert (await client.job(done)).status == "completed"
            again = await client.job(cut)
            assert again.status in ("pending", "in_progress") and again.raw["cut_off"] == 1
            assert await client.cancel(cut)
            for id in waiting:
                while not (job := await client.job(id)).done:
                    await asyncio.sleep(0.02)
                assert job.status == "completed" and "cut_off" not in job.raw
                [file] = job.files
                path = await client.fetch(file, tmp_path / "fetched")
                name = file.filename.split("_")[0]
                assert path.read_text() == name * 1000
            while not (job := await client.job(cut)).done:
                await asyncio.sleep(0.02)
            assert job.status == "cancelled"

    with server(tmp_path) as (process, url):
        ids = asyncio.run(before(url, process))
    with server(tmp_path) as (process, url):
        asyncio.run(after(url, ids))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_submit_sends_follows_and_fetches(tmp_path: Path) -> None:
    (tmp_path / "flow.json").write_text(json.dumps(flow("hello")))
    (tmp_path / "bad.json").write_text(json.dumps({"1": {"class_type": "Nobody", "inputs": {}}}))
    with server(tmp_path) as (_, url):
        sent = carrara(tmp_path, "submit", "flow.json", "--server", url, "-o", "got", "--json")
        assert sent.returncode == 0, sent.stderr
        report = json.loads(sent.stdout.splitlines()[-1])
        assert report["status"] == "completed"
        assert [Path(file).name for file in report["files"]] == ["hello_00001_.txt"]
        assert (tmp_path / "got" / "hello_00001_.txt").read_text() == "hello" * 1000
        refused = carrara(tmp_path, "submit", "bad.json", "--server", url)
        assert refused.returncode == 2 and "Nobody" in refused.stderr
    gone = carrara(tmp_path, "submit", "flow.json", "--server", url)
    assert gone.returncode == 2 and "carrara serve" in gone.stderr


def test_a_server_as_test_suites_start_it(tmp_path: Path) -> None:
    """Packs named in a paths file; the result cache of another name; flags that change nothing here."""
    (tmp_path / "paths.yaml").write_text("testing:\n    custom_nodes: packs\n")
    familiar = ("--listen", "127.0.0.1", "--extra-model-paths-config", "paths.yaml", "--cache-lru", "100", "--lowvram",
                "--preview-method", "none", "--disable-auto-launch")  # fmt: skip
    with server(tmp_path, *familiar) as (process, url):
        with urllib.request.urlopen(f"{url}/object_info/Keep") as answer:
            assert json.load(answer)["Keep"]["python_module"] == "custom_nodes.keep"
        sent = urllib.request.Request(f"{url}/prompt", json.dumps({"prompt": flow("x")}).encode())
        with urllib.request.urlopen(sent) as answer:
            assert json.load(answer)["node_errors"] == {}
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    refused = carrara(tmp_path, "serve", "--directml")
    assert refused.returncode == 2 and "--device" in refused.stderr and "Traceback" not in refused.stderr


def test_a_taken_port_is_said_in_plain_words(tmp_path: Path) -> None:
    with server(tmp_path) as (_, url):
        other = carrara(tmp_path, "serve", "--port", url.rsplit(":", 1)[1], "--cpu", "--user-directory",
                        str(tmp_path / "other"), "--output-directory", str(tmp_path / "o"), "--input-directory",
                        str(tmp_path / "i"))  # fmt: skip
        assert other.returncode == 2 and "--port" in other.stderr and "Traceback" not in other.stderr


@asynchronous
async def test_the_client_tells_why_a_workflow_is_refused(tmp_path: Path) -> None:
    from aiohttp.test_utils import TestServer

    async with TestServer(make(tmp_path)) as running, Client(str(running.make_url("/"))) as client:
        with pytest.raises(GraphError) as refusal:
            await client.submit({"1": {"class_type": "ToyNumber", "inputs": {"value": -1}},
                                 "2": {"class_type": "ToyShow", "inputs": {"value": ["1", 0]}}})  # fmt: skip
        [problem] = refusal.value.problems
        assert (problem.node, problem.input, problem.type) == ("1", "value", "value_smaller_than_min")
        sent = await client.submit(SHOW)
        told = [event.type async for event in client.follow(sent.id)]
        assert "executed" in told and told[-1] in ("execution_success", "status")
        assert (await client.job(sent.id)).outputs == {"2": {"text": ["7"]}}
        with pytest.raises(ServerError):
            await client.job("nobody")


def test_what_stays_in_memory() -> None:
    assert keeping("") is None
    assert isinstance(keeping("classic"), LastRun) and isinstance(keeping("lru 0"), LastRun)
    assert isinstance(keeping("lru 5"), ByGeneration) and isinstance(keeping("ram 0.5"), WhileRoom)
    assert isinstance(keeping("none"), NoCache)
    with pytest.raises(InputError):
        keeping("lru many")


def test_help_does_not_need_the_server(tmp_path: Path) -> None:
    (tmp_path / "carrara").symlink_to(ROOT)
    code = (
        "import sys; from carrara.cli import app; assert 'aiohttp' not in sys.modules and 'sqlite3' not in sys.modules"
    )
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 0 and time.monotonic() >= begun
