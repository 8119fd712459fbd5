"""Node classes of the ecosystem's second form (a schema, class methods, `comfy_entrypoint`) as node specs of ours."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..errors import DeclarationError
from ..executor.spec import Hook, Input, NodeSpec, Output
from ..nodes.store import Files
from . import classic
from .calling import calling
from .listing import plain
from .returned import inward
from .v3_inputs import leaves, ports

if TYPE_CHECKING:
    from .host import Host

CONTEXT = " context"
"""The parameter that gets the Context: a name that no input can have."""


def derives(kind: object) -> bool:
    """Whether a class derives from the node class of some host."""
    bases = kind.__mro__ if isinstance(kind, type) else ()
    return any(base.__module__ == "comfy_api.internal" and base.__name__ == "_ComfyNodeInternal" for base in bases)


def is_v3(kind: object) -> bool:
    """Whether this is a class of the second form, also where it derives from a node that has another form here."""
    wanted = (getattr(kind, name, None) for name in ("define_schema", "execute"))
    return derives(kind) or (isinstance(kind, type) and all(map(callable, wanted)))


def adopted(kind: Any, host: Host) -> Any:
    """The class as a node class of this host: itself, or one made of both.

    The reference's own nodes are V3 classes that packs derive from; here they are stand-ins or classes of the first
    form, whose attributes must not answer for a class that has a schema.
    """
    if derives(kind):
        return kind
    base = host.modules.load("comfy_api.latest").io.ComfyNode
    own = {name: value for owner in reversed(base.__mro__) for name, value in vars(owner).items() if name.isupper()}
    return type(kind)(
        kind.__name__, (kind, base), {**own, "__module__": kind.__module__, "__qualname__": kind.__qualname__}
    )


def entry_classes(module: ModuleType, host: Host) -> list[Any]:
    """The node classes that a module's `comfy_entrypoint` gives; none if it has no such function.

    For a thread without a running event loop. Raises DeclarationError where the function gives something else.
    """
    begin = getattr(module, "comfy_entrypoint", None)
    if begin is None:
        return []

    async def classes() -> Any:
        extension = await _settled(begin())
        if not hasattr(extension, "get_node_list"):
            raise DeclarationError(
                "comfy_entrypoint gives no extension",
                got=type(extension).__name__,
                expected="a comfy_api.latest.ComfyExtension",
            )
        if hasattr(extension, "on_load"):
            await _settled(extension.on_load())
        return await _settled(extension.get_node_list())

    found = asyncio.run(classes())
    if not isinstance(found, list | tuple):
        raise DeclarationError("get_node_list gives no list", got=type(found).__name__, expected="a list of classes")
    return list(found)


def spec_of(
    kind: Any,
    host: Host,
    pack: str,
    entry: str,
    id: str | None = None,
    title: str | None = None,
    stamp: str = "",
) -> NodeSpec:
    """Read a class. What its schema raises comes through: such a node is left out.

    entry: the pack's file or folder name; id, title: instead of the schema's; stamp: changes with the pack's source.
    A class of the first form may stand in an extension too, if it names itself through `GET_SCHEMA`.
    """
    if not is_v3(kind):
        said = kind.GET_SCHEMA()
        origin = classic.Origin(host, pack, entry, stamp)
        return classic.spec_of(id or said.node_id, kind, origin, title or said.display_name)
    kind = adopted(kind, host)
    kind.RELATIVE_PYTHON_MODULE = f"custom_nodes.{entry}"
    schema = kind.GET_SCHEMA()
    name = id or schema.node_id
    inputs = ports(kind, schema.inputs, schema.is_input_list)
    hidden = {f" {one.name}": one.value for one in schema.hidden}
    caller = Caller(kind, host, pack, inputs, tuple(hidden))
    is_async = inspect.iscoroutinefunction(kind.execute)
    return NodeSpec(
        id=name,
        function=caller.run_async if is_async else caller.run,
        inputs=inputs,
        outputs=tuple(_output(one) for one in schema.outputs),
        title=title or schema.display_name or name,
        category=schema.category,
        version=f"{entry} {kind.__qualname__} {stamp}",
        description=schema.description or "",
        output=schema.is_output_node,
        experimental=schema.is_experimental,
        deprecated=schema.is_deprecated,
        context=CONTEXT,
        hidden=hidden,
        variadic=schema.accept_all_inputs or _takes_any(kind.execute),
        open=schema.accept_all_inputs,
        packed=True,
        input_is_list=schema.is_input_list,
        is_async=is_async,
        idempotent=not schema.not_idempotent,
        acts=schema.is_output_node,
        validate=_hook(kind, "validate_inputs", caller),
        reads=_hook(kind, "fingerprint_inputs", caller),
        needs=_needs(kind, caller) if _any_lazy(inputs) else None,
        info=lambda services: listing(kind, name),
        module=entry,
    )


def listing(kind: Any, id: str) -> dict[str, Any]:
    """The class's entry in /object_info, made anew since its lists may name files.

    A schema says its display name itself, or none: the titles beside a mapping are for classes of the first form.
    """
    info = kind.GET_NODE_INFO_V1() | {"name": id}
    return {key: plain(value) for key, value in info.items()}


class Caller:
    """Calls the class methods of one class, each time on a copy that holds the hidden values of the call."""

    def __init__(self, kind: Any, host: Host, pack: str, inputs: tuple[Input, ...], hidden: tuple[str, ...]) -> None:
        self.kind = kind
        self.host = host
        self.pack = pack
        self.dynamic = tuple(port for port in inputs if port.dynamic)
        self.as_lists = any(one.is_list for port in inputs for one in port.plain())
        self.hidden = hidden

    def run(self, **given: Any) -> Any:
        with calling(given.pop(CONTEXT), self.host, self.pack):
            return self.returned(self.copy(given).EXECUTE_NORMALIZED(**self.outward(given)))

    async def run_async(self, **given: Any) -> Any:
        with calling(given.pop(CONTEXT), self.host, self.pack):
            return self.returned(await self.copy(given).EXECUTE_NORMALIZED_ASYNC(**self.outward(given)))

    def needs(self, **given: Any) -> Any:
        """Which lazy inputs are still wanted."""
        with calling(given.pop(CONTEXT), self.host, self.pack):
            return self.copy(given).check_lazy_status(**self.wanted(given))

    async def needs_async(self, **given: Any) -> Any:
        with calling(given.pop(CONTEXT), self.host, self.pack):
            return await self.copy(given).check_lazy_status(**self.wanted(given))

    def wanted(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What a lazy node sees: members of dynamic inputs together with the name to ask for them by."""
        return leaves(self.dynamic, self.outward(given), lambda value, full: (value, full))

    def ask(self, method: str) -> Callable[..., Any]:
        """A hook as a plain function. It sees single values, and these as lists where the node takes lists."""

        def asked(**given: Any) -> Any:
            kind = self.copy(given)
            values = self.outward(given)
            if self.as_lists:
                groups = {port.param for port in self.dynamic}
                values = {name: value if name in groups else [value] for name, value in values.items()}
                values = leaves(self.dynamic, values, lambda value, full: [value])
            return getattr(kind, method)(**values)

        return asked

    def copy(self, given: dict[str, Any]) -> Any:
        """The class for one call; takes the hidden values out of `given`."""
        hidden = {param.strip(): given.pop(param) for param in self.hidden if param in given}
        return self.kind.PREPARE_CLASS_CLONE({"hidden_inputs": hidden})

    def outward(self, given: Mapping[str, Any]) -> dict[str, Any]:
        border = self.host.border
        return {name: border.outward(value) for name, value in given.items()}

    def returned(self, output: Any) -> Any:
        """A NodeOutput as the executor takes it."""
        result: dict[str, Any] = {"result": output.result if output.blocker is None else output.blocker}
        if output.ui is not None:
            result["ui"] = output.ui if isinstance(output.ui, Mapping) else output.ui.as_dict()
        if output.expand is not None:
            result["expand"] = output.expand
        return inward(result, self.kind, self.host.border, self.host.services.get(Files))


