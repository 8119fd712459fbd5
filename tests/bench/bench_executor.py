"""How much time the executor itself costs per node: validate, fingerprint, plan and run trivial typed nodes, events on.

python tests/bench/bench_executor.py [--repeat 5] [--write FILE]
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
if "carrara" not in sys.modules:
    where = [str(ROOT)]
    found = importlib.util.spec_from_file_location("carrara", ROOT / "__init__.py", submodule_search_locations=where)
    assert found is not None and found.loader is not None
    sys.modules["carrara"] = importlib.util.module_from_spec(found)
    found.loader.exec_module(sys.modules["carrara"])

from carrara.executor.cache import Bounded  # noqa: E402
from carrara.executor.graph import Graph  # noqa: E402
from carrara.executor.run import Executor  # noqa: E402
from carrara.executor.spec import Catalog, Range, node  # noqa: E402
from carrara.executor.store import JsonCodec, Store  # noqa: E402
from carrara.nodes import flow, lists  # noqa: E402


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


def each(count: int) -> dict[str, Any]:
    """A loop over numbers: two nodes a round."""
    return {
        "r": {"class_type": "NumberRangeList", "inputs": {"start": 0, "stop": count, "step": 1}},
        "s": {"class_type": "LoopForEach", "inputs": {"items": ["r", 0]}},
        "x": {"class_type": "BenchAdd", "inputs": {"a": ["s", 1], "b": 1}},
        "e": {"class_type": "LoopForEachEnd", "inputs": {"loop": ["s", 0], "result": ["x", 0]}},
        "l": {"class_type": "ValueListLength", "inputs": {"items": ["e", 0]}},
        "end": {"class_type": "BenchShow", "inputs": {"value": ["l", 0]}},
    }


def rounds(count: int) -> dict[str, Any]:
    """A loop that counts while its number is small: four nodes a round, each round made by the one before."""
    inputs = {"loop": ["s", 0], "condition": ["c", 0], "values.value0": ["x", 0]}
    return {
        "s": {"class_type": "LoopWhile", "inputs": {"values.value0": 0}},
        "c": {"class_type": "CompareNumbers", "inputs": {"a": ["s", 1], "b": ["n", 0], "comparison": "a < b"}},
        "n": {"class_type": "BenchNumber", "inputs": {"value": count}},
        "x": {"class_type": "BenchAdd", "inputs": {"a": ["s", 2], "b": 1}},
        "e": {"class_type": "LoopWhileEnd", "inputs": inputs},
        "end": {"class_type": "BenchShow", "inputs": {"value": ["e", 0]}},
    }


class Taken(NamedTuple):
    """wall, cpu: seconds; ran: how many nodes ran."""

    wall: float
    cpu: float
    ran: int


def once(executor: Executor, graph: Graph) -> Taken:
    """One run, validation and events included."""
    heard: list[Any] = []
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    result = executor.run(graph, sink=heard.append)
    taken = Taken(time.perf_counter() - wall, time.process_time() - cpu, len(result.executed))
    assert result.status == "done", result.error
    return taken


def restarted(folder: str, graph: Graph) -> Taken:
    """The same with nothing in memory; opening the store counts."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    store = Store(folder, JsonCodec())
    ran = once(Executor(CATALOGUE, store=store), graph).ran
    taken = Taken(time.perf_counter() - wall, time.process_time() - cpu, ran)
    store.close()
    return taken


def spread(times: list[float]) -> str:
    return f"{statistics.median(times):.4f} ({min(times):.4f}–{max(times):.4f})"


def row(name: str, count: int, repeat: int, measure: Callable[[], Taken]) -> str:
    taken = [measure() for _ in range(repeat)]
    cpu = [t.cpu for t in taken]
    each = statistics.median(cpu) / count * 1e3
    return (
        f"| {name} | {count:,} | {taken[-1].ran:,} | {spread([t.wall for t in taken])} | {spread(cpu)} | {each:.4f} |"
    )


def report(repeat: int) -> list[str]:
    lines = ["| case | nodes | ran | wall s: median (range) | CPU s | CPU ms per node |", "|---|---|---|---|---|---|"]
    for shape in (chain, wide):
        for count in (1_000, 10_000, 100_000):
            graph = Graph.from_api(shape(count))
            times = repeat if count <= 10_000 else max(1, repeat // 2)
            bare = Executor(CATALOGUE)
            lines.append(row(f"{shape.__name__}, nothing kept", count, times, partial(once, bare, graph)))
    for shape in (chain, wide):
        count = 10_000
        graph = Graph.from_api(shape(count))
        warm = Executor(CATALOGUE, cache=Bounded(entries=10**6))
        once(warm, graph)
        lines.append(row(f"{shape.__name__}, re-run from memory", count, repeat, partial(once, warm, graph)))
        with tempfile.TemporaryDirectory() as folder:
            store = Store(folder, JsonCodec())
            stored = Executor(CATALOGUE, store=store)
            lines.append(row(f"{shape.__name__}, first run into a store", count, 1, partial(once, stored, graph)))
            store.close()
            again = partial(restarted, folder, graph)
            lines.append(row(f"{shape.__name__}, re-run after a restart", count, repeat, again))
    looping = Executor(CATALOGUE.plus(Catalog.of_modules(flow, lists).specs()))
    for name, shape in (("for each", each), ("while", rounds)):
        for count in (1_000, 10_000):
            graph = Graph.from_api(shape(count))
            lines.append(row(f"{name}; nodes are rounds", count, repeat, partial(once, looping, graph)))
    return lines


def machine() -> str:
    """The processor's name, where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores, {platform.system()}"


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
            f"Python {platform.python_version()}; {machine()}; load average {os.getloadavg()[0]:.1f} while it ran.",
            "",
            "Engine time: validation, fingerprints, planning, running trivial nodes, one event list. Ceilings: 0.05 ms "
            "per node, flat to 100,000; 0.2 s for a fully cached re-run of 10,000. CPU seconds count where other "
            "programs share the cores; the wall time then mostly says how busy the machine was.",
            "",
        ]
        options.write.write_text("\n".join([*head, *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
