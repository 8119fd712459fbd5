"""The node API: a typed function under @node is a node.

@node("LatentBlend", category="latent")
def latent_blend(a: Latent, b: Latent, factor: Annotated[float, Range(0, 1, step=0.01)] = 0.5) -> Latent: ...
"""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar
from typing import Any as _Any

from ..errors import DeclarationError
from .context import Blocker, Context, Expand, Lazy, Listing, NeedsInput, Raw, Services, Shown
from .declare import Reader
from .dynamic import autogrow, dynamic_combo, dynamic_slot, regroup, spread, unfold
from .ports import (
    SPEC,
    Autogrow,
    Choices,
    Extra,
    Hidden,
    Hook,
    Input,
    Match,
    NodeSpec,
    Optional,
    Out,
    Output,
    Port,
    Range,
    Text,
    Upload,
    spec_of,
)
from .prompt import DynPrompt, Lineage, is_link
from .views import object_info

if TYPE_CHECKING:
    Any = _Any
else:

    class Any:
        """Annotation of an input that takes every type."""

        socket = "*"


__all__ = [
    "Any",
    "Autogrow",
    "Blocker",
    "Catalog",
    "Choices",
    "Context",
    "DynPrompt",
    "Expand",
    "Extra",
    "Hidden",
    "Hook",
    "Input",
    "Lazy",
    "Lineage",
    "Listing",
    "Match",
    "NeedsInput",
    "NodeSpec",
    "Optional",
    "Out",
    "Output",
    "Port",
    "Range",
    "Raw",
    "Services",
    "Shown",
    "Text",
    "Upload",
    "autogrow",
    "dynamic_combo",
    "dynamic_slot",
    "is_link",
    "node",
    "object_info",
    "regroup",
    "spec_of",
    "spread",
    "unfold",
]

F = TypeVar("F", bound=Callable[..., _Any])


def node(
    id: str,
    *,
    category: str = "",
    version: int = 1,
    title: str | None = None,
    output: bool = False,
    pure: bool = True,
    aliases: tuple[str, ...] = (),
    own: bool = False,
    experimental: bool = False,
    deprecated: bool = False,
    reads: Callable[..., _Any] | None = None,
    validate: Callable[..., str | Mapping[str, str] | None] | None = None,
) -> Callable[[F], F]:
    """Declare a function to be the node `id`. The function itself is returned, so it is called as before.

    version: raise it when the node's result changes, so that stored results are not taken for new ones.
    pure=False: the result depends on more than the inputs; never cached.
    own: no other engine has this id; where a pack brings a node of that name, the pack's has it.
    reads: fingerprint of what the node reads from the world (a file's hash), from its literal inputs.
    validate: why these literals cannot work, as text or by input, or None. Linked inputs are None.
    Raises DeclarationError when the declaration contradicts itself.
    """
    names = sys._getframe(1).f_locals

    def declare(function: F) -> F:
        reader = Reader(id, function, names)
        inputs, context, hidden, variadic = reader.ports()
        outputs, packed = reader.outputs()
        if not outputs and not output:
            reader.fail("it returns nothing and is no output", "Say output=True, or return something.")
        spec = NodeSpec(
            id=id,
            function=function,
            inputs=inputs,
            outputs=outputs,
            title=title or id,
            category=category,
            version=version,
            description=inspect.cleandoc(function.__doc__ or ""),
            output=output,
            pure=pure,
            aliases=tuple(aliases),
            own=own,
            experimental=experimental,
            deprecated=deprecated,
            context=context,
            hidden=hidden,
            variadic=variadic,
            packed=packed,
            input_is_list=any(i.is_list for i in inputs),
            is_async=inspect.iscoroutinefunction(function),
            reads=reader.hook("reads", reads, inputs),
            validate=reader.hook("validate", validate, inputs),
            module=function.__module__,
        )
        setattr(function, SPEC, spec)
        return function

    return declare


class Catalog(Mapping[str, NodeSpec]):
    """The node classes of one engine, by id and alias. Iterates over ids, aliases included.

    absent: what to say of classes that are known but not there. elsewhere: what the ids are in another program that
    holds these nodes; they are understood, and not listed.
    """

    def __init__(
        self,
        nodes: Iterable[NodeSpec | Callable[..., _Any]] = (),
        absent: Mapping[str, str] | None = None,
        elsewhere: Mapping[str, NodeSpec] | None = None,
    ) -> None:
        self.absent: Mapping[str, str] = {} if absent is None else absent
        self.elsewhere: Mapping[str, NodeSpec] = {} if elsewhere is None else elsewhere
        self._specs: dict[str, NodeSpec] = {}
        for spec in map(spec_of, nodes):
            for name in spec.ids:
                other = self._specs.setdefault(name, spec)
                if other is not spec:
                    raise DeclarationError(
                        f"two nodes are called {name}",
                        got=f"{other.module}.{other.function.__name__} and {spec.module}.{spec.function.__name__}",
                        remedy="Give one another id, or drop the alias.",
                    )

    @classmethod
    def of_modules(cls, *modules: ModuleType) -> Catalog:
        """Every node that these modules define, in their order."""
        return cls(
            found
            for module in modules
            for found in vars(module).values()
            if isinstance(getattr(found, SPEC, None), NodeSpec) and found.__module__ == module.__name__
        )

    def __getitem__(self, id: str) -> NodeSpec:
        found = self._specs.get(id)
        return self.elsewhere[id] if found is None else found

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def specs(self) -> list[NodeSpec]:
        """Each spec once, aliases left out."""
        return [spec for name, spec in self._specs.items() if name == spec.id]

    def plus(self, nodes: Iterable[NodeSpec | Callable[..., _Any]], absent: Mapping[str, str] | None = None) -> Catalog:
        """This catalogue and more nodes; an id that is taken is refused."""
        return Catalog([*self.specs(), *map(spec_of, nodes)], self.absent if absent is None else absent, self.elsewhere)

    def yielding(self, names: Container[str]) -> Catalog:
        """This catalogue without these ids and aliases."""
        left = [
            replace(spec, aliases=tuple(name for name in spec.aliases if name not in names))
            for spec in self.specs()
            if spec.id not in names
        ]
        return Catalog(left, self.absent, self.elsewhere)

    def similar(self, id: str) -> list[str]:
        """Ids close to a misspelt one."""
        folded = {name.lower(): name for name in self._specs}
        return [folded[n] for n in difflib.get_close_matches(id.lower(), folded, n=3, cutoff=0.6)]
