"""Writes the table of docs/inside-comfyui.md: which nodes a host is offered. Run it after adding any.

python docs/inside.py            writes the file
python docs/inside.py --print    the table to standard output
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from supported import bound

PAGE = Path(__file__).resolve().parent / "inside-comfyui.md"
BEGIN, END = "<!-- made by docs/inside.py -->\n", "<!-- end -->\n"


def lines() -> Iterator[str]:
    """One row for each menu and what its nodes work on."""
    from carrara.extensions.comfyui import category, offered

    rows: dict[tuple[str, str], list[str]] = {}
    for offer in offered():
        rows.setdefault((category(offer.spec), offer.works), []).append(offer.id.removeprefix("Carrara"))
    yield "| menu | nodes, each with `Carrara` before its id | works on |"
    yield "|---|---|---|"
    for (menu, works), ids in sorted(rows.items()):
        yield f"| {menu.removeprefix('Carrara/')} | {', '.join(ids)} | {works} |"


def page(text: str) -> str:
    """The page with the table as it is now."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + "\n" + "\n".join(lines()) + "\n\n" + END + tail


if __name__ == "__main__":
    bound()
    if "--print" in sys.argv:
        print("\n".join(lines()))
    else:
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
