"""Draw docs/images/samplers_error.png from what bench_accuracy.py --json wrote. Needs matplotlib and nothing of ours.

python tests/bench/plot_accuracy.py results.json docs/images/samplers_error.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import NullFormatter

SHOWN = (
    "euler", "heun", "dpm_2", "dpmpp_2m", "lms", "ipndm", "ipndm_v", "deis", "dpm_fast", "res_multistep",
    "gradient_estimation", "er_sde", "dpmpp_3m_sde", "seeds_2", "seeds_3", "uni_pc", "sa_solver", "sa_solver_pece",
    "dpm_solver_3", "dpmpp_3m", "tangent",
)  # fmt: skip


def main() -> None:
    data = json.loads(Path(sys.argv[1]).read_text())
    figure, axes = plt.subplots(figsize=(9, 6.5), dpi=110)
    colours = plt.get_cmap("tab20")
    for k, name in enumerate(SHOWN):
        points = [p for p in data[name] if p[0] <= 60]
        own = name == "tangent"
        axes.loglog(*zip(*points, strict=True), marker="o", markersize=3, linewidth=3 if own else 1.2, label=name,
                    color="black" if own else colours(k % 20), zorder=3 if own else 2)  # fmt: skip
    axes.set_xlabel("network evaluations")
    axes.set_ylabel("RMS error against the exact flow")
    axes.set_title("Karras levels 14.6 to 0.03 (tangent: its own levels, same ends)")
    axes.set_xticks([5, 10, 20, 30, 60], ["5", "10", "20", "30", "60"])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(True, which="both", alpha=0.25)
    axes.legend(fontsize=8, ncols=2, loc="lower left")
    figure.tight_layout()
    Path(sys.argv[2]).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(sys.argv[2])


if __name__ == "__main__":
    main()
