"""Python modules as a pack sees them: `sys`, `importlib`, `inspect` and `signal` with the pack's own view of the world.

What a pack sets on them stays with the pack.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import inspect
import signal
import sys
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .missing import Placeholder

if TYPE_CHECKING:
    from .imports import Space


def said(*words: Any, file: Any = None, **how: Any) -> None:
    """`print` of a pack: standard output belongs to results, so it goes to standard error."""
    print(*words, file=sys.stderr if file is None else file, **how)


class View(ModuleType):
    """A module, some of whose names are other ones here."""

    def __init__(self, real: ModuleType, own: dict[str, Any]) -> None:
        super().__init__(real.__name__, real.__doc__)
        self.__dict__["__real__"] = real
        self.__dict__.update({k: vars(real)[k] for k in ("__file__", "__path__", "__spec__") if k in vars(real)})
        self.__dict__.update(own)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["__real__"], name)

    def __dir__(self) -> list[str]:
        return sorted({*dir(self.__dict__["__real__"]), *self.__dict__})


class Streams(View):
    """`sys` of a pack: what it writes to standard output goes to standard error, wherever that leads by then."""

    def __getattr__(self, name: str) -> Any:
        return sys.stderr if name in ("stdout", "__stdout__") else super().__getattr__(name)


class Words(ModuleType):
    """`builtins` of a pack: what it plants there stands in its own modules."""

    def __init__(self, words: dict[str, Any]) -> None:
        super().__init__("builtins")
        object.__setattr__(self, "__words__", words)

    def __getattr__(self, name: str) -> Any:
        words = object.__getattribute__(self, "__words__")
        if name not in words:
            raise AttributeError(f"module 'builtins' has no attribute {name!r}")
        return words[name]

    def __setattr__(self, name: str, value: Any) -> None:
        object.__getattribute__(self, "__words__")[name] = value

    def __delattr__(self, name: str) -> None:
        object.__getattribute__(self, "__words__").pop(name, None)


class Seen(MutableMapping[str, ModuleType]):
    """`sys.modules` of a pack: its own names, the ecosystem's, and everybody's."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def __getitem__(self, name: str) -> ModuleType:
        space = self._space
        if name in space.local:
            return space.local[name]
        if name in ("__main__", "builtins"):
            return space.get(name)
        modules = space.host.modules
        if modules.owns(name):
            if not modules.has(name):
                raise KeyError(name)
            return modules.load(name, space.pack)
        if name.startswith("custom_nodes."):
            try:
                return space.get(name)
            except ImportError:
                raise KeyError(name) from None
        return sys.modules[name]

    def __setitem__(self, name: str, module: ModuleType) -> None:
        space = self._space
        if space.private(name):
            sys.modules[name] = module
            return
        if space.host.modules.owns(name):
            space.host.modules.put(name, module)
            return
        space.local[name] = module
        own = getattr(module, "__name__", "")
        if space.private(own):
            sys.modules[own] = module

    def __delitem__(self, name: str) -> None:
        if self._space.private(name):
            del sys.modules[name]
        else:
            self._space.local.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        space = self._space
        return iter(dict.fromkeys([*space.local, *space.host.modules.loaded(), *list(sys.modules)]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def copy(self) -> dict[str, ModuleType]:
        return dict(self)


class Borrowed:
    """Loads a module of the ecosystem under the name that a pack gives it: some go by the file they expect."""

    def __init__(self, space: Space, name: str) -> None:
        self._space = space
        self._name = name

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        found = self._space.host.modules.load(self._name, self._space.pack)
        module.__dict__.update({name: value for name, value in vars(found).items() if not name.startswith("__")})
        module.__dict__["__getattr__"] = lambda name: getattr(found, name)


class Proxies:
    """The views of one pack, each made when it is first imported."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._made: dict[str, ModuleType] = {}
        self._makers: dict[str, Callable[[], ModuleType]] = {
            "sys": self._sys,
            "importlib": self._importlib,
            "importlib.util": self._util,
            "importlib.machinery": self._machinery,
            "inspect": self._inspect,
            "signal": self._signal,
            "builtins": lambda: Words(space.builtins),
            "__main__": self._main,
        }

    @property
    def path(self) -> list[str]:
        """The pack's `sys.path`."""
        seen = self._made.get("sys")
        return [] if seen is None else seen.path  # type: ignore[no-any-return]

    def get(self, name: str) -> ModuleType | None:
        found = self._made.get(name)
        if found is None and name in self._makers:
            found = self._made[name] = self._makers[name]()
        return found

    def need(self, name: str) -> ModuleType:
        found = self.get(name)
        assert found is not None
        return found

    def _sys(self) -> ModuleType:
        own = {
            "modules": Seen(self._space),
            "path": list(sys.path),
            "argv": [self._program()],
        }
        return Streams(sys, own)

    def _program(self) -> str:
        return str(self._space.host.base / "main.py")

    def _main(self) -> ModuleType:
        """Some packs find the program's folder by its main module."""
        made = ModuleType("__main__")
        made.__file__ = self._program()
        return made

    def _importlib(self) -> ModuleType:
        own = {
            "import_module": self._import_module,
            "__import__": self._space.import_,
            "reload": self._reload,
            "util": self.need("importlib.util"),
            "machinery": self.need("importlib.machinery"),
        }
        return View(importlib, own)

    def _import_module(self, name: str, package: str | None = None) -> ModuleType:
        if name.startswith("."):
            name = importlib.util.resolve_name(name, package or "")
        return self._space.get(name)

    def _reload(self, module: ModuleType) -> ModuleType:
        spec = module.__spec__
        if spec is None or spec.loader is None or not self._space.private(module.__name__):
            return module
        spec.loader.exec_module(module)
        return module

    def _util(self) -> ModuleType:
        own = {
            "spec_from_file_location": self._spec_from_file_location,
            "find_spec": self._find_spec,
        }
        return View(importlib.util, own)

    def _spec_from_file_location(
        self,
        name: str,
        location: Any = None,
        *,
        loader: Any = None,
        submodule_search_locations: list[str] | None = None,
    ) -> Any:
        if loader is not None or not str(location).endswith(".py"):
            return importlib.util.spec_from_file_location(
                name, location, loader=loader, submodule_search_locations=submodule_search_locations
            )
        ecosystem = self._program_file(Path(str(location)))
        if ecosystem is not None and not Path(str(location)).is_file():
            loader = Borrowed(self._space, ecosystem)
            return importlib.machinery.ModuleSpec(name, loader, origin=str(location))
        return self._space.spec(name, str(location), submodule_search_locations)

    def _program_file(self, location: Path) -> str | None:
        """The module of the ecosystem that a file of the program's own folder would hold."""
        base = self._space.host.base
        if not location.is_relative_to(base):
            return None
        name = ".".join(location.relative_to(base).with_suffix("").parts).removesuffix(".__init__")
        modules = self._space.host.modules
        return name if modules.owns(name) and modules.has(name) else None

    def _find_spec(self, name: str, package: str | None = None) -> Any:
        if name.startswith("."):
            name = importlib.util.resolve_name(name, package or "")
        modules = self._space.host.modules
        if modules.owns(name):
            return modules.load(name).__spec__ if modules.has(name) else None
        return importlib.util.find_spec(name)

    def _machinery(self) -> ModuleType:
        from .imports import PackLoader

        space = self._space

        class SourceFileLoader(PackLoader):
            def __init__(self, fullname: str, path: str) -> None:
                super().__init__(space, fullname, path)

        return View(importlib.machinery, {"SourceFileLoader": SourceFileLoader})

    def _inspect(self) -> ModuleType:
        """Where a class of the ecosystem was defined, `inspect` cannot know: its module is nobody else's."""

        def home(thing: Any) -> ModuleType | None:
            name = thing.__name__ if isinstance(thing, ModuleType) else getattr(thing, "__module__", None)
            return self._space.host.modules.loaded().get(name or "")

        def getfile(thing: Any) -> str:
            module = home(thing)
            return inspect.getfile(thing) if module is None else str(module.__file__)

        def getmodule(thing: Any, filename: str | None = None) -> ModuleType | None:
            return home(thing) or inspect.getmodule(thing, filename)

        def getsource(thing: Any) -> str:
            if isinstance(thing, Placeholder):
                return f"def {thing.__name__}(*args, **kwargs):\n    raise NotImplementedError({str(thing)!r})\n"
            return inspect.getsource(thing)

        return View(inspect, {"getfile": getfile, "getmodule": getmodule, "getsource": getsource})

    def _signal(self) -> ModuleType:
        """Signals are the program's: a pack's handlers are taken and not used."""

        def handle(number: int, handler: Any) -> Any:
            return signal.getsignal(number)

        return View(signal, {"signal": handle, "alarm": lambda seconds: 0, "setitimer": lambda *_: (0.0, 0.0)})
