"""Where users' files lie: the input, output and temp folders of one engine. Torch-free.

Every name is kept inside its folder; every file appears whole or not at all.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import secrets
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING

from ..errors import InputError, PathEscape, StorageError

if TYPE_CHECKING:
    from ..models.services import Models

KINDS = ("input", "output", "temp")
_COMMON = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"}
PICTURES = frozenset(_COMMON | {".jpe", ".jfif", ".tif", ".tiff", ".avif", ".ico", ".mpo"})
PART = re.compile(r"\.([0-9a-f]{8})-(\d+)-[0-9a-f]{16}\.part")
"""A file that is being written: of which machine, by which process."""
_ANNOTATED = re.compile(r"(?P<name>.*) \[(?P<kind>input|output|temp)\]", re.DOTALL)
_REMEDIES = {
    errno.ENOSPC: "The disk is full: free some space.",
    errno.EDQUOT: "Your disk quota is used up: free some space.",
    errno.EROFS: "The folder is read-only: choose another output folder.",
    errno.EACCES: "The folder may not be written: choose another output folder.",
    errno.EPERM: "The folder may not be written: choose another output folder.",
    errno.ENAMETOOLONG: "Choose a shorter file name prefix.",
}


@dataclass(frozen=True)
class Slot:
    """Where the next files of one prefix go. subfolder: as the protocol names it; counter: of the first file."""

    kind: str
    folder: Path
    subfolder: str
    stem: str
    counter: int


@dataclass(frozen=True)
class Saved:
    """A file that has been written."""

    path: Path
    subfolder: str
    kind: str
    counter: int

    def shown(self) -> dict[str, str]:
        """The protocol's record of it."""
        return {"filename": self.path.name, "subfolder": self.subfolder, "type": self.kind}


@dataclass(frozen=True)
class Files:
    """The three folders. `metadata`: whether saved files carry the workflow that made them.

    user_dir: where users' own data lie, if somebody said it.
    """

    input_dir: Path
    output_dir: Path
    temp_dir: Path
    metadata: bool = True
    user_dir: Path | None = None
    session: str = field(default_factory=lambda: "".join(secrets.choice(ascii_lowercase) for _ in range(5)))
    _hashes: dict[Path, tuple[tuple[int, int], str]] = field(default_factory=dict, repr=False, compare=False)

    def root(self, kind: str) -> Path:
        """The folder called input, output or temp."""
        if kind not in KINDS:
            raise InputError("unknown folder", got=kind, expected=", ".join(KINDS))
        return {"input": self.input_dir, "output": self.output_dir, "temp": self.temp_dir}[kind]

    def find(self, name: str, kind: str = "input") -> Path:
        """The existing file of that name, which may end in ` [input]`, ` [output]` or ` [temp]`.

        Raises PathEscape when it lies outside the folder, also through a link, and InputError when it is missing.
        """
        annotated = _ANNOTATED.fullmatch(name)
        if annotated is not None:
            name, kind = annotated["name"], annotated["kind"]
        path = inside(self.root(kind), name)
        try:
            there = path.is_file()
        except OSError as error:  # Python answers False only for some of the reasons
            raise InputError("this is no file name", got=name[:80], remedy=f"{error.strerror}.") from error
        if not there:
            raise InputError(f"there is no file {name!r}", remedy=f"Put it into {self.root(kind)}.")
        return path

    def fault(self, name: str | None, kind: str = "input") -> str | None:
        """Why `find` would refuse that name, for a node's `validate`. Nothing is wrong with an unknown name."""
        if name is None:
            return None
        try:
            self.find(name, kind)
        except InputError as error:
            return f"{error.message}. {error.remedy}".strip()
        return None

    def fingerprint(self, name: str, kind: str = "input") -> str:
        """SHA-256 of an existing file, remembered until its size or time changes."""
        path = self.find(name, kind)
        about = path.stat()
        stamp = (about.st_mtime_ns, about.st_size)
        known = self._hashes.get(path)
        if known is None or known[0] != stamp:
            with path.open("rb") as file:
                known = (stamp, hashlib.file_digest(file, "sha256").hexdigest())
            self._hashes[path] = known
        return known[1]

    def choices(self, kind: str) -> tuple[str, ...] | None:
        """Names for a combo: input_images, input_latents, output_images; None for kinds that are not files here."""
        if kind == "input_images":
            return self._listed(self.input_dir, PICTURES)
        if kind == "output_images":
            return tuple(f"{name} [output]" for name in self._listed(self.output_dir, PICTURES))
        if kind == "input_latents":
            return self._listed(self.input_dir, frozenset({".latent"}))
        return None

    def _listed(self, folder: Path, suffixes: frozenset[str]) -> tuple[str, ...]:
        try:
            return tuple(sorted(f.name for f in folder.iterdir() if f.suffix.lower() in suffixes and f.is_file()))
        except OSError:
            return ()

    def slot(self, prefix: str, width: int = 0, height: int = 0, kind: str = "output") -> Slot:
        """Resolve a file name prefix: tokens, sub-folder, and the number after the highest one there.

        width, height: pixels, for the tokens. Creates the folder. Raises PathEscape, StorageError.
        """
        folder, subfolder, stem = self._place(prefix, width, height, kind)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            taken = [_number(entry.name, stem) for entry in folder.iterdir()]
        except OSError as error:
            raise _storage(folder, error) from error
        return Slot(kind, folder, subfolder, stem, max(taken, default=0) + 1)

    def _place(self, prefix: str, width: int, height: int, kind: str) -> tuple[Path, str, str]:
        """Folder, sub-folder and stem that a prefix names."""
        subfolder, stem = os.path.split(os.path.normpath(tokens(prefix, width, height, time.localtime())))
        if "\0" in stem:
            raise PathEscape("a file name cannot hold a zero byte", got=repr(prefix))
        return inside(self.root(kind), subfolder), subfolder, stem

    def prefix_fault(self, prefix: str | None) -> str | None:
        """Why `slot` would refuse that prefix, found without touching a folder; for a saver's `validate`."""
        if prefix is None:
            return None
        try:
            self._place(prefix, 0, 0, "output")
        except PathEscape as error:
            return f"{error.message}. {error.remedy}".strip()
        return None

    def save(self, slot: Slot, counter: int, suffix: str, data: bytes, batch_index: int = 0) -> Saved:
        """Write `stem_00042_.suffix`; if another process took that number meanwhile, the next free one.

        batch_index fills the token %batch_num%. Raises StorageError, and then leaves nothing behind.
        """
        stem = slot.stem.replace("%batch_num%", str(batch_index))

        def name(number: int) -> str:
            return f"{stem}_{number:05}_.{suffix}"

        path, counter = add_file(slot.folder, name, counter, data)
        return Saved(path, slot.subfolder, slot.kind, counter)

    def clear_temp(self) -> None:
        """Empty the temp folder, as an engine does at its start and end."""
        import shutil

        shutil.rmtree(self.temp_dir, ignore_errors=True)


