"""The pictures and tables of bench_pebble.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Judged = Mapping[str, tuple[int, float, float, Any]]
"""File -> evaluations, share of right pictures, saturation, the first pictures (n h w 3 bytes)."""


def saturation(pictures: Any) -> float:
    """Share of colour channels within two steps of black or full: what clipping looks like."""
    return float(((pictures <= 2) | (pictures >= 253)).mean())


def strip(pictures: Any, side: int) -> Any:
    import cv2
    import numpy as np

    return np.concatenate([cv2.resize(p, (side, side), interpolation=cv2.INTER_AREA) for p in pictures], axis=1)


def sheet(rows: Sequence[tuple[str, Any]], path: Path, side: int = 64, columns: int = 3, label: int = 245) -> None:
    """Rows of pictures with a line of text before each, in columns; WebP."""
    from PIL import Image, ImageDraw, ImageFont

    each = -(-len(rows) // columns)
    width = label + side * len(rows[0][1]) + 12
    canvas = Image.new("RGB", (width * columns, each * (side + 4)), "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(13)
    for index, (text, pictures) in enumerate(rows):
        x, y = (index // each) * width, (index % each) * (side + 4)
        for line, part in enumerate(text.split("\n")):
            draw.text((x + 4, y + 14 + 18 * line), part, fill="black", font=font)
        canvas.paste(Image.fromarray(strip(pictures, side)), (x + label, y))
    canvas.save(path, quality=82, method=6)


def captioned(pictures: Any, texts: Sequence[str], path: Path, columns: int = 6, wide: int = 150) -> None:
    """Pictures with their prompts below."""
    import textwrap

    from PIL import Image, ImageDraw, ImageFont

    high = 180
    canvas = Image.new("RGB", (columns * wide, -(-len(texts) // columns) * high), "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(11)
    for index, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
        x, y = (index % columns) * wide + 11, (index // columns) * high + 8
        canvas.paste(Image.fromarray(picture), (x, y))
        for line, part in enumerate(textwrap.wrap(text, 25)[:3]):
            draw.text((x, y + 131 + 13 * line), part, fill="black", font=font)
    canvas.save(path, optimize=True)


def write(
    judged: Judged, texts: Sequence[str], scales: Sequence[int], few: Sequence[int], short: Sequence[str], out: Path
) -> None:
    """Both sheets, the plot over CFG, and the tables on standard output."""
    rows = [(file.removeprefix("row-"), found) for file, found in judged.items() if file.startswith("row-")]
    at = [(scale, judged[f"scale-{scale}"]) for scale in scales if f"scale-{scale}" in judged]
    if rows:
        labelled = [(f"{name}\n{right:.0%}, asked {asked} times", found) for name, (asked, right, _, found) in rows]
        sheet(labelled, out / "pebble_samplers.webp")
    if at:
        labelled = [(f"CFG {scale}\n{right:.0%} right", found) for scale, (_, right, _, found) in at]
        sheet(labelled, out / "pebble_cfg.webp", columns=2, label=100)
        plot(at, out / "pebble_cfg_plot.png")
    print("\nPrompts of the sheets, left to right:", *texts, sep="\n  ")
    print("\n| sampler | evaluations | right |\n|---|---|---|")
    for name, (asked, right, _, _) in sorted(rows, key=lambda row: (-row[1][1], row[1][0])):
        print(f"| {name} | {asked} | {right:.1%} |")
    print("\n| CFG | right | clipped channels |\n|---|---|---|")
    for scale, (_, right, clipped, _) in at:
        print(f"| {scale} | {right:.1%} | {clipped:.1%} |")
    print(f"\n| sampler | {' | '.join(map(str, few))} |" + "\n" + "|---" * (len(few) + 1) + "|")
    for name in short:
        cells = [f"{judged[f'few-{name}-{n}'][1]:.1%}" if f"few-{name}-{n}" in judged else "" for n in few]
        print(f"| {name} | {' | '.join(cells)} |")


def plot(at: Sequence[tuple[int, tuple[int, float, float, Any]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, left = pyplot.subplots(figsize=(7, 3.4), dpi=110)
    right = left.twinx()
    scales = [scale for scale, _ in at]
    left.plot(scales, [100 * found[1] for _, found in at], "o-", color="#1f4fa3", label="right, %")
    right.plot(scales, [100 * found[2] for _, found in at], "s--", color="#b5442a", label="clipped channels, %")
    left.set_xticks(scales)
    left.set_xlabel("CFG")
    left.set_ylabel("pictures as the prompt says, %", color="#1f4fa3")
    right.set_ylabel("channels at black or full, %", color="#b5442a")
    left.set_ylim(0, 102)
    right.set_ylim(0, None)
    figure.tight_layout()
    figure.savefig(path)
