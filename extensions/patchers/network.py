"""A denoising network as the ecosystem's `model` object reaches it: read when asked for, patched while a run lasts."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...errors import Unsupported
from ...models.denoiser import Batch, Network
from ...models.handles import Model
from .evaluating import control_of, control_table
from .inside import ABOUT, call_of
from .levels import EXACT, level_of

if TYPE_CHECKING:
    from types import ModuleType

    from torch import Tensor, nn

    from ...models.blueprint import Blueprint
    from ...models.residency import Residency

INSIDE = "diffusion_model."
TABLES = ("_modules", "_parameters", "_buffers")


@dataclass(frozen=True, eq=False)
class Wrapped:
    """A network inside wrappers that know it by the ecosystem's signature."""

    net: Any
    wrappers: list[Any]
    extension: ModuleType

    def __call__(self, x: Tensor, t: Tensor, context: Tensor, *, control: Any, call: Any) -> Tensor:
        options = {} if call is None else call.notes

        def original(
            x: Tensor, timesteps: Tensor | None = None, context: Any = None, y: Any = None, control: Any = None,
            transformer_options: Any = None, **_: Any,
        ) -> Tensor:  # fmt: skip
            given = call_of(options if transformer_options is None else transformer_options)
            if given is not None and call is not None:
                given = replace(given, sigma=call.sigma, rows=call.rows, shape=call.shape)
            return self.net(x, timesteps, context, y, control=control_of(control), call=given)  # type: ignore[no-any-return]

        executor = self.extension.WrapperExecutor.new_class_executor(original, self.net, self.wrappers)
        return executor.execute(x, t, context, None, control_table(control), options)  # type: ignore[no-any-return]


def applied(
    model: Model, net: Any, residency: Residency, x: Tensor, t: Tensor, context: Tensor, concat: Tensor | None,
    control: Any, options: dict[str, Any], extension: ModuleType,
) -> Tensor:  # fmt: skip
    """Clean estimates of x: b c h w at levels t: b, by the network with the patches of these options."""
    import torch

    if len(t) > 1 and not hasattr(t, EXACT) and not bool((t == t[0]).all()):
        if control is not None:
            raise Unsupported("a ControlNet on a batch of several levels")
        rows = [slice(i, i + 1) for i in range(len(x))]
        return torch.cat([
            applied(
                model, net, residency, x[r], t[r], context[r], None if concat is None else concat[r], control,
                dict(options), extension,
            )
            for r in rows
        ])  # fmt: skip
    sides = options.get("cond_or_uncond") or [0]
    options["original_shape"] = list(x.shape)
    options.setdefault("transformer_index", 0)
    sigma = level_of(t)
    call = call_of(options)
    wrappers = extension.get_all_wrappers(extension.WrappersMP.DIFFUSION_MODEL, options)
    if call is not None or wrappers:
        from ...models.layers.call import Call

        each = max(1, len(x) // len(sides))
        rows_of = tuple(side for side in sides for _ in range(each))
        call = replace(call or Call(notes=options), sigma=sigma, rows=rows_of, shape=(each, *x.shape[1:]))
        options[ABOUT] = {"x": x, "timesteps": t, "context": context, "y": None}
    if wrappers:
        net = Wrapped(net, wrappers, extension)
    batch = Batch(x, sigma, context, tuple(sides), concat, control_of(control), call)
    return Network(model, net, residency)(batch)


@contextmanager
def patched(root: Any, patches: Mapping[str, Any]) -> Iterator[None]:
    """Attributes by dotted name set inside, and set back after. root: what the names begin at."""
    undo = []
    try:
        for name, value in patches.items():
            where, _, last = name.rpartition(".")
            owner = at(root, where) if where else root
            tables = (vars(owner), *(getattr(owner, table, {}) for table in TABLES))
            had = any(last in table for table in tables)
            undo.append((owner, last, had, getattr(owner, last, None)))
            put(owner, last, value)
        yield
    finally:
        for owner, last, had, before in reversed(undo):
            if had:
                put(owner, last, before)
            else:
                delattr(owner, last)


@contextmanager
def in_format(net: nn.Module, name: str | None) -> Iterator[nn.Module]:
    """The network, its numbers in a format of torch inside; as they were after. None: as it is."""
    import torch

    dtype = None if name is None else getattr(torch, name)
    numbers = [] if dtype is None else [n for n in (*net.parameters(), *net.buffers()) if n.is_floating_point()]
    before = [n.data for n in numbers]
    try:
        for number in numbers:
            number.data = number.data.to(dtype)
        yield net
    finally:
        for number, data in zip(numbers, before, strict=True):
            number.data = data


def put(owner: Any, name: str, value: Any) -> None:
    """Also where a module or parameter stands and something else shall."""
    from torch import nn

    if isinstance(owner, nn.Module) and not isinstance(value, nn.Module | nn.Parameter):
        for table in (owner._modules, owner._parameters):
            if name in table:
                del table[name]
    setattr(owner, name, value)


def at(root: Any, name: str) -> Any:
    """The attribute of a dotted name; numbers count the members of lists."""
    for part in name.split("."):
        root = root[int(part)] if part.isdigit() and not hasattr(root, part) else getattr(root, part)
    return root


def made_of(net: nn.Module) -> tuple[Any, ...]:
    """What a network consists of now: differs once foreign code has changed it in place, and for a copy.

    Sees modules, methods, settings, hooks and weights that were replaced, and weights that were written to.
    """
    return tuple((id(module), type(module), tuple(_parts(module))) for module in net.modules())


def _parts(module: nn.Module) -> Iterator[tuple[str, Any]]:
    for name, value in vars(module).items():
        if name == "training":
            continue
        several = value.items() if isinstance(value, dict) else value if isinstance(value, list | set) else None
        yield name, _one(value) if several is None else tuple(map(_one, several))


def _one(value: Any) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        return id(value), value._version
    if isinstance(value, tuple):
        return tuple(map(_one, value))
    return value if isinstance(value, bool | int | float | str | None) else id(value)


def copied(owner: Any, memo: dict[int, Any]) -> Any:
    """A deep copy of what owns a network; the value it was made from is shared."""
    memo[id(owner.handle)] = owner.handle
    made = memo[id(owner)] = object.__new__(type(owner))
    vars(made).update(copy.deepcopy(vars(owner), memo))
    return made


class Held:
    """A network kept in memory as long as its owner lives, with weights that can be read and changed.

    kind: the class by which foreign code knows it.
    """

    def __init__(self, owner: Any, blueprint: Blueprint, residency: Residency, kind: type) -> None:
        self._stack = ExitStack()
        self.net: nn.Module = self._stack.enter_context(residency.use(blueprint, pack=False))
        if issubclass(kind, type(self.net)):
            self.net.__class__ = kind
        self.first = made_of(self.net)
        weakref.finalize(owner, self._stack.close)
