"""Node classes of the ecosystem's first form (INPUT_TYPES, RETURN_TYPES, FUNCTION) as node specs of ours."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..executor.spec import Choices, Hook, Input, NodeSpec, Range, Services
from ..nodes.store import Files
from .calling import calling
from .contain import steady
from .listing import Fresh, declared, listing, slots, typed, undeclared
from .returned import inward

if TYPE_CHECKING:
    from .host import Host

CONTEXT = " context"
"""The parameter that gets the Context: a name that no input can have."""
MAGIC = frozenset({"UNIQUE_ID", "PROMPT", "EXTRA_PNGINFO", "DYNPROMPT", "AUTH_TOKEN_COMFY_ORG", "API_KEY_COMFY_ORG"})
WIDGETS = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"})


@dataclass(frozen=True, eq=False)
class Origin:
    """Where a node class comes from. entry: the pack's file or folder name. home: what editors group it by."""

    host: Host
    pack: str
    entry: str
    stamp: str = ""
    home: str = ""

    @property
    def module(self) -> str:
        return self.home or f"custom_nodes.{self.entry}"


def spec_of(id: str, kind: type, origin: Origin, title: str | None = None) -> NodeSpec:
    """Read a class. Whatever its INPUT_TYPES raises comes through: such a node is left out."""
    types = declared(kind)
    fresh = Fresh(kind, types)
    hidden, more = _hidden(types["hidden"])
    unlisted = undeclared(kind, {**types["required"], **types["optional"]})
    more += [_unlisted(_input(fresh, name, config, False)) for name, config in unlisted.items()]
    inputs = [
        *(_input(fresh, name, config, group == "required") for group in ("required", "optional")
          for name, config in types[group].items()),
        *more,
    ]  # fmt: skip
    as_lists = bool(getattr(kind, "INPUT_IS_LIST", False))
    method = getattr(kind, getattr(kind, "FUNCTION", ""), None)  # nodes for the editor alone have none
    caller = Caller(kind, origin, tuple(hidden), as_lists)
    outputs = slots(kind)
    is_async = inspect.iscoroutinefunction(method)
    lazy = any(port.lazy for port in inputs)
    return NodeSpec(
        id=id,
        function=caller.run_async if is_async else caller.run,
        inputs=tuple(_listed(port) for port in inputs) if as_lists else tuple(inputs),
        outputs=outputs,
        title=title or getattr(kind, "DISPLAY_NAME", None) or id,
        category=str(getattr(kind, "CATEGORY", "sd")),
        version=f"{origin.entry} {kind.__qualname__} {origin.stamp}",
        description=str(getattr(kind, "DESCRIPTION", "")),
        output=getattr(kind, "OUTPUT_NODE", False) is True,
        experimental=bool(getattr(kind, "EXPERIMENTAL", False)),
        deprecated=bool(getattr(kind, "DEPRECATED", False)),
        context=CONTEXT,
        hidden=hidden,
        variadic=_takes_any(method),
        open=_open(types["optional"]) or _open(types["hidden"]),
        packed=True,
        input_is_list=as_lists,
        is_async=is_async,
        idempotent=not getattr(kind, "NOT_IDEMPOTENT", False),
        acts=getattr(kind, "OUTPUT_NODE", False) is True,
        validate=_hook(kind, "VALIDATE_INPUTS", caller),
        reads=_hook(kind, "IS_CHANGED", caller),
        needs=Hook(caller.needs, frozenset(), True, classic=True) if lazy else None,
        info=lambda services: listing(id, kind, title or id, origin.module),
        module=origin.entry,
    )


