"""The modules that packs import by the ecosystem's names: `folder_paths`, `nodes`, `comfy.utils` ...

Each is a source file under `compat/`, executed once for every host and never put into `sys.modules`. So a real ComfyUI
in the same process is not shadowed, and what a pack patches holds for its host alone.
"""

from __future__ import annotations

import builtins
import threading
from collections.abc import Iterable
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from .known import known, known_module, names
from .missing import MissingAttribute, MissingModule, MissingName, placeholder

if TYPE_CHECKING:
    from .host import Host

FOLDER = Path(__file__).parent / "compat"
OWN = f"{__package__}.compat"

ALIASES = {
    **{
        name: name
        for name in (
            "comfy", "copy", "folder_paths", "hashlib", "json", "latent_preview", "logging", "math", "node_helpers",
            "nodes", "numpy", "os", "random", "re", "sys", "time", "torch", "traceback", "uuid",
        )
    },
    "k_diffusion_sampling": "comfy.k_diffusion.sampling",
    "np": "numpy",
}  # fmt: skip
"""Names under which modules of the reference have others, which packs use: `server.uuid`, `nodes.torch`."""
STARRED = frozenset({"nodes", "comfy.samplers", "comfy.sd"})


@cache
def tops() -> frozenset[str]:
    """The top-level names that belong to the ecosystem."""
    here = {p.stem for p in FOLDER.iterdir() if p.suffix == ".py" or (p.is_dir() and not p.name.startswith("_"))}
    return frozenset(here | {name.partition(".")[0] for name in known()})


@cache
def source(name: str) -> tuple[Path, bool] | None:
    """The file of a compat module and whether it is a package; None when there is none."""
    place = FOLDER.joinpath(*name.split("."))
    package = place / "__init__.py"
    if package.is_file():
        return package, True
    file = place.with_name(place.name + ".py")
    if file.is_file():
        return file, False
    return (place, True) if place.is_dir() else None


@cache
def code(file: Path) -> CodeType:
    return compile(file.read_text(encoding="utf-8"), str(file), "exec", dont_inherit=True)


class CompatModule(ModuleType):
    """A module of the ecosystem as one host has it. Sub-modules and stand-ins appear when they are asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        found = self.__dict__["__modules__"].attribute(self.__name__, name)
        if found is None:
            raise MissingAttribute(f"{self.__name__}.{name}")
        return found


class Modules:
    """The compat modules of one host, by name."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._loaded: dict[str, ModuleType] = {}
        self._lock = threading.RLock()
        self._builtins = {**vars(builtins), "__import__": self.import_}

    def owns(self, name: str) -> bool:
        """Whether the ecosystem has this name, dotted or not."""
        return name.partition(".")[0] in tops() or name in self._loaded

    def has(self, name: str) -> bool:
        """Whether `load` would give a module."""
        return name in self._loaded or source(name) is not None or known_module(name)

    def loaded(self) -> dict[str, ModuleType]:
        """The modules executed so far."""
        return dict(self._loaded)

    def put(self, name: str, module: ModuleType) -> None:
        """Let a pack's own module stand under a name of the ecosystem, for this host."""
        self._loaded[name] = module

    def load(self, name: str, pack: str = "") -> ModuleType:
        """The module, executed now if it was not yet. Raises MissingModule."""
        found = self._loaded.get(name)
        if found is not None:
            return found
        with self._lock:
            return self._loaded.get(name) or self._execute(name, pack)

    def attribute(self, module: str, name: str) -> Any:
        """What a module has beside what its file defines: a sub-module, one of the modules that all of the reference's
        import, or a stand-in; None when none."""
        dotted = f"{module}.{name}"
        if self.has(dotted):
            return self.load(dotted)
        if name in ALIASES:
            full = ALIASES[name]
            found = self.load(full) if self.owns(full) else self.import_(full)
            setattr(self._loaded[module], name, found)
            return found
        if name in names(module):
            made = placeholder(dotted)
            setattr(self._loaded[module], name, made)
            return made
        beside = f"{module.rpartition('.')[0]}.{name}"
        return self.load(beside) if module.startswith("comfy.") and self.has(beside) else None

    def _execute(self, name: str, pack: str) -> ModuleType:
        parent, _, child = name.rpartition(".")
        package = self.load(parent, pack) if parent else None
        found = source(name)
        if found is None and not known_module(name):
            raise MissingModule(name, pack)
        file, is_package = found or (None, True)
        module = CompatModule(name)
        module.__dict__["__modules__"] = self
        module.__dict__["HOST"] = self._host
        module.__dict__["__builtins__"] = self._builtins
        module.__spec__ = ModuleSpec(name, None, is_package=is_package)
        module.__package__ = name if is_package else parent
        # Packs find the host's folder by looking where its modules lie.
        place = self._host.base.joinpath(*name.split("."))
        module.__file__ = str(place / "__init__.py" if is_package else place.with_name(place.name + ".py"))
        if is_package:
            module.__path__ = [str(place)]
        self._loaded[name] = module
        if package is not None:
            setattr(package, child, module)
        if file is not None and file.is_file():
            try:
                exec(code(file), module.__dict__)
            except BaseException:
                del self._loaded[name]
                if package is not None:
                    delattr(package, child)
                raise
            self._host.executed(name, module)
        return module

    def import_(
        self,
        name: str,
        globals: dict[str, Any] | None = None,
        locals: Any = None,
        fromlist: Iterable[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """`__import__` as compat files see it: relative names lead into this package, others to the ecosystem first."""
        if level:
            assert globals is not None
            name = self._absolute(name, globals, level)
            if not name.startswith(OWN + "."):
                return builtins.__import__(name, None, None, tuple(fromlist or ("*",)), 0)
            name = name.removeprefix(OWN + ".")
        if not self.owns(name):
            return builtins.__import__(name, globals, locals, tuple(fromlist or ()), 0)
        return self.give(name, fromlist or ())

    def give(self, name: str, fromlist: Iterable[str], pack: str = "") -> ModuleType:
        """What an import statement binds. Raises MissingModule, MissingName."""
        module = self.load(name, pack)
        fromlist = tuple(fromlist)
        if not fromlist:
            return self.load(name.partition(".")[0], pack)
        for wanted in fromlist:
            if wanted == "*":
                self._all(module)
            if wanted == "*" or wanted in vars(module):
                continue
            try:
                getattr(module, wanted)
            except MissingAttribute:
                if source(name) is not None:
                    raise MissingName(f"{name}.{wanted}", pack) from None
                # Nothing of this module is here, so it cannot be told what else it has: private or newer names.
                setattr(module, wanted, placeholder(f"{name}.{wanted}"))
        return module

    def _all(self, module: ModuleType) -> None:
        """`from nodes import *` gives packs the modules too that the reference's own imports."""
        for alias in ALIASES if module.__name__ in STARRED else ():
            if alias not in vars(module):
                self.attribute(module.__name__, alias)

    def _absolute(self, name: str, globals: dict[str, Any], level: int) -> str:
        parts = [OWN, *str(globals["__package__"]).split(".")] if globals["__package__"] else [OWN]
        full = ".".join(parts).split(".")
        kept = full[: len(full) - (level - 1)]
        return ".".join((*kept, name) if name else kept)
