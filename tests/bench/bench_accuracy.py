"""How accurate is each sampler? Errors against the exact flow of the closed-form problem (tests/samplers/problem.py).

python tests/bench/bench_accuracy.py              the tables, ours beside the known figures
python tests/bench/bench_accuracy.py --markdown   the tables of docs/samplers.md
python tests/bench/bench_accuracy.py --json FILE  error against evaluations for every row (then plot_accuracy.py)
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HEADINGS = {
    "ve": "VE, Karras n steps 14.6 → 0.03",
    "ve_zero": "VE, Karras n sigmas 14.6 → 0.03, then 0",
    "flow": "Straight path, simple, shift 3, 1 → 0",
}


def bind() -> None:
    """The repository's root as the package `carrara`, and the sampler tests importable."""
    spec = importlib.util.spec_from_file_location(
        "carrara", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None and spec.loader is not None
    sys.modules["carrara"] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    sys.path.insert(0, str(ROOT / "tests" / "samplers"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    bind()
    import problem
    import test_accuracy as accuracy
    import torch

    torch.set_num_threads(1)
    from carrara.samplers.names import BEYOND, CORRECTED

    stays = ("consistency", "edm_stochastic", "tcd", "restart", "ddim_half")
    ours = [name for name in (*CORRECTED, *BEYOND) if name not in stays and "cfg_pp" not in name]
    for grid in problem.GRIDS:
        known = {name: figures for (at, name), figures in accuracy.known().items() if at == grid}
        print(f"\n### {HEADINGS[grid]}\n\n| sampler | {' | '.join(map(str, accuracy.STEPS))} | evaluations at 20 |")
        print("|---" * (len(accuracy.STEPS) + 2) + "|")
        for name in (*known, *ours):
            found, calls = accuracy.errors(grid, name)
            cells = []
            for k, value in enumerate(found):
                text = f"{value:.2e}"
                peer = known[name][k] if name in known else text
                cells.append(text if text == peer or options.markdown else f"{text} ({peer})")
            print(f"| {name} | {' | '.join(cells)} | {calls} |")
    if options.json:
        points = {}
        for name in (*known, *ours):
            row = accuracy.deterministic(name)
            points[name] = []
            for steps in (3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 60):
                out, ask = problem.run(row, "ve", problem.levels("ve", steps))
                points[name].append((ask.calls, problem.rms(out, problem.exact("ve"))))
        options.json.write_text(json.dumps(points, indent=1))


if __name__ == "__main__":
    main()