async def _settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _output(one: Any) -> Output:
    template = getattr(one, "template", None)
    return Output(
        name=one.display_name or one.io_type,
        type=one.io_type,
        is_list=bool(one.is_output_list),
        tooltip=one.tooltip or "",
        match=None if template is None else template.template_id,
    )


def _overridden(kind: Any, method: str) -> bool:
    base = kind.GET_BASE_CLASS()
    own = getattr(kind, method)
    return all(own.__func__ is not getattr(one, method).__func__ for one in base.__mro__ if hasattr(one, method))


def _hook(kind: Any, method: str, caller: Caller) -> Hook | None:
    """validate_inputs or fingerprint_inputs, if the class has its own. It is given what it names."""
    if not _overridden(kind, method):
        return None
    told = inspect.getfullargspec(getattr(kind, method))
    names = frozenset((*told.args, *told.kwonlyargs, *caller.hidden)) - {"cls"}
    return Hook(caller.ask(method), names, told.varkw is not None, classic=True)


def _needs(kind: Any, caller: Caller) -> Hook:
    waits = inspect.iscoroutinefunction(kind.check_lazy_status)
    return Hook(caller.needs_async if waits else caller.needs, frozenset(), True, classic=True)


def _any_lazy(inputs: tuple[Input, ...]) -> bool:
    return any(one.lazy for port in inputs for one in port.plain())


def _takes_any(method: Callable[..., Any]) -> bool:
    return inspect.getfullargspec(method).varkw is not None
