"""What a running node may touch, and what it may hand back beside plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from ..errors import CarraraError, Interrupted

T = TypeVar("T")
Services = Mapping[type, Any]


def _never() -> bool:
    return False


def _ignore(value: float, total: float, preview: Any) -> None:
    return None


@dataclass(frozen=True)
class Context:
    """The one door from a node to the run around it. Recognised by type; never an input.

    call: which of a node's calls this is, where it is called once per item of a list. `Context()` is a complete context
    for tests: nothing is reported, nothing is cancelled.
    """

    node_id: str = ""
    title: str = ""
    prompt: Mapping[str, Any] | None = None
    workflow: Mapping[str, Any] | None = None
    services: Services = field(default_factory=dict)
    report: Callable[[float, float, Any], None] = _ignore
    cancelled: Callable[[], bool] = _never
    call: int = 0

    def check(self) -> None:
        """Raises Interrupted when the user stopped the run."""
        if self.cancelled():
            raise Interrupted("stopped by the user", got=f"node {self.node_id}" if self.node_id else None)

    def progress(self, value: float, total: float, preview: Any = None) -> None:
        """Say that `value` of `total` steps are done. Raises Interrupted when the run was stopped."""
        self.check()
        self.report(value, total, preview)

    def service(self, kind: type[T]) -> T:
        """The engine's object of that type: files, models, compute."""
        try:
            found: T = self.services[kind]
        except KeyError:
            raise CarraraError(
                f"this engine offers no {kind.__name__}",
                expected=[k.__name__ for k in self.services] or "a service",
                remedy=f"Pass it: Context(services={{{kind.__name__}: ...}}).",
            ) from None
        return found


class Listing(Protocol):
    """The service behind `Choices.files` and `Choices.of_kind`: the engine registers one as services[Listing]."""

    def choices(self, kind: str) -> tuple[str, ...] | None:
        """Names of that kind; None when the kind cannot be listed, and then membership is not checked."""
        ...


@dataclass(frozen=True, eq=False)
class Shown:
    """What an output node returns: `ui` is the protocol's object, `files` the absolute paths it wrote.

    A cached Shown counts only while its files still exist. `result` holds the outputs, if the node has any.
    """

    ui: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    result: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Blocker:
    """An output value that stops its consumers from running. With a message they are reported as blocked."""

    message: str | None = None


@dataclass(frozen=True, eq=False)
class Expand:
    """A node that turns into a piece of graph.

    `nodes` is in API form under new ids; an entry of `result` that is `[id, slot]` of one of them is a link, and so is
    an item of such a list for an output that is a list.
    """

    nodes: Mapping[str, Mapping[str, Any]]
    result: tuple[Any, ...] = ()
    ui: Mapping[str, Any] = field(default_factory=dict)


class NeedsInput(Exception):
    """Control flow of `Lazy.get`: the executor evaluates that input and calls the node again."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Lazy(Generic[T]):
    """An input evaluated only when asked for: `switch: Lazy[Image]`, then `switch.get()`.

    `get` may leave the node and start it again later, so ask before doing work.
    """

    __slots__ = ("_name", "_ready", "_value")

    def __init__(self, name: str, value: T | None = None, *, ready: bool = False) -> None:
        self._name = name
        self._value = value
        self._ready = ready

    @classmethod
    def of(cls, value: T) -> Lazy[T]:
        """An input that is already there, for calling a node directly."""
        return cls("value", value, ready=True)

    def get(self) -> T:
        if not self._ready:
            raise NeedsInput(self._name)
        return self._value  # type: ignore[return-value]


@dataclass(frozen=True)
class Raw(Generic[T]):
    """An input given as its link instead of its value: `body: Raw[Image]`. Nothing is evaluated for it.

    For nodes that turn into a graph: `link` names an output in what `Expand` is given.
    """

    node: str
    slot: int

    @property
    def link(self) -> list[Any]:
        return [self.node, self.slot]

    @staticmethod
    def of(value: Any) -> Any:
        """From a link as files write it; anything else is a value, and stays one."""
        return Raw(*value) if isinstance(value, list) and len(value) == 2 else value
