"""What reading a workflow costs per node: editor form and API form, flat, deep and nested in subgraphs.

    python tests/bench/bench_convert.py [--nodes 1000 10000] [--repeat 3]

CPU seconds of this process, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if "carrara" not in sys.modules:
    found = importlib.util.spec_from_file_location(
        "carrara", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert found is not None and found.loader is not None
    sys.modules["carrara"] = importlib.util.module_from_spec(found)
    found.loader.exec_module(sys.modules["carrara"])

from carrara.documents.read import read  # noqa: E402
from carrara.documents.write import api_text  # noqa: E402

INFO: dict[str, Any] = {
    "Step": {
        "input": {
            "required": {
                "image": ["IMAGE", {}],
                "seed": ["INT", {"default": 0, "control_after_generate": True}],
                "amount": ["FLOAT", {"default": 1.0}],
                "mode": [["a", "b"], {}],
            }
        },
        "output": ["IMAGE"],
        "output_node": True,
    }
}


def node(id: int, type: str = "Step", mode: int = 0, link: int | None = None) -> dict[str, Any]:
    return {
        "id": id,
        "type": type,
        "pos": [10 * id, 20],
        "size": [200, 100],
        "flags": {},
        "order": id,
        "mode": mode,
        "inputs": [{"name": "image", "type": "IMAGE", "link": link}],
        "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": []}],
        "properties": {"Node name for S&R": type},
        "widgets_values": [id, "fixed", 0.5, "b"],
    }


def chain(count: int, mode: int = 0) -> dict[str, Any]:
    """One after another; `mode` 4: all but the ends bypassed."""
    nodes = [node(i, mode=0 if i in (0, count - 1) else mode, link=i if i else None) for i in range(count)]
    return {"nodes": nodes, "links": [[i, i - 1, 0, i, 0, "IMAGE"] for i in range(1, count)], "last_node_id": count}


def nested(count: int) -> dict[str, Any]:
    """A chain of subgraph instances, ten nodes each."""
    inner = {
        "id": "ten",
        "name": "ten",
        "inputs": [{"name": "image", "type": "IMAGE"}],
        "outputs": [{"name": "IMAGE", "type": "IMAGE"}],
        "nodes": [node(count + i, link=i) for i in range(10)],
        "links": [
            {
                "id": i,
                "origin_id": count + i - 1 if i else -10,
                "origin_slot": 0,
                "target_id": count + i,
                "target_slot": 0,
            }
            for i in range(10)
        ]
        + [{"id": 10, "origin_id": count + 9, "origin_slot": 0, "target_id": -20, "target_slot": 0}],
    }
    form = chain(count // 10)
    for item in form["nodes"]:
        item |= {"type": "ten", "widgets_values": []}
    return {**form, "definitions": {"subgraphs": [inner]}}


def seconds(work: Callable[[], object], repeat: int) -> list[float]:
    work()
    found = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.machine()}; CPU ms in all (µs per node), median and spread")
    for count in options.nodes:
        forms: dict[str, dict[str, Any]] = {
            "chain": chain(count),
            "bypassed": chain(count, 4),
            "subgraphs": nested(count),
            "API form": read(chain(count), INFO).graph.to_api(),
        }
        for name, form in forms.items():
            text = json.dumps(form).encode()
            times = seconds(lambda text=text: read(text, INFO), options.repeat)
            middle, spread = statistics.median(times), max(times) - min(times)
            line = (
                f"{count:>8,} {name:<10} {middle * 1e3:9.1f} ± {spread * 1e3:6.1f} ms ({middle / count * 1e6:6.1f} µs)"
            )
            print(f"{line}  {len(text) / 1e6:7.1f} MB")
        graph = read(forms["API form"], INFO).graph
        times = seconds(lambda graph=graph: api_text(graph), options.repeat)
        print(f"{count:>8,} writing    {statistics.median(times) * 1e3:9.1f} ms")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
