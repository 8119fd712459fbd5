"""The records a declaration is read into, and the words it is written with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import EnumType
from typing import Any

from ..errors import DeclarationError
from .context import Context, Listing, Services

# --- words for Annotated[...] ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Range:
    """Bounds of an int or float. `control` offers "change after each run" beside the widget."""

    min: float | None = None
    max: float | None = None
    step: float | None = None
    round: float | None = None
    control: bool | str = False


@dataclass(frozen=True)
class Text:
    """How a string is edited."""

    multiline: bool = False
    dynamic_prompts: bool = False
    placeholder: str | None = None


@dataclass(frozen=True)
class Choices:
    """A string out of a list: fixed names, or a function of the engine's services.

    `open` accepts values outside the list; the node's own `validate` decides about those.
    """

    options: Sequence[str] | Callable[[Services], Sequence[str] | None]
    open: bool = False
    kind: str = ""

    @classmethod
    def of_kind(cls, kind: str, open: bool = False) -> Choices:
        """Names that the engine's Listing knows under `kind`."""

        def listed(services: Services) -> Sequence[str] | None:
            listing: Listing | None = services.get(Listing)
            return None if listing is None else listing.choices(kind)

        return cls(listed, open, kind)

    @classmethod
    def files(cls, folder: str, open: bool = False) -> Choices:
        """Model files of one model folder: `checkpoints`, `loras`, `vae`, ..."""
        return cls.of_kind(folder, open)

    @classmethod
    def input_images(cls) -> Choices:
        """Images of the input folder; any other existing file name is the node's `validate` to accept."""
        return cls.of_kind("input_images", open=True)

    def names(self, services: Services) -> tuple[str, ...] | None:
        """The list now; None when it cannot be known here."""
        found = self.options(services) if callable(self.options) else self.options
        return None if found is None else tuple(found)


@dataclass(frozen=True)
class Port:
    """Public name of an input where a Python identifier cannot say it, and its label."""

    name: str | None = None
    title: str | None = None


@dataclass(frozen=True)
class Out:
    """Public name of an output where it differs from the socket type or the field's name."""

    name: str


@dataclass(frozen=True)
class Optional:
    """Marks a widget with a default that files may leave out."""


@dataclass(frozen=True)
class Upload:
    """A button to upload a file of that sort (`image`, `audio`, `video`) beside a list of files."""

    sort: str = "image"


@dataclass(frozen=True)
class Extra:
    """Options for the editor, handed through as they are."""

    options: Mapping[str, Any]


@dataclass(frozen=True)
class Hidden:
    """A parameter filled by the run: UNIQUE_ID, PROMPT, EXTRA_PNGINFO or DYNPROMPT."""

    what: str


# --- records --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Input:
    """One input of a node. `name` is public, `param` the Python parameter.

    type: socket name; COMBO for choices. `widget`: literals are accepted.
    """

    name: str
    type: str
    param: str
    required: bool = True
    widget: bool = False
    default: Any = None
    has_default: bool = False
    range: Range | None = None
    text: Text | None = None
    choices: Choices | None = None
    enum: EnumType | None = None
    lazy: bool = False
    raw_link: bool = False
    is_list: bool = False
    checked: bool = True
    tooltip: str = ""
    title: str | None = None
    upload: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Output:
    """One output of a node."""

    name: str
    type: str
    is_list: bool = False
    tooltip: str = ""


@dataclass(frozen=True, eq=False)
class Hook:
    """A function beside the node (`reads`, `validate`) that names the inputs it wants to see.

    Linked inputs are seen as None. `ctx` and `services` may be asked for too.
    """

    function: Callable[..., Any]
    names: frozenset[str]
    all: bool = False

    def __call__(self, literals: Mapping[str, Any], ctx: Context) -> Any:
        given = dict(literals) if self.all else {k: v for k, v in literals.items() if k in self.names}
        if "ctx" in self.names:
            given["ctx"] = ctx
        if "services" in self.names:
            given["services"] = ctx.services
        return self.function(**given)


@dataclass(frozen=True, eq=False)
class NodeSpec:
    """Everything known about one node class. Read once from a signature; all else are views of it."""

    id: str
    function: Callable[..., Any]
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    title: str
    category: str = ""
    version: int | str = 1
    description: str = ""
    output: bool = False
    pure: bool = True
    aliases: tuple[str, ...] = ()
    experimental: bool = False
    deprecated: bool = False
    context: str | None = None
    hidden: Mapping[str, str] = field(default_factory=dict)
    variadic: bool = False
    packed: bool = False
    input_is_list: bool = False
    is_async: bool = False
    reads: Hook | None = None
    validate: Hook | None = None
    needs: Hook | None = None
    module: str = ""

    def input(self, name: str) -> Input | None:
        return next((i for i in self.inputs if i.name == name), None)

    @property
    def ids(self) -> tuple[str, ...]:
        return (self.id, *self.aliases)


SPEC = "__carrara_node__"


def spec_of(node: Callable[..., Any] | NodeSpec) -> NodeSpec:
    """The spec of a decorated function (a spec is handed back as it is)."""
    if isinstance(node, NodeSpec):
        return node
    found = getattr(node, SPEC, None)
    if not isinstance(found, NodeSpec):
        raise DeclarationError(
            f"{getattr(node, '__qualname__', node)} is not a node", remedy='Put @node("Name", category="...") above it.'
        )
    return found
