"""What a host pays for having this folder among its node packs: CPU and wall seconds of the import, with all classes.

    python tests/bench/bench_host.py [--repeat 9] [--write FILE]

Each time in a process of its own that has loaded the modules a host has at that moment
(tests/extensions/inside/host_world), and the folder under another name.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORLD = ROOT / "tests" / "extensions" / "inside" / "host_world"
CODE = """
import sys, time
sys.path.insert(0, {world!r})
import folder_paths, nodes, server
from pathlib import Path
here = Path({here!r})
folder_paths.settle(here, here)
cpu, wall = time.process_time(), time.perf_counter()
nodes.load_custom_node(here / "custom_nodes" / "carrara-main")
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
begun = time.process_time()
for kind in nodes.NODE_CLASS_MAPPINGS.values():
    kind.INPUT_TYPES()
listed = time.process_time() - begun
print(cpu, wall, listed, len(nodes.NODE_CLASS_MAPPINGS), "torch" in sys.modules)
"""


def once(kept: str) -> list[str]:
    """kept: folder of byte code, as every host keeps it from its second start on."""
    world = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as here:
        (Path(here) / "custom_nodes").mkdir()
        (Path(here) / "custom_nodes" / "carrara-main").symlink_to(ROOT, target_is_directory=True)
        code = CODE.format(world=str(WORLD), here=here)
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=world | {"PYTHONPYCACHEPREFIX": kept},
        )
    return done.stdout.split()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as kept:
        first = once(kept)
        runs = [once(kept) for _ in range(options.repeat)]
    lines = [
        f"# Inside ComfyUI, {date.today()}",
        "",
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f}. `python tests/bench/bench_host.py --repeat {options.repeat}`",
        "",
        f"{runs[0][3]} node classes. PyTorch imported: {'yes' if runs[0][4] == 'True' else 'no'}.",
        "",
        "| what | s, median | spread | goal |",
        "|---|---|---|---|",
    ]
    for place, (what, goal) in enumerate(
        [("import, CPU", "0.3"), ("import, wall", ""), ("all inputs described, CPU", "")]
    ):
        seconds = sorted(float(run[place]) for run in runs)
        spread = f"{seconds[0]:.3f}–{seconds[-1]:.3f}"
        lines.append(f"| {what} | {statistics.median(seconds):.3f} | {spread} | {goal} |")
    lines.append(f"| the very first import, which compiles, CPU | {float(first[0]):.3f} | – | |")
    text = "\n".join(lines) + "\n"
    print(text)
    if options.write:
        options.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
