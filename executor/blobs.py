"""Large results as files, each named by the checksum of its bytes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

ORPHAN_SECONDS = 3600.0
"""Younger files may belong to a result whose row another process is about to write."""


def checksum(*parts: bytes) -> bytes:
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.digest()


class Blobs:
    """Files of one folder. A file is written whole under another name, then renamed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sum: bytes) -> Path:
        name = sum.hex()
        return self._folder / name[:2] / name

    def read(self, sum: bytes) -> bytes:
        return self.path(sum).read_bytes()

    def write(self, sum: bytes, data: bytes) -> None:
        """Raises OSError, and leaves nothing behind then."""
        path = self.path(sum)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.part")
        try:
            with part.open("wb") as file:
                file.write(data)
            part.replace(path)
        except BaseException:  # Ctrl-C too leaves nothing half-written
            part.unlink(missing_ok=True)
            raise

    def remove(self, sum: bytes) -> None:
        self._unlink(self.path(sum))

    def sweep(self, wanted: Callable[[bytes], bool]) -> None:
        """Remove old files that no result refers to, left by a process that died in between."""
        old = time.time() - ORPHAN_SECONDS
        for path in self._folder.glob("*/*"):
            try:
                if path.stat().st_mtime < old and not wanted(bytes.fromhex(path.name.partition(".")[0])):
                    self._unlink(path)
            except (OSError, ValueError):
                continue

    def _unlink(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError:  # Windows keeps a file that another process reads; a later sweep finds it
            return
