"""What one pack sees when it imports: the ecosystem first, then its own folders, then Python's own modules.

A pack's modules are executed with builtins of their own, whose `__import__` belongs to the pack. They stand in
`sys.modules` under names nobody else uses, so the `utils` of two packs never meet.
"""

from __future__ import annotations

import builtins
import importlib
import sys
import threading
from collections.abc import Iterable
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec, resolve_name, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .known import ASSUMED
from .missing import PACK, AbsentModule, Asker
from .views import Proxies, said

if TYPE_CHECKING:
    from .host import Host

YIELDING = frozenset({"utils", "app", "main", "fixtures"})
"""Names of the ecosystem that a pack's own folders go before: they are common words."""


class PackLoader(SourceFileLoader):
    """Executes a source file with the builtins of a pack."""

    def __init__(self, space: Space, name: str, path: str) -> None:
        super().__init__(name, path)
        self.space = space

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = self.space.builtins
        super().exec_module(module)


class Neighbours(ModuleType):
    """`custom_nodes`: the packs of one host by file or folder name."""

    def __init__(self, space: Space) -> None:
        super().__init__("custom_nodes")
        self.__path__: list[str] = []
        self.__dict__["__space__"] = space

    def __getattr__(self, name: str) -> ModuleType:
        try:
            return self.__dict__["__space__"].get(f"custom_nodes.{name}")  # type: ignore[no-any-return]
        except ModuleNotFoundError as error:
            raise AttributeError(name) from error


