"""Why a pack did not load, told so that one can do something about it."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import FrameType

from .missing import PACK, Missing

DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "git": "GitPython",
    "dotenv": "python-dotenv",
    "cpuinfo": "py-cpuinfo",
    "bs4": "beautifulsoup4",
    "Crypto": "pycryptodome",
    "github": "PyGithub",
}
"""Module -> distribution, where pip knows it by another name."""


@dataclass(frozen=True)
class Failure:
    """reason: the error. where: file and line in the pack. lacks: packages to install, names of ours to wait for."""

    reason: str
    where: str
    lacks: tuple[str, ...]
    traceback: str


def failure(error: BaseException, entry: Path) -> Failure:
    lacks: dict[str, None] = {}
    chain = [*_chain(error)]
    for one in chain:
        if isinstance(one, Missing):
            lacks[one.dotted] = None
        elif isinstance(one, ModuleNotFoundError) and one.name and not _of_its_own(one):
            top = one.name.partition(".")[0]
            lacks[f"package {DISTRIBUTIONS.get(top, top)}"] = None
    if isinstance(error, ImportError) and not any(isinstance(one, Missing) or _of_its_own(one) for one in chain):
        named = {_plain(name) for name in lacks}
        lacks.update({f"package {name}": None for name in required(entry) if _plain(f"package {name}") not in named})
    said = f"it called sys.exit({error})" if isinstance(error, SystemExit) else f"{type(error).__name__}: {error}"
    return Failure(said, _where(error, entry), tuple(lacks), "".join(traceback.format_exception(error)).strip())


def _of_its_own(error: BaseException) -> bool:
    """Whether a file of the pack itself is not there, which nothing can be installed for."""
    return isinstance(error, ModuleNotFoundError) and error.path is not None


def _plain(name: str) -> str:
    """pip and Python write the same package in two ways."""
    return name.lower().replace("_", "-")


def _chain(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def _where(error: BaseException, entry: Path) -> str:
    """The last line of the pack on the way to the error."""
    root = entry if entry.is_dir() else entry.parent
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).is_relative_to(root):
            return f"{frame.filename}:{frame.lineno}: {frame.line}"
    return ""


def raised_at(error: BaseException) -> tuple[str, int] | None:
    """File and line: the innermost of a pack where one was running, else the innermost that is in a file at all."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return error.filename, error.lineno
    steps = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if _in_file(frame)]
    inside = [step for step in steps if PACK in step[0].f_builtins] or steps
    return (inside[-1][0].f_code.co_filename, inside[-1][1]) if inside else None


def _in_file(frame: FrameType) -> bool:
    return not frame.f_code.co_filename.startswith("<")


def required(entry: Path) -> tuple[str, ...]:
    """Distributions that the pack's requirements.txt names and that are not installed."""
    file = entry / "requirements.txt"
    if not file.is_file():
        return ()
    missing: list[str] = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        found = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[|[=<>!~;@]|#|$)", line)
        if found is None:
            continue
        try:
            distribution(found[1])
        except PackageNotFoundError:
            missing.append(found[1])
    return tuple(missing)
