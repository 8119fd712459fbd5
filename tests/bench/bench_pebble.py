"""What each sampler, and each strength of guidance, makes of the embedded model: pictures, and the judge's verdict.

python tests/bench/bench_pebble.py sample FOLDER     latents of every row at 20 steps, of CFG 1 to 20, of few steps
python tests/bench/bench_pebble.py show FOLDER       decode, judge, write tables and docs/images/pebble_*.webp

Latents that are in the folder already are not made again, so another decoder only needs `show`. 24 held-out prompts,
the same noise for all, karras levels; the U-Net in bfloat16, which changes a picture less than another sampler does.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import pebble_lab as lab

PROMPTS = 24
SHOWN = 6
SCALES = tuple(range(1, 21))
FEW = (4, 6, 8, 10)
SHORT = ("euler", "dpmpp_2m", "uni_pc_bh2", "tangent")


def runs() -> list[tuple[str, str, int, float]]:
    """(file, sampler, steps, scale)."""
    from carrara.samplers.names import BEYOND, CORRECTED, SAMPLERS

    # An inversion's levels rise: it makes noise of pictures.
    names = [name for name in (*SAMPLERS, *CORRECTED, *BEYOND) if name != "euler_inversion"]
    every = [(f"row-{name}", name, 20, 1.0 if "_cfg_pp" in name else 5.0) for name in names]
    scales = [(f"scale-{scale}", "euler", 20, float(scale)) for scale in SCALES]
    few = [(f"few-{name}-{steps}", name, steps, 5.0) for name in SHORT for steps in FEW]
    return [*every, *scales, *few]


def sample(bench: lab.Bench, folder: Path, only: str) -> None:
    import torch

    from carrara.samplers.schedules import sigmas_for
    from carrara.samplers.table import rows

    table = rows()
    for file, name, steps, scale in runs():
        path = folder / f"{file}.pt"
        if path.exists() or not file.startswith(only):
            continue
        sampler = table[name]
        levels = sigmas_for(bench.model.sampling, "karras", steps, row=sampler)
        begun = time.perf_counter()
        latents, asked = bench.sample(sampler, levels, scale)
        torch.save({"latents": latents.clone(), "asked": asked, "seconds": time.perf_counter() - begun}, path)
        print(f"{file}: {asked} evaluations, {time.perf_counter() - begun:.0f} s", flush=True)


def show(bench: lab.Bench, folder: Path, only: str) -> None:
    import numpy as np
    import pebble_sheets as sheets
    import torch

    judged: dict[str, tuple[int, float, float, Any]] = {}
    for file, *_ in runs():
        path = folder / f"{file}.pt"
        if not path.exists():
            print(f"{file}: not sampled")
        if not path.exists() or not file.startswith(only):
            continue
        kept = torch.load(path, weights_only=True)
        pictures = bench.pictures(kept["latents"])
        right = float(np.mean(bench.right(pictures)))
        if file == "row-euler":
            sheets.captioned(pictures, bench.texts, lab.ROOT / "docs" / "images" / "pebble_sheet.png")
        judged[file] = (kept["asked"], right, sheets.saturation(pictures), pictures[:SHOWN])
        print(f"{file}: {kept['asked']} evaluations, {right:.1%} right, saturation {judged[file][2]:.3f}", flush=True)
    sheets.write(judged, bench.texts[:SHOWN], SCALES, FEW, SHORT, lab.ROOT / "docs" / "images")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("sample", "show"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="only files that begin so: row, scale, few")
    parser.add_argument("--checkpoint", default="pebble.safetensors")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    lab.bind()
    import torch

    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)

    def work(bench: lab.Bench) -> None:
        if options.what == "sample":
            sample(bench, options.folder, options.only)
        else:
            show(bench, options.folder, options.only)

    lab.opened(
        PROMPTS, lab.HELD_OUT, work, held=True, checkpoint=options.checkpoint,
        dtype="bf16" if options.what == "sample" else "fp32",
    )  # fmt: skip


if __name__ == "__main__":
    main()