class Space:
    """The names of one pack. prefix: what its modules' names in `sys.modules` begin with."""

    def __init__(self, host: Host, pack: str, prefix: str) -> None:
        self.host = host
        self.pack = pack
        self.prefix = prefix
        self.asker = Asker(pack)
        self.local: dict[str, ModuleType] = {}
        self._adopted: set[str] = set()
        self._locks: dict[str, threading.RLock] = {}
        self._guard = threading.Lock()
        self._doing: dict[str, int] = {}  # what is being executed, by which thread
        self._proxies = Proxies(self)
        self.builtins: dict[str, Any] = {**vars(builtins), "__import__": self.import_, "print": said, PACK: self.asker}
        # Top-level names out of folders that the pack added to its sys.path live below this module.
        self._top = ModuleType(f"{prefix}_path")
        self._top.__path__ = []
        sys.modules[self._top.__name__] = self._top

    # --- loading -------------------------------------------------------------------------------------------

    def load(self, entry: Path) -> ModuleType:
        """Execute the pack itself: a file, or a folder with `__init__.py`."""
        self.asker.loading = True
        try:
            return self.file(self.prefix, entry if entry.is_file() else entry / "__init__.py")
        finally:
            self.asker.loading = False

    def file(self, name: str, path: Path | str) -> ModuleType:
        """Execute one file under a private name."""
        return self._execute(self.spec(name, path))

    def spec(self, name: str, path: Path | str, places: list[str] | None = None) -> ModuleSpec:
        """How to execute a file; the folder of an `__init__.py` is where its sub-modules lie."""
        if places is None and Path(path).name == "__init__.py":
            places = [str(Path(path).parent)]
        if not self.private(name):
            name = f"{self.prefix}_path.{name}"
        loader = PackLoader(self, name, str(path))
        spec = spec_from_file_location(name, str(path), loader=loader, submodule_search_locations=places)
        assert spec is not None
        return spec

    def private(self, name: str) -> bool:
        top = name.partition(".")[0]
        return top in (self.prefix, self._top.__name__)

    def _execute(self, spec: ModuleSpec) -> ModuleType:
        if type(spec.loader) is SourceFileLoader:
            spec.loader = PackLoader(self, spec.name, spec.loader.path)
        module = module_from_spec(spec)
        sys.modules[spec.name] = module
        self._doing[spec.name] = threading.get_ident()
        try:
            if spec.loader is not None:
                spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(spec.name, None)
            raise
        finally:
            self._doing.pop(spec.name, None)
        return sys.modules.get(spec.name, module)

    def _own(self, name: str) -> ModuleType:
        """A module under a private name. Raises ModuleNotFoundError."""
        found = sys.modules.get(name)
        if found is not None and self._doing.get(name) in (None, threading.get_ident()):
            return found
        with self._guard:
            lock = self._locks.setdefault(name, threading.RLock())
        with lock:
            found = sys.modules.get(name)
            if found is not None:
                return found
            parent, _, child = name.rpartition(".")
            package = self._own(parent) if parent else None
            if name in sys.modules:
                return sys.modules[name]
            places = self._places(child) if package is self._top else getattr(package, "__path__", None)
            spec = None if places is None else PathFinder.find_spec(name, places)
            if spec is None:
                at = None if package is self._top else _folder(package)
                raise ModuleNotFoundError(f"No module named {self.told(name)!r}", name=self.public(name), path=at)
            module = self._execute(spec)
            if package is not None:
                setattr(package, child, module)
            return module

    def public(self, name: str) -> str:
        """A module's name as the pack would write it."""
        return name.removeprefix(self._top.__name__ + ".")

    def told(self, name: str) -> str:
        """A module's name as a person knows it, who sees the pack's folder."""
        public = self.public(name)
        return self.pack + public.removeprefix(self.prefix) if self.private(public) else public

    def _places(self, top: str) -> list[str]:
        """Where a top-level module of the pack's is looked for."""
        return [*self._added(), *sys.path] if top in self._adopted else self._added()

    def _added(self) -> list[str]:
        """Folders that the pack put on its `sys.path`, in its order."""
        here = set(sys.path)
        return [place for place in map(str, self._proxies.path) if place not in here]

    def _first(self) -> list[str]:
        """Those of them that it put before Python's own."""
        here = set(sys.path)
        first: list[str] = []
        for place in map(str, self._proxies.path):
            if place in here:
                break
            first.append(place)
        return first

    # --- names ---------------------------------------------------------------------------------------------

    def get(self, name: str) -> ModuleType:
        """The module of that full name, as the pack sees it. Raises ImportError."""
        found = self.local.get(name)
        if found is not None:
            return found
        if self.private(name):
            return self._own(name)
        proxy = self._proxies.get(name)
        if proxy is not None:
            return proxy
        top, _, rest = name.partition(".")
        if top == "custom_nodes" and self.host.spaces:
            return self._neighbour(rest)
        modules = self.host.modules
        if isinstance(self.local.get(top), AbsentModule):
            return self._absent(name)
        if top in self.local or self._mine(top):
            return self._remember(name)
        if modules.owns(name):
            return modules.load(name, self.pack)
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if self._asks_for_the_ecosystem(top, error):
                self._adopted.add(top)
            elif error.name != top or PathFinder.find_spec(f"{self._top.__name__}.{top}", self._added()) is None:
                self.asker.missed[error.name or name] = None
                if error.name == top and top in ASSUMED:
                    return self._absent(name)
                raise
        return self._remember(name)

    def _asks_for_the_ecosystem(self, top: str, error: ModuleNotFoundError) -> bool:
        """Whether an installed package cannot be imported because it is made for packs: then it is part of this one."""
        wanted = error.name or ""
        return wanted != top and self.host.modules.owns(wanted) and PathFinder.find_spec(top, sys.path) is not None

    def _neighbour(self, name: str) -> ModuleType:
        """`custom_nodes.other_pack.module`: that pack's own, as it was loaded."""
        entry, _, rest = name.partition(".")
        if not entry:
            return Neighbours(self)
        space = self.host.spaces.get(entry)
        if space is None or space.prefix not in sys.modules:
            raise ModuleNotFoundError(f"No module named 'custom_nodes.{entry}'", name=f"custom_nodes.{entry}")
        return space.get(f"{space.prefix}.{rest}" if rest else space.prefix)

    def _absent(self, name: str) -> ModuleType:
        """Stand-ins for a package that is not installed, and its sub-module of that name."""
        top, *rest = name.split(".")
        found = self.local.setdefault(top, AbsentModule(top))
        for part in rest:
            found = getattr(found, part)
        return found

    def _mine(self, top: str) -> bool:
        """Whether a top-level name comes out of the pack's own folders rather than from elsewhere."""
        if self.host.modules.owns(top) and top not in YIELDING:
            return False
        if top in sys.builtin_module_names or top in sys.stdlib_module_names:
            return False
        full = f"{self._top.__name__}.{top}"
        if top in self._adopted or full in sys.modules:
            return True
        return bool(self._first() and PathFinder.find_spec(full, self._first()))

    def _remember(self, name: str) -> ModuleType:
        parent = name.rpartition(".")[0]
        if parent in self.local and not self.private(self.local[parent].__name__):
            return importlib.import_module(f"{self.local[parent].__name__}.{name.rpartition('.')[2]}")
        module = self._own(f"{self._top.__name__}.{name}")
        self.local.setdefault(name, module)
        return module

    def import_(
        self,
        name: str,
        globals: dict[str, Any] | None = None,
        locals: Any = None,
        fromlist: Iterable[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """`__import__` as the pack's modules see it."""
        fromlist = tuple(fromlist or ())
        if level:
            name = resolve_name("." * level + name, _package(globals))
        elif self.host.modules.owns(name) and not (name.partition(".")[0] in YIELDING and self._mine(_top(name))):
            found = self.local.get(name)
            return self.host.modules.give(name, fromlist, self.pack) if found is None else found
        module = self.get(name)
        if not fromlist:
            return module if level or "." not in name else self.get(_top(name))
        self._submodules(module, fromlist)
        return module

    def _submodules(self, module: ModuleType, fromlist: tuple[str, ...]) -> None:
        """`from package import module` loads the module."""
        places = getattr(module, "__path__", None)
        if places is None:
            return
        wanted = fromlist
        if "*" in fromlist:
            wanted = (*fromlist, *getattr(module, "__all__", ()))
        for name in wanted:
            if name == "*" or hasattr(module, name):
                continue
            full = f"{module.__name__}.{name}"
            try:
                self.get(full)
            except ModuleNotFoundError as error:
                if error.name not in (full, self.public(full)):
                    raise


def _top(name: str) -> str:
    return name.partition(".")[0]


def _folder(package: ModuleType | None) -> str | None:
    """Where the modules of a package are looked for."""
    places = getattr(package, "__path__", None)
    return str(next(iter(places), "")) if places is not None else getattr(package, "__file__", None)


def _package(globals: dict[str, Any] | None) -> str:
    found = (globals or {}).get("__package__")
    if found is None:
        raise ImportError("a relative import outside of a package")
    return str(found)