def inside(root: Path, name: str) -> Path:
    """root/name, which must stay under root after `..` and symbolic links are followed. Raises PathEscape."""
    try:
        base = root.resolve()
        path = (base / os.path.normpath(name)) if name else base
        real = path.resolve()
    except (ValueError, OSError, RuntimeError) as error:
        raise PathEscape("this is no file name", got=repr(name)) from error
    if not real.is_relative_to(base):
        raise PathEscape("a file name leads outside its folder", got=name, remedy=f"Name something inside {root}.")
    return path


def tokens(prefix: str, width: int, height: int, now: time.struct_time) -> str:
    """Fill %width%, %height%, %year%, %month%, %day%, %hour%, %minute%, %second% (local time, two digits)."""
    if "%" not in prefix:
        return prefix
    values = {"width": width, "height": height, "year": now.tm_year}
    clock = {"month": now.tm_mon, "day": now.tm_mday, "hour": now.tm_hour, "minute": now.tm_min, "second": now.tm_sec}
    texts = {k: str(v) for k, v in values.items()} | {k: f"{v:02}" for k, v in clock.items()}
    return re.sub("%(" + "|".join(texts) + ")%", lambda found: texts[found[1]], prefix)


def _number(name: str, stem: str) -> int:
    """The number in `stem_<number>_…`, else 0."""
    head = len(stem) + 1
    if os.path.normcase(name[:head]) != os.path.normcase(stem + "_"):
        return 0
    digits = name[head:].split("_")[0]
    return int(digits) if digits.isdecimal() and digits.isascii() and len(digits) < 16 else 0


def write_file(path: Path, data: bytes) -> None:
    """Write the whole file or none, over an older one of that name. Raises StorageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _part(path.parent, data)
        try:
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _storage(path, error) from error


def add_file(folder: Path, name: Callable[[int], str], number: int, data: bytes) -> tuple[Path, int]:
    """Write a new file called name(number), or with the next number that is free; returns what it became."""
    try:
        part = _part(folder, data)
        try:
            while not _claim(part, folder / name(number)):
                number += 1
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise _storage(folder / name(number), error) from error
    return folder / name(number), number


def machine() -> str:
    """A mark of this machine, for folders that several share."""
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _part(folder: Path, data: bytes) -> Path:
    """The data in a file under a passing name, in the folder where it will stay."""
    part = folder / f".{machine()}-{os.getpid()}-{secrets.token_hex(8)}.part"
    try:
        with part.open("xb") as file:
            file.write(data)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


@dataclass(frozen=True)
class Names:
    """What combo inputs may name: model files, and pictures or latents in the input folder."""

    models: Models
    files: Files

    def choices(self, kind: str) -> tuple[str, ...] | None:
        found = self.files.choices(kind)
        return self.models.list(kind) if found is None else found


def _claim(part: Path, path: Path) -> bool:
    """Give the finished file its name unless that is taken. A hard link does both in one step."""
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        if path.exists():
            return False
        part.replace(path)
    return True


def _storage(path: Path, error: OSError) -> StorageError:
    why = error.strerror or str(error)
    return StorageError(f"cannot write {path}", got=why, remedy=_REMEDIES.get(error.errno or 0, ""))