class Caller:
    """Calls one class: values go out in the ecosystem's forms and come back in ours."""

    def __init__(self, kind: type, origin: Origin, hidden: tuple[str, ...], as_lists: bool) -> None:
        self.kind = kind
        self.origin = origin
        self.hidden = hidden
        self.as_lists = as_lists

    def run(self, **given: Any) -> Any:
        ctx = given.pop(CONTEXT)
        with calling(ctx, self.origin.host, self.origin.pack), steady():
            node = self.origin.host.instances.of(self.kind, ctx)
            result = getattr(node, node.FUNCTION)(**self.outward(given))
            return self.inward(result)

    async def run_async(self, **given: Any) -> Any:
        ctx = given.pop(CONTEXT)
        with calling(ctx, self.origin.host, self.origin.pack):
            node = self.origin.host.instances.of(self.kind, ctx)
            result = await getattr(node, node.FUNCTION)(**self.outward(given))
            return self.inward(result)

    def needs(self, **given: Any) -> Any:
        """Which lazy inputs are still wanted; none where the class does not say."""
        ctx = given.pop(CONTEXT)
        if not hasattr(self.kind, "check_lazy_status"):
            return ()
        with calling(ctx, self.origin.host, self.origin.pack):
            node = self.origin.host.instances.of(self.kind, ctx)
            return node.check_lazy_status(**self.outward(given))

    def hook(self, name: str) -> Callable[..., Any]:
        """VALIDATE_INPUTS or IS_CHANGED as a plain function, looked up anew since packs patch classes."""

        def ask(**given: Any) -> Any | Awaitable[Any]:
            if self.as_lists:
                given = {key: value if key == "input_types" else [value] for key, value in given.items()}
            return getattr(self.kind, name)(**given)

        return ask

    def inward(self, result: Any) -> Any:
        host = self.origin.host
        return inward(result, self.kind, host.border, host.services.get(Files))

    def outward(self, given: dict[str, Any]) -> dict[str, Any]:
        border = self.origin.host.border
        made = {name: border.outward(value) for name, value in given.items()}
        if self.as_lists:
            # Inputs come as lists already, what the run fills in does not.
            made.update({name: [made[name]] for name in self.hidden if name in made})
        return made


def _hook(kind: type, name: str, caller: Caller) -> Hook | None:
    function = getattr(kind, name, None)
    if function is None:
        return None
    try:
        parameters = inspect.getfullargspec(function)
    except TypeError:
        return Hook(caller.hook(name), frozenset(), True, classic=True)
    named = frozenset((*parameters.args, *parameters.kwonlyargs)) - {"self", "cls"}
    # IS_CHANGED is given all there is, as the protocol says; VALIDATE_INPUTS what it names.
    everything = parameters.varkw is not None or name == "IS_CHANGED"
    return Hook(caller.hook(name), named, everything, classic=True)


def _open(group: Mapping[str, Any]) -> bool:
    """Whether a mapping of a pack's own claims to have every name: then every input reaches the function."""
    return type(group) is not dict and "no input is called that" in group


def _takes_any(method: Callable[..., Any] | None) -> bool:
    """Undeclared links reach every function in the protocol; one that cannot take them would only fail."""
    if method is None:
        return False
    try:
        return inspect.getfullargspec(method).varkw is not None
    except TypeError:
        return True


def _input(fresh: Fresh, name: str, config: tuple[Any, Mapping[str, Any]], required: bool) -> Input:
    socket, options = config
    socket = typed(socket)
    combo = socket == "COMBO"
    return Input(
        name=name,
        type=socket,
        param=name,
        required=required,
        widget=True,
        range=_range(options) if socket in ("INT", "FLOAT") else None,
        choices=Choices(_choices(fresh, name)) if combo and not _several(options) else None,
        checked=not (combo and _remote(options)),
        lazy=bool(options.get("lazy")),
        raw_link=bool(options.get("rawLink")),
        tooltip=str(options.get("tooltip") or ""),
        config=config,
    )


def _unlisted(port: Input) -> Input:
    """What only a run knows of is held against no type: a class may give any name the same one."""
    return replace(port, type="*", range=None, choices=None, checked=False)


def _listed(port: Input) -> Input:
    return replace(port, is_list=True)


def _several(options: Mapping[str, Any]) -> bool:
    """Whether the editor lets people choose more than one of the list."""
    return bool(options.get("multiselect") or options.get("multi_select"))


def _remote(options: Mapping[str, Any]) -> bool:
    return "remote" in options


def _choices(fresh: Fresh, name: str) -> Callable[[Services], list[Any] | None]:
    """The list as the class gives it now: it may name files."""

    def now(services: Services) -> list[Any] | None:
        config = fresh.config(name)
        if config is None:
            return None
        socket, options = config
        if isinstance(socket, list | tuple):
            return list(socket)
        return list(options.get("options") or ()) or None

    return now


def _range(options: Mapping[str, Any]) -> Range:
    low, high = options.get("min"), options.get("max")
    return Range(
        low if isinstance(low, int | float) else None,
        high if isinstance(high, int | float) else None,
    )


def _hidden(group: Mapping[str, Any]) -> tuple[dict[str, str], list[Input]]:
    """What the run fills in, and the rest: entries that are only hidden from the editor."""
    filled: dict[str, str] = {}
    rest: list[Input] = []
    for name, config in group.items():
        kind = typed(config[0] if isinstance(config, list | tuple) and config else config)
        if kind in MAGIC:
            filled[name] = kind
        else:
            rest.append(Input(name, kind if kind in WIDGETS else "*", name, required=False, widget=True, checked=False))
    return filled, rest
