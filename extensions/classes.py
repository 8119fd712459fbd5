"""A node of ours as the class that the ecosystem's executors and node packs expect.

cls = classic_class(spec, around, function="decode", order=("vae", "samples"))
image, = cls().decode(vae, samples)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from keyword import iskeyword
from typing import Any

from ..executor.spec import (
    Blocker,
    Context,
    Expand,
    Hook,
    Input,
    Lazy,
    NeedsInput,
    NodeSpec,
    Raw,
    Services,
    Shown,
    object_info,
    regroup,
    spread,
    unfold,
)
from .border import Border

ALWAYS = float("nan")
"""Unequal to itself: what a class says that must run every time."""
RUN = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO", "unique_id": "UNIQUE_ID"}
"""Hidden inputs a Context is made of, under the names that packs use."""
GRAPH = "DYNPROMPT"


def _same(name: str) -> str:
    return name


def _itself(port: Input) -> Iterable[Input]:
    return (port,)


@dataclass(frozen=True)
class Around:
    """What stands around such classes. services: asked for when a list of files is, not before.

    context: what the function runs in, from hidden values: {"UNIQUE_ID": "3"}. scope: entered around every call.
    rename: the id outside of one of our node classes. category: where menus show a node. lay_out: the inputs that are
    declared in the place of one; they must be among those it stands for. graph: what a node gets for DYNPROMPT.
    grown: an expansion as the executor there takes it, by the id of the node that turns into it. kept: inputs that only
    expansions give, by node id.
    """

    border: Border
    services: Callable[[], Services]
    context: Callable[[Mapping[str, Any]], Context]
    scope: Callable[[], AbstractContextManager[Any]] = nullcontext
    rename: Callable[[str], str] = _same
    category: Callable[[NodeSpec], str] = lambda spec: spec.category
    lay_out: Callable[[Input], Iterable[Input]] = _itself
    graph: Callable[[Any], Any] = lambda prompt: prompt
    grown: Callable[[Expand, str], Expand] = lambda expand, id: expand
    kept: Mapping[str, Sequence[str]] = field(default_factory=dict)


def classic_class(
    spec: NodeSpec, around: Around, *, name: str = "", function: str = "run", order: Sequence[str] = (),
    otherwise: Sequence[tuple[str, Any]] = (),
) -> type:  # fmt: skip
    """function: name of the method. order: input names as the method takes them, if not in the spec's order.

    otherwise: (input name, what the method takes if not given it), where the spec has no default.
    """
    names = (*order, *(i.name for i in spec.inputs if i.name not in order))
    face = Face(spec, around, function, names, dict(otherwise))
    members: dict[str, Any] = {
        "__module__": spec.module,
        "__doc__": spec.description,
        "INPUT_TYPES": classmethod(lambda cls: face.input_types()),
        "RETURN_TYPES": tuple(o.type for o in spec.outputs),
        "FUNCTION": function,
        "CATEGORY": around.category(spec),
        "DESCRIPTION": spec.description,
        function: face.method(),
    }
    if any(o.name != o.type for o in spec.outputs):  # else left out: classes built upon it may have more outputs
        members["RETURN_NAMES"] = tuple(o.name for o in spec.outputs)
    if any(o.tooltip for o in spec.outputs):
        members["OUTPUT_TOOLTIPS"] = tuple(o.tooltip for o in spec.outputs)
    flags = {
        "OUTPUT_NODE": spec.output,
        "INPUT_IS_LIST": spec.input_is_list,
        "DEPRECATED": spec.deprecated,
        "EXPERIMENTAL": spec.experimental,
        "NOT_IDEMPOTENT": not spec.idempotent,
    }
    members |= {flag: True for flag, said in flags.items() if said}
    if any(o.is_list for o in spec.outputs):
        members["OUTPUT_IS_LIST"] = tuple(o.is_list for o in spec.outputs)
    if spec.reads is not None or not spec.pure:
        members["IS_CHANGED"] = classmethod(lambda cls, **given: face.changed(given))
    if spec.validate is not None or not all(i.checked for i in spec.inputs):
        members["VALIDATE_INPUTS"] = classmethod(face.validator())
    if any(i.lazy for i in spec.plain):
        members["check_lazy_status"] = face.lazy_method()
    return type(name or spec.id.replace(" ", ""), (), members)


@dataclass(frozen=True, eq=False)
class Face:
    """One spec, asked in the ecosystem's words. order: the method's positional inputs."""

    spec: NodeSpec
    around: Around
    function: str
    order: tuple[str, ...]
    otherwise: Mapping[str, Any]

    # --- what it says of itself ----------------------------------------------------------------------------

    @property
    def hidden(self) -> dict[str, str]:
        """Name -> what it is filled with. An output node is told the whole run, for the files it writes.

        A node that looks at the graph is told which one it is.
        """
        taken = {i.name for i in self.spec.inputs} | set(self.spec.hidden)
        told = RUN if self.spec.output else {"unique_id": RUN["unique_id"]} if self._grows else {}
        run = {name: what for name, what in told.items() if name not in taken} if self.spec.context else {}
        return {**self.spec.hidden, **run}

    @property
    def _grows(self) -> bool:
        return GRAPH in self.spec.hidden.values()

    def input_types(self) -> dict[str, dict[str, Any]]:
        declared = tuple(one for port in self.spec.inputs for one in self.around.lay_out(port))
        inputs = object_info(replace(self.spec, inputs=declared), self.around.services())["input"]
        groups = {group: inputs.get(group, {}) for group in ("required", "optional")}
        said: dict[str, dict[str, Any]] = {
            group: {name: tuple(config) for name, config in ports.items()} for group, ports in groups.items()
        }
        if not said["optional"]:
            del said["optional"]
        hidden: dict[str, Any] = {**self.hidden} | {name: ("*", {}) for name in self.around.kept.get(self.spec.id, ())}
        return said | ({"hidden": hidden} if hidden else {})

    def signature(self, names: Sequence[str], first: str, more: bool = False) -> inspect.Signature:
        """Of a method. Names that Python cannot spell are taken as further keywords."""
        spelt = [name for name in names if name.isidentifier() and not iskeyword(name)]
        parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in (first, *spelt)]
        if more or len(spelt) < len(names):
            parameters.append(inspect.Parameter("more", inspect.Parameter.VAR_KEYWORD))
        return inspect.Signature(parameters)

    # --- hooks ---------------------------------------------------------------------------------------------

    def ask(self, hook: Hook, given: Mapping[str, Any]) -> Any:
        """Literals as the hook knows them; what is linked is None."""
        hidden = {what: given[name] for name, what in self.hidden.items() if name in given}
        literals = {port.param: given.get(port.name) for port in self.spec.inputs}
        return hook(literals, self.around.context(hidden))

    def changed(self, given: Mapping[str, Any]) -> Any:
        return ALWAYS if self.spec.reads is None else self.ask(self.spec.reads, given)

    def validator(self) -> Callable[..., bool | str]:
        """Names just what is to be checked: for all other inputs the executor's own checks stay."""
        hook = self.spec.validate
        seen = frozenset[str]() if hook is None else hook.names
        names = [i.name for i in self.spec.inputs if not i.checked or i.param in seen]

        def validate_inputs(cls: type, **given: Any) -> bool | str:
            said = None if hook is None else self.ask(hook, given)
            if isinstance(said, Mapping):
                said = "; ".join(f"{name}: {reason}" for name, reason in said.items()) or True
            return True if said is None or said is True else said

        validate_inputs.__signature__ = self.signature(names, "cls", hook is not None and hook.all)  # type: ignore[attr-defined]
        return validate_inputs

    # --- calls ---------------------------------------------------------------------------------------------

    def method(self) -> Callable[..., Any]:
        call = self._async_method() if self.spec.is_async else self._method()
        call.__name__ = self.function
        call.__doc__ = self.spec.description
        call.__signature__ = self.signature((*self.order, *self.hidden), "self", self.spec.variadic)  # type: ignore[attr-defined]
        return call

    def _method(self) -> Callable[..., Any]:
        def call(self_: Any, *values: Any, **given: Any) -> Any:
            with self.around.scope():
                return self.results(self.spec.function(**self.arguments(values, given)), self._id(given))

        return call

    def _async_method(self) -> Callable[..., Any]:
        async def call(self_: Any, *values: Any, **given: Any) -> Any:
            with self.around.scope():
                made = await self.spec.function(**self.arguments(values, given))
                return self.results(made, self._id(given))

        return call

    def lazy_method(self) -> Callable[..., list[str]]:
        """Which lazy input is wanted next. The function is tried: it asks before it works."""
        names = {i.param: i.name for i in self.spec.plain}

        def check_lazy_status(self_: Any, **given: Any) -> list[str]:
            arguments = self.arguments((), given)
            if self.spec.needs is not None:
                wanted = self.spec.needs(arguments, self.around.context({}))
                return [names.get(param, param) for param in wanted or ()]
            try:
                with self.around.scope():
                    self.spec.function(**arguments)
            except NeedsInput as need:
                return [names[need.name]]
            return []

        return check_lazy_status

    def arguments(self, values: Sequence[Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """The function's arguments, in our form. Raises TypeError as a Python function would."""
        spec, where = self.spec, f"{self.spec.id}.{self.function}()"
        if len(values) > len(self.order):
            raise TypeError(f"{where} takes {len(self.order)} inputs, but {len(values)} were given")
        left = dict(zip(self.order, values, strict=False))
        for name, value in given.items():
            if name in left:
                raise TypeError(f"{where} got {name} twice")
            left[name] = value
        hidden = {what: self._hidden(left.pop(name, None)) for name, what in self.hidden.items()}
        if self._grows:
            hidden[GRAPH] = self.around.graph(hidden[GRAPH])
        out: dict[str, Any] = {param: hidden[what] for param, what in spec.hidden.items()}
        if spec.context is not None:
            run = {what: self._hidden(left.pop(name, None)) for name, what in RUN.items() if spec.input(name) is None}
            out[spec.context] = self.around.context(hidden | {k: v for k, v in run.items() if v is not None})
        for port in spec.dynamic:
            if port.name in left:
                left |= spread(port, left.pop(port.name))
        for port, needed in [found for declared in spec.inputs for found in unfold(declared, left)]:
            if port.name in left:
                out[port.param] = self._argument(port, left.pop(port.name))
            elif port.has_default:
                out[port.param] = self._argument(port, port.default)
            elif port.name in self.otherwise:
                out[port.param] = self._argument(port, self.otherwise[port.name])
            elif port.lazy and needed:
                out[port.param] = self._lazy(port, None)
            elif needed:
                raise TypeError(f"{where} is missing the input {port.name}")
        for port in spec.dynamic:
            for one in port.plain():
                left.pop(one.name, None)  # what another choice would bring
        if left and not spec.variadic:
            raise TypeError(f"{where} has no input {', '.join(left)}")
        inward = self.around.border.inward
        return regroup(spec.dynamic, out) | {name: inward(value) for name, value in left.items()}

    def _id(self, given: Mapping[str, Any]) -> str:
        return str(self._hidden(given.get("unique_id")) or "")

    def _hidden(self, value: Any) -> Any:
        """Nodes that take lists are given everything in lists."""
        return value[0] if self.spec.input_is_list and isinstance(value, list) and value else value

    def _argument(self, port: Input, value: Any) -> Any:
        if port.raw_link:
            return Raw.of(value)
        inward = self.around.border.inward
        if self.spec.input_is_list:
            values = value if isinstance(value, list | tuple) else [value]
            ours = [self._one(port, inward(item, port.type)) for item in values]
            found: Any = ours if port.is_list else ours[0] if ours else None
        else:
            found = self._one(port, inward(value, port.type))
        return self._lazy(port, found) if port.lazy else found

    def _one(self, port: Input, value: Any) -> Any:
        cast = port.cast or port.enum
        return value if cast is None or value is None else cast(value)

    def _lazy(self, port: Input, value: Any) -> Any:
        if self.spec.needs is not None:
            return value
        return Lazy(port.param) if value is None else Lazy(port.param, value, ready=True)

    # --- results -------------------------------------------------------------------------------------------

    def results(self, result: Any, id: str) -> Any:
        """What the function gave, in the ecosystem's form. id: of the node, where it is told."""
        outward = self.around.border.outward
        count = len(self.spec.outputs)
        if isinstance(result, Blocker):
            return (outward(result),) * count
        if isinstance(result, Shown):
            values = result.result or (None,) * count
            return {"ui": dict(result.ui)} | ({"result": tuple(map(outward, values))} if count else {})
        if isinstance(result, Expand):
            result = self.around.grown(result, id)
            ui = {"ui": dict(result.ui)} if result.ui else {}
            return {"expand": self._grown(result.nodes), "result": tuple(map(outward, result.result)), **ui}
        if not self.spec.packed:
            return (outward(result),)
        return () if result is None else tuple(map(outward, result))

    def _grown(self, nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        around = self.around
        return {
            id: {
                **node,
                "class_type": around.rename(node["class_type"]),
                "inputs": {name: around.border.outward(value) for name, value in node.get("inputs", {}).items()},
            }
            for id, node in nodes.items()
        }
