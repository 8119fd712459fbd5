"""What a killed process leaves behind: half-written files and temp folders. Swept when a server starts."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ..nodes.store import PART, machine

TEMP = re.compile(r"carrara-(\d+)-[0-9a-f]{8}")


def sweep(folders: Iterable[Path]) -> int:
    """Remove half-written files of dead processes of this machine below `folders`, and their temp folders.

    How many of both there were. What cannot be removed stays.
    """
    gone = 0
    for folder in folders:
        for path, _, names in os.walk(folder):
            gone += sum(_dead_part(Path(path) / name) for name in names if name.endswith(".part"))
    for folder in Path(tempfile.gettempdir()).glob("carrara-*"):
        found = TEMP.fullmatch(folder.name)
        if found is not None and not alive(int(found[1])) and _own(folder):
            shutil.rmtree(folder, ignore_errors=True)
            gone += 1
    return gone


def _dead_part(path: Path) -> bool:
    found = PART.fullmatch(path.name)
    if found is None or found[1] != machine() or alive(int(found[2])):
        return False
    try:
        path.unlink()
    except OSError:
        return False
    return True


def alive(process: int) -> bool:
    """Whether a process of that number runs here."""
    if os.name == "nt":
        return True  # asking there would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _own(folder: Path) -> bool:
    try:
        return not folder.is_symlink() and folder.is_dir() and folder.stat().st_uid == os.getuid()
    except OSError:
        return False
