"""How soon the server answers while it works: GET /system_stats again and again during loading and sampling.

    python tests/bench/bench_server.py [--models DIR --checkpoint NAME --side 256] [--steps 8] [--write FILE]

Without --checkpoint the embedded model at 128 x 128. The result store is off, so that everything really runs.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAUSE = 0.01
"""Seconds between questions."""


@contextmanager
def server(folder: Path, *more: str) -> Iterator[tuple[int, float]]:
    """Port of a running server, and the seconds until it listened."""
    (folder / "carrara").symlink_to(ROOT)
    command = [sys.executable, "-m", "carrara", "serve", "--port", "0", "--cache", "off", *more]
    for name in ("output-directory", "input-directory", "user-directory"):
        command += [f"--{name}", str(folder / name)]
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder,
                          env=os.environ | {"PYTHONPATH": str(folder)}) as process:  # fmt: skip
        assert process.stdout is not None
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        try:
            yield port, time.perf_counter() - begun
        finally:
            process.terminate()


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> Any:
    connection.request(method, path, None if body is None else json.dumps(body))
    return json.loads(connection.getresponse().read() or b"null")


def prompt(checkpoint: str, side: int, steps: int, sampler: str) -> dict[str, Any]:
    nodes: list[tuple[str, dict[str, Any]]] = [
        ("CheckpointLoaderSimple", {"ckpt_name": checkpoint}),
        ("CLIPTextEncode", {"text": "a red circle", "clip": ["1", 1]}),
        ("EmptyLatentImage", {"width": side, "height": side, "batch_size": 1}),
        ("KSampler", {"model": ["1", 0], "seed": 1, "steps": steps, "cfg": 5.0, "sampler_name": sampler,
                      "scheduler": "karras", "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["3", 0],
                      "denoise": 1.0}),
        ("VAEDecode", {"samples": ["4", 0], "vae": ["1", 2]}),
        ("SaveImage", {"images": ["5", 0], "filename_prefix": "bench"}),
    ]  # fmt: skip
    return {str(i): {"class_type": kind, "inputs": inputs} for i, (kind, inputs) in enumerate(nodes, 1)}


def questions(port: int, stop: threading.Event) -> list[tuple[float, float]]:
    """(when, seconds it took) of each question until told to stop."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    found = []
    while not stop.is_set():
        begun = time.perf_counter()
        ask(connection, "GET", "/system_stats")
        found.append((begun, time.perf_counter() - begun))
        stop.wait(PAUSE)
    return found


def row(what: str, seconds: list[float]) -> str:
    ordered = sorted(1000 * s for s in seconds)

    def share(part: float) -> str:
        return f"{ordered[min(len(ordered) - 1, int(part * len(ordered)))]:.1f}"

    late = sum(s > 100 for s in ordered)
    return f"| {what} | {len(ordered)} | {share(0.5)} | {share(0.95)} | {share(0.99)} | {ordered[-1]:.1f} | {late} |"


def measure(port: int, body: dict[str, Any]) -> tuple[list[tuple[float, float]], float, float]:
    """The questions during one job, when it was sent, and when it had ended."""
    stop, found = threading.Event(), []
    thread = threading.Thread(target=lambda: found.extend(questions(port, stop)))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    thread.start()
    begun = time.perf_counter()
    id = ask(connection, "POST", "/prompt", body)["prompt_id"]
    while not (entry := ask(connection, "GET", f"/history/{id}")):
        time.sleep(0.05)
    ended = time.perf_counter()
    stop.set()
    thread.join()
    assert entry[id]["status"]["completed"], entry[id]["status"]["messages"][-1]
    return found, begun, ended


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=Path)
    parser.add_argument("--checkpoint", default="pebble.safetensors")
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    more = [] if options.models is None else ["--models", str(options.models)]
    lines = [
        f"## {options.checkpoint}, {options.side} x {options.side}, {options.steps} steps, {date.today()}",
        "",
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f}. Milliseconds of GET /system_stats, asked every {PAUSE * 1000:.0f} ms.",
        "",
        "| while | questions | median | 95 % | 99 % | longest | over 100 ms |",
        "|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder, server(Path(folder), *more) as (port, started):
        stop = threading.Event()
        threading.Timer(2.0, stop.set).start()
        lines.append(row("idle", [s for _, s in questions(port, stop)]))
        for name, sampler in (("first job: loads and samples", "euler"), ("second job: samples", "dpmpp_2m")):
            body = {"prompt": prompt(options.checkpoint, options.side, options.steps, sampler), "client_id": "nobody"}
            found, begun, ended = measure(port, body)
            lines.append(row(f"{name}, {ended - begun:.1f} s", [s for _, s in found]))
        lines += ["", f"Listening {started:.2f} s after the command.", ""]
    text = "\n".join(lines)
    print(text)
    if options.write is not None:
        with options.write.open("a") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
