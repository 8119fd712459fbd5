"""What starting costs: `--help`, `check`, and `run` of a workflow whose results are stored. CPU seconds of the process.

    python tests/bench/bench_cli.py [--repeat 7] [--write FILE]
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HELLO = ROOT / "workflows" / "hello.json"
START = (
    f"import importlib.util as u, sys; s=u.spec_from_file_location('carrara', r'{ROOT}/__init__.py',"
    f"submodule_search_locations=[r'{ROOT}']); m=u.module_from_spec(s); sys.modules['carrara']=m;"
    "s.loader.exec_module(m)\nfrom carrara.cli import main\nmain()"
)


def once(arguments: list[str], folder: str) -> tuple[float, float]:
    """(CPU seconds, wall seconds) of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", START, *arguments],
        capture_output=True,
        cwd=folder,
        env=os.environ | {"CARRARA_CACHE": f"{folder}/cache"},
    )
    wall = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(done.stderr.decode())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    lines = [
        f"# Starting, {date.today()}",
        "",
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f}. "
        f"`python tests/bench/bench_cli.py --repeat {options.repeat}`",
        "",
        "| command | CPU s, median | spread | wall s, median | goal, CPU s |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        first = once(["run", str(HELLO), "-q"], folder)
        for title, arguments, goal in (
            ("--help", ["--help"], "0.25"),
            ("check workflows/hello.json", ["check", str(HELLO)], "0.40"),
            ("run workflows/hello.json, all stored", ["run", str(HELLO), "-q"], "1 (wall)"),
        ):
            runs = [once(arguments, folder) for _ in range(options.repeat)]
            cpu = [c for c, _ in runs]
            wall = statistics.median(w for _, w in runs)
            spread = f"{min(cpu):.3f}–{max(cpu):.3f}"
            lines.append(f"| {title} | {statistics.median(cpu):.3f} | {spread} | {wall:.3f} | {goal} |")
    lines.append(f"| run workflows/hello.json, nothing stored | {first[0]:.2f} | – | {first[1]:.2f} | 60 (wall) |")
    text = "\n".join(lines) + "\n"
    print(text)
    if options.write:
        options.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
