"""What foreign code asks for and does not get: one error, naming the pack, the attribute and how things stand."""

from __future__ import annotations

import sys
from abc import ABCMeta
from types import FrameType, FunctionType, ModuleType
from typing import Any

from ..errors import Unsupported
from .known import Status, status

PACK = "__carrara_pack__"
"""The key in a pack's builtins under which its `Asker` stands."""


class Asker:
    """A pack as the one that asks for names.

    missed: what it did not get, also where it had another way ready. loading: its modules are being executed, which
    is when it takes functions apart to patch them, and names constants as defaults.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.missed: dict[str, None] = {}
        self.loading = False


class Missing(Unsupported):
    """A name of the ecosystem that is not here. `dotted`: its full name; `pack`: who asked; `status`: why not."""

    def __init__(self, dotted: str, pack: str = "") -> None:
        asker = asking()
        if asker is not None:
            asker.missed[dotted] = None
        self.dotted = dotted
        self.pack = pack or (asker.name if asker is not None else "")
        self.status = status(dotted)
        super().__init__(
            f"{self.pack or 'a pack'} asks for {dotted}",
            got=self.status.value,
            remedy=self.status.remedy,
        )


class MissingModule(Missing, ModuleNotFoundError):
    """`import comfy.nothing`."""

    def __init__(self, dotted: str, pack: str = "") -> None:
        super().__init__(dotted, pack)
        self.name = dotted


class MissingName(Missing, ImportError):
    """`from comfy.utils import nothing`."""

    def __init__(self, dotted: str, pack: str = "") -> None:
        super().__init__(dotted, pack)
        self.name = dotted.rpartition(".")[0]


class MissingAttribute(Missing, AttributeError):
    """`comfy.utils.nothing`, or anything done with a placeholder."""


def asking() -> Asker | None:
    """The pack whose code is running: the nearest frame with a pack's builtins."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        found = frame.f_builtins.get(PACK)
        if isinstance(found, Asker):
            return found
        frame = frame.f_back
    return None


class Placeholder(ABCMeta):
    """The class of stand-ins for names that the reference has and this version has not.

    A stand-in may be subclassed, annotate, decorate, and nothing is an instance of it. While a pack is imported its
    attributes are stand-ins too. Whatever else is done with it raises MissingAttribute, so that a pack loses the node
    that needs the name and no other.
    """

    __dotted__: str
    # What a function has: some packs make a changed copy of one, and put it in its place.
    __globals__ = property(lambda cls: {"__name__": cls.__module__})
    __defaults__ = __kwdefaults__ = __closure__ = property(lambda cls: None)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and isinstance(args[0], FunctionType | type) and cls.__bases__ == (object,):
            return args[0]  # used as a decorator
        raise MissingAttribute(cls.__dotted__)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        dotted = f"{cls.__dotted__}.{name}"
        asker = asking()
        if status(dotted) is Status.UNINSTALLED or (asker is not None and asker.loading):
            if asker is not None:
                asker.missed[dotted] = None
            return placeholder(dotted)
        raise MissingAttribute(dotted)

    def __getitem__(cls, key: Any) -> Any:
        raise MissingAttribute(cls.__dotted__)

    def __iter__(cls) -> Any:
        raise MissingAttribute(cls.__dotted__)

    def __instancecheck__(cls, instance: Any) -> bool:
        return False

    def __repr__(cls) -> str:
        return f"<{cls.__dotted__}: {status(cls.__dotted__).value}>"

    def __or__(cls, other: Any) -> Any:
        return Any

    def __ror__(cls, other: Any) -> Any:
        return Any


def placeholder(dotted: str) -> type:
    """A stand-in for the name."""
    module, _, name = dotted.rpartition(".")
    return Placeholder(name, (), {"__dotted__": dotted, "__module__": module})


class AbsentModule(ModuleType):
    """Stands for a package that is not installed and the names in it, so that nodes which do without it register."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        dotted = f"{self.__name__}.{name}"
        made = placeholder(dotted) if name[:1].isupper() else AbsentModule(dotted)
        setattr(self, name, made)
        return made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and isinstance(args[0], FunctionType | type):
            return args[0]  # used as a decorator
        raise MissingAttribute(self.__name__)
