"""The records a declaration is read into, and the words it is written with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import EnumType
from functools import cached_property
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
class Autogrow:
    """A `dict[str, T]` input that grows as links are added: `prefix0`, `prefix1`, ... up to `max`, or these `names`."""

    min: int = 1
    max: int = 10
    prefix: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Extra:
    """Options for the editor, handed through as they are."""

    options: Mapping[str, Any]


@dataclass(frozen=True)
class Hidden:
    """A parameter filled by the run.

    UNIQUE_ID, PROMPT, EXTRA_PNGINFO, DYNPROMPT, AUTH_TOKEN_COMFY_ORG or API_KEY_COMFY_ORG.
    """

    what: str


# --- records --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Match:
    """Inputs and outputs with the same template have the same type, one of `allowed` (a comma list, or `*`)."""

    template: str
    allowed: str = "*"


@dataclass(frozen=True, eq=False)
class Grow:
    """An input that stands for several of a kind. template: as declared; members: all that there may be, in order.

    Files name a member `group.member`; the node gets a dict of those that are there.
    """

    template: Input
    members: tuple[Input, ...]
    min: int = 1
    prefix: str | None = None


@dataclass(frozen=True, eq=False)
class Mode:
    """One choice of an input that decides which others there are. make: from the dict of them to what the node gets."""

    key: str
    inputs: tuple[Input, ...]
    make: Callable[[dict[str, Any]], Any] | None = None


@dataclass(frozen=True, eq=False)
class Input:
    """One input of a node. `name` is public, `param` the Python parameter.

    type: socket name; COMBO for choices. `widget`: literals are accepted. grow, modes, shows: a dynamic input, which
    stands for others whose names begin with its own and a dot (see dynamic.py). enum, cast: make of a value what the
    function gets. config: what the editor is told, where
    it is not made from the rest.
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
    cast: Callable[[Any], Any] | None = None
    lazy: bool = False
    raw_link: bool = False
    is_list: bool = False
    checked: bool = True
    tooltip: str = ""
    title: str | None = None
    upload: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    match: Match | None = None
    grow: Grow | None = None
    modes: tuple[Mode, ...] = ()
    shows: tuple[Input, ...] = ()
    config: Sequence[Any] | None = None

    @property
    def dynamic(self) -> bool:
        return bool(self.grow or self.modes or self.shows)

    def plain(self) -> list[Input]:
        """All inputs it may stand for, itself if it takes a link or value of its own."""
        found: list[Input] = [] if self.grow else [self]
        inner = [*(self.grow.members if self.grow else ()), *self.shows]
        for mode in self.modes:
            inner += mode.inputs
        for port in inner:
            found += port.plain()
        return found


@dataclass(frozen=True, eq=False)
class Output:
    """One output of a node."""

    name: str
    type: str
    is_list: bool = False
    tooltip: str = ""
    match: str | None = None


@dataclass(frozen=True, eq=False)
class Hook:
    """A function beside the node (`reads`, `validate`, `needs`), sync or async, that names the inputs it wants to see.

    `ctx` and `services` may be asked for too. classic: called by the ecosystem's rules instead, which pass only inputs
    that the workflow gives, hidden ones among them.
    """

    function: Callable[..., Any]
    names: frozenset[str]
    all: bool = False
    classic: bool = False

    def wants(self, name: str) -> bool:
        return self.all or name in self.names

    def __call__(self, values: Mapping[str, Any], ctx: Context) -> Any:
        given = {name: value for name, value in values.items() if self.wants(name)}
        if self.classic:
            return self.function(**given)
        if "ctx" in self.names:
            given["ctx"] = ctx
        if "services" in self.names:
            given["services"] = ctx.services
        return self.function(**given)


@dataclass(frozen=True, eq=False)
class NodeSpec:
    """Everything known about one node class. Read once from a signature; all else are views of it.

    variadic: links to inputs that are not declared are taken. open: values for such inputs too. own: no other engine
    has this id, so a pack may take it. idempotent=False: two nodes with the same inputs are still two. lasting=False:
    its results, and what is made of them, are forgotten with the process. acts: it is run for what it does; only files
    that it has shown stand for that after another run or in another process. info: makes the editor's whole entry,
    where it is not made from the rest.
    """

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
    own: bool = False
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
    open: bool = False
    idempotent: bool = True
    lasting: bool = True
    acts: bool = False
    info: Callable[[Services], Mapping[str, Any]] | None = None

    @cached_property
    def plain(self) -> tuple[Input, ...]:
        """All inputs that links and values may go to: dynamic ones as what they may stand for."""
        return tuple(found for port in self.inputs for found in port.plain())

    @cached_property
    def dynamic(self) -> tuple[Input, ...]:
        return tuple(port for port in self.inputs if port.dynamic)

    def input(self, name: str) -> Input | None:
        return next((i for i in (*self.inputs, *(self.plain if self.dynamic else ())) if i.name == name), None)

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
