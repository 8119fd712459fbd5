"""How much time the executor itself costs per node: validate, fingerprint, plan and run trivial typed nodes, events on.

    python tests/bench/bench_executor.py [--repeat 5] [--write FILE]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

ROOT = Path(__file__).resolve().parents[2]
if "carrara" not in sys.modules:
    found = importlib.util.spec_from_file_location("carrara", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert found is not None and found.loader is not None
    sys.modules["carrara"] = importlib.util.module_from_spec(found)
    found.loader.exec_module(sys.modules["carrara"])

from carrara.executor.cache import Bounded, NoCache  # noqa: E402
from carrara.executor.graph import Graph  # noqa: E402
from carrara.executor.run import Executor  # noqa: E402
from carrara.executor.spec import Catalog, Range, node  # noqa: E402
from carrara.executor.store import JsonCodec, Store  # noqa: E402


@node("BenchNumber", category="bench")
def number(value: Annotated[int, Range(0, 2**62)] = 0) -> int:
    """A number."""
    return value


@node("BenchAdd", category="bench")
def add(a: int, b: int) -> int:
    """Two numbers' sum."""
    return a + b & 0xFFFF


@node("BenchShow", category="bench", output=True)
def show(value: int) -> int:
    """The end of a graph."""
    return value


CATALOGUE = Catalog([number, add, show])


def chain(count: int) -> dict[str, Any]:
    """n0 -> n1 -> ... -> show; each adds its own number, so no two are the same."""
    nodes: dict[str, Any] = {"0": {"class_type": "BenchNumber", "inputs": {"value": 1}}}
    for i in range(1, count - 1):
        nodes[str(i)] = {"class_type": "BenchAdd", "inputs": {"a": [str(i - 1), 0], "b": i}}
    nodes["end"] = {"class_type": "BenchShow", "inputs": {"value": [str(count - 2), 0]}}
    return nodes


def wide(count: int) -> dict[str, Any]:
    """count / 2 numbers, each shown: as many outputs as a graph can have."""
    nodes: dict[str, Any] = {}
    for i in range(count // 2):
        nodes[f"n{i}"] = {"class_type": "BenchNumber", "inputs": {"value": i}}
        nodes[f"s{i}"] = {"class_type": "BenchShow", "inputs": {"value": [f"n{i}", 0]}}
    return nodes


def once(executor: Executor, graph: Graph) -> tuple[float, int]:
    """Seconds of one run, and how many nodes ran."""
    heard: list[Any] = []
    begun = time.perf_counter()
    result = executor.run(graph, sink=heard.append)
    seconds = time.perf_counter() - begun
    assert result.status == "done", result.error
    return seconds, len(result.executed)


def median(times: list[float]) -> str:
    return f"{statistics.median(times):.4f} ({min(times):.4f}–{max(times):.4f})"


def row(name: str, count: int, repeat: int, measure: Callable[[], tuple[float, int]]) -> str:
    measured = [measure() for _ in range(repeat)]
    times = [seconds for seconds, _ in measured]
    each = statistics.median(times) / count * 1e3
    return f"| {name} | {count:,} | {measured[-1][1]:,} | {median(times)} | {each:.4f} |"


def report(repeat: int) -> list[str]:
    lines = ["| case | nodes | ran | seconds: median (range) | ms per node |", "|---|---|---|---|---|"]
    for shape in (chain, wide):
        for count in (1_000, 10_000, 100_000):
            graph = Graph.from_api(shape(count))
            times = repeat if count <= 10_000 else max(1, repeat // 2)
            lines.append(row(f"{shape.__name__}, nothing kept", count, times, lambda g=graph: once(Executor(CATALOGUE), g)))
    for shape in (chain, wide):
        count = 10_000
        graph = Graph.from_api(shape(count))
        warm = Executor(CATALOGUE, cache=Bounded(entries=10**6))
        once(warm, graph)
        lines.append(row(f"{shape.__name__}, re-run from memory", count, repeat, lambda g=graph, w=warm: once(w, g)))
        with tempfile.TemporaryDirectory() as folder:
            store = Store(folder, JsonCodec())
            lines.append(row(f"{shape.__name__}, first run into a store", count, 1, lambda g=graph, s=store: once(Executor(CATALOGUE, store=s), g)))
            store.close()

            def restarted(folder: str = folder, graph: Graph = graph) -> tuple[float, int]:
                begun = time.perf_counter()
                fresh = Store(folder, JsonCodec())
                _, ran = once(Executor(CATALOGUE, cache=NoCache(), store=fresh), graph)
                seconds = time.perf_counter() - begun
                fresh.close()
                return seconds, ran

            lines.append(row(f"{shape.__name__}, re-run after a restart", count, repeat, restarted))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    lines = report(options.repeat)
    print("\n".join(lines))
    if options.write is not None:
        head = [
            "# Executor: engine time per node",
            "",
            f"Command: `python tests/bench/bench_executor.py --repeat {options.repeat}`. "
            f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores.",
            "",
        ]
        options.write.write_text("\n".join([*head, *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
