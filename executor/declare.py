"""Reads a node's signature into a NodeSpec, and says what to write instead where it contradicts itself."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, NoReturn

from ..errors import DeclarationError
from .context import Blocker, Context, Expand, Lazy, Raw, Shown
from .declare_dynamic import choosing, growing, is_choice
from .dynamic import MATCH
from .ports import (
    Choices,
    Extra,
    Hidden,
    Hook,
    Input,
    Match,
    Optional,
    Out,
    Output,
    Port,
    Range,
    Text,
    Upload,
)

SCALARS: Mapping[type, str] = {int: "INT", float: "FLOAT", str: "STRING", bool: "BOOLEAN"}
WIDGETS = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "IMAGECOMPARE"})
HIDDEN = frozenset({"UNIQUE_ID", "PROMPT", "EXTRA_PNGINFO", "DYNPROMPT", "AUTH_TOKEN_COMFY_ORG", "API_KEY_COMFY_ORG"})
NONE = type(None)


class Reader:
    """One function being read; knows how to name it in errors."""

    def __init__(self, id: str, function: Callable[..., Any], names: Mapping[str, Any]) -> None:
        self.id = id
        self.function = function
        self.where = f"node {id} ({function.__module__}.{function.__qualname__})"
        try:
            self.hints = typing.get_type_hints(function, localns=dict(names), include_extras=True)
        except NameError as error:
            self.fail(f"an annotation names something undefined: {error}", "Import it at the top of the module.")
        except TypeError as error:
            self.fail(f"an annotation cannot be read: {error}", "Write a plain type or Annotated[type, ...].")

    def fail(self, message: str, remedy: str, got: Any = None) -> NoReturn:
        raise DeclarationError(f"{self.where}: {message}", got=got, remedy=remedy)

    # --- types ---------------------------------------------------------------------------------------------

    def split(self, hint: Any) -> tuple[Any, list[Any]]:
        """The bare type and everything Annotated says about it."""
        said: list[Any] = []
        while typing.get_origin(hint) is typing.Annotated:
            hint, *more = typing.get_args(hint)
            said = [*more, *said]
        return hint, said

    def members(self, hint: Any) -> list[Any]:
        if typing.get_origin(hint) in (typing.Union, types.UnionType):
            return list(typing.get_args(hint))
        return [hint]

    def socket(self, hint: Any, name: str) -> str:
        """The socket type of one bare type or a union of them."""
        found = []
        for member in self.members(hint):
            member, _ = self.split(member)
            if member in SCALARS:
                found.append(SCALARS[member])
            elif isinstance(getattr(member, "socket", None), str):
                found.append(member.socket)
            elif isinstance(member, type) and issubclass(member, Enum):
                found.append("COMBO")
            elif isinstance(member, typing.TypeVar):
                found.append(MATCH)
            else:
                self.fail(
                    f"{name} has a type that is no socket",
                    'Use int, float, str, bool, an Enum, Any, or a class with `socket: ClassVar[str] = "NAME"`.',
                    got=member,
                )
        return ",".join(dict.fromkeys(found))

    # --- inputs --------------------------------------------------------------------------------------------

    def only(self, said: list[Any], kind: type, name: str) -> Any:
        found = [s for s in said if isinstance(s, kind)]
        if len(found) > 1:
            self.fail(f"{name} has {kind.__name__} twice", "Keep one.")
        return found[0] if found else None

    def match(self, hint: Any, name: str) -> Match | None:
        """A type variable: what has the same one has the same type."""
        if not isinstance(hint, typing.TypeVar):
            return None
        among = hint.__constraints__ or ((hint.__bound__,) if hint.__bound__ is not None else ())
        return Match(_template(hint), ",".join(self.socket(one, name) for one in among) or "*")

    def input(self, name: str, hint: Any, default: Any = inspect.Parameter.empty) -> Input:
        hint, said = self.split(hint)
        has_default = default is not inspect.Parameter.empty
        default = default if has_default else None

        absent = NONE in self.members(hint)
        if absent:
            rest = [m for m in self.members(hint) if m is not NONE]
            hint, more = self.split(rest[0] if len(rest) == 1 else typing.Union[tuple(rest)])  # noqa: UP007
            said = [*more, *said]
            if not has_default or default is not None:
                self.fail(f"{name} may be None but does not default to it", f"Write `{name}: ... | None = None`.")
        if typing.get_origin(hint) is dict:
            return growing(self, name, hint, said, absent)
        if all(is_choice(member) for member in self.members(hint)):
            return choosing(self, name, hint, said, absent)
        lazy = typing.get_origin(hint) is Lazy
        if lazy:
            hint, more = self.split(typing.get_args(hint)[0])
            said = [*more, *said]
        raw = typing.get_origin(hint) is Raw
        if raw:
            hint, more = self.split(typing.get_args(hint)[0])
            said = [*more, *said]
        is_list = typing.get_origin(hint) is list
        if is_list:
            hint, more = self.split(typing.get_args(hint)[0])
            said = [*more, *said]

        range_, text = self.only(said, Range, name), self.only(said, Text, name)
        choices, port = self.only(said, Choices, name), self.only(said, Port, name) or Port()
        upload, extra = self.only(said, Upload, name), self.only(said, Extra, name)
        enum = hint if isinstance(hint, type) and issubclass(hint, Enum) else None
        socket = self.socket(hint, name)
        if enum is not None:
            if choices is not None:
                self.fail(f"{name} is an Enum and has Choices too", "Keep one of the two.")
            values = [m.value for m in enum]
            if not all(isinstance(v, str) for v in values):
                self.fail(f"{name}: the values of {enum.__name__} are not all strings", "Use a StrEnum.", got=values)
            choices = Choices(tuple(values))
            if isinstance(default, enum):
                default = default.value
        elif choices is not None:
            if socket != "STRING":
                self.fail(f"{name} has Choices but is {socket}", f"Write `{name}: Annotated[str, Choices(...)]`.")
            socket = "COMBO"
        if range_ is not None and socket not in ("INT", "FLOAT"):
            self.fail(f"{name} has a Range but is {socket}", "Range goes with int or float.")
        if text is not None and socket != "STRING":
            self.fail(f"{name} has Text but is {socket}", "Text goes with str.")
        widget = all(t in WIDGETS or t in ("*", MATCH) for t in socket.split(","))
        known = socket in WIDGETS
        if has_default and default is not None and not known and socket != "*":
            self.fail(f"{name} is a socket and cannot have a default", f"Write `{name}: {socket} | None = None`.")
        if known and has_default and not absent:
            default = self.default(name, socket, default, range_, choices)
        optional = self.only(said, Optional, name) is not None
        if optional and not has_default:
            self.fail(f"{name} is Optional() but has no default", f"Write `{name}: ... = value`.")
        return Input(
            name=port.name or name,
            type=socket,
            param=name,
            required=not (absent or optional or (has_default and not known)),
            widget=widget,
            default=default,
            has_default=has_default and not absent and known,
            range=self.range(name, socket, range_),
            text=text,
            choices=choices,
            enum=enum,
            lazy=lazy or raw,
            raw_link=raw,
            cast=Raw.of if raw else None,
            is_list=is_list,
            checked=choices is None or not choices.open,
            tooltip=" ".join(s for s in said if isinstance(s, str)),
            title=port.title,
            upload=None if upload is None else upload.sort,
            extra={} if extra is None else dict(extra.options),
            match=self.match(hint, name),
        )

    def range(self, name: str, socket: str, range_: Range | None) -> Range | None:
        if range_ is None:
            return None
        if range_.min is not None and range_.max is not None and range_.min > range_.max:
            self.fail(f"{name} has an empty Range", "Write Range(smallest, largest).", got=range_)
        cast = float if socket == "FLOAT" else _whole
        try:
            low, high, step = (None if v is None else cast(v) for v in (range_.min, range_.max, range_.step))
        except ValueError:
            self.fail(f"{name} is an int with a fractional Range", "Use whole numbers, or float.", got=range_)
        return Range(low, high, step, round=range_.round, control=range_.control)

    def default(self, name: str, socket: str, value: Any, range_: Range | None, choices: Choices | None) -> Any:
        fits = {
            "INT": isinstance(value, int) and not isinstance(value, bool),
            "FLOAT": isinstance(value, int | float) and not isinstance(value, bool),
            "STRING": isinstance(value, str),
            "COMBO": isinstance(value, str),
            "BOOLEAN": isinstance(value, bool),
        }[socket]
        if not fits:
            self.fail(f"the default of {name} is no {socket}", "Change the type or the default.", got=value)
        if socket == "FLOAT":
            value = float(value)
            if not math.isfinite(value):
                self.fail(f"the default of {name} is not a finite number", "Choose a finite one.", got=value)
        if range_ is not None:
            low = -math.inf if range_.min is None else range_.min
            high = math.inf if range_.max is None else range_.max
            if not low <= value <= high:
                self.fail(f"the default of {name} lies outside its Range", "Widen one or move the other.", got=value)
        if choices is not None and not callable(choices.options) and not choices.open and value not in choices.options:
            self.fail(f"the default of {name} is not among its choices", "Add it, or choose another.", got=value)
        return value

    # --- outputs -------------------------------------------------------------------------------------------

    def outputs(self) -> tuple[tuple[Output, ...], bool]:
        """The outputs, and whether the function returns them as a tuple."""
        if "return" not in self.hints:
            self.fail("no return annotation", "Write `-> Type`, a NamedTuple for several, or `-> None`.")
        hint, said = self.split(self.hints["return"])
        hint = self.value(hint)
        if hint is None:
            return (), True
        hint, more = self.split(hint)
        if isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields"):
            fields = typing.get_type_hints(hint, include_extras=True)
            return tuple(self.output(field, fields[field], []) for field in hint._fields), True
        if hint is tuple or typing.get_origin(hint) is tuple:
            self.fail("it returns a bare tuple", "Name the outputs: class Result(NamedTuple): image: Image.")
        return (self.output(None, hint, [*more, *said]),), False

    def value(self, hint: Any) -> Any:
        """What a result is when it is a value: a union without Shown, Blocker and Expand. None: never one."""
        rest = [m for m in self.members(hint) if m not in (NONE, Shown, Blocker, Expand)]
        if len(rest) < 2:
            return rest[0] if rest else None
        return typing.Union[tuple(rest)]  # noqa: UP007

    def output(self, field: str | None, hint: Any, said: list[Any]) -> Output:
        hint, more = self.split(hint)
        said = [*more, *said]
        hint, more = self.split(self.value(hint))
        said = [*more, *said]
        is_list = typing.get_origin(hint) is list
        if is_list:
            hint, more = self.split(typing.get_args(hint)[0])
            said = [*more, *said]
        socket = self.socket(hint, "the output" if field is None else f"output {field}")
        if any(isinstance(s, Choices) for s in said):
            socket = "COMBO"
        out = self.only(said, Out, field or "the output")
        match = self.match(hint, field or "the output")
        name = out.name if out is not None else field or (socket if match is None else "output")
        tooltip = " ".join(s for s in said if isinstance(s, str))
        return Output(name, socket, is_list, tooltip, None if match is None else match.template)

    # --- the whole -----------------------------------------------------------------------------------------

    def ports(self) -> tuple[tuple[Input, ...], str | None, dict[str, str], bool]:
        """Inputs, the Context parameter, hidden parameters, and whether any further link is taken."""
        inputs: list[Input] = []
        context: str | None = None
        hidden: dict[str, str] = {}
        variadic = False
        for parameter in inspect.signature(self.function).parameters.values():
            name = parameter.name
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                variadic = True
                continue
            if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY):
                self.fail(f"{name} cannot be passed by name", "Give every input a name of its own.")
            if name not in self.hints:
                self.fail(f"{name} has no type", f"Write `{name}: Type`.")
            bare, said = self.split(self.hints[name])
            if bare is Context:
                if context is not None:
                    self.fail("it has two Context parameters", "Keep one.")
                context = name
                continue
            filled = self.only(said, Hidden, name)
            if filled is not None:
                if filled.what not in HIDDEN:
                    self.fail(f"{name} is hidden but unknown", f"Use one of {', '.join(sorted(HIDDEN))}.", filled.what)
                hidden[name] = filled.what
                continue
            inputs.append(self.input(name, self.hints[name], parameter.default))
        names = [i.name for i in inputs]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            self.fail(f"two inputs are called {', '.join(twice)}", "Give each Port(name=...) its own name.")
        return tuple(inputs), context, hidden, variadic

    def hook(self, what: str, function: Callable[..., Any] | None, inputs: tuple[Input, ...]) -> Hook | None:
        if function is None:
            return None
        parameters = inspect.signature(function).parameters.values()
        known = {i.param for i in inputs} | {"ctx", "services"}
        named = frozenset(p.name for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD)
        strange = sorted(named - known)
        if strange:
            self.fail(f"{what} asks for {', '.join(strange)}", f"It may ask for {', '.join(sorted(known))}.")
        return Hook(function, named, any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters))


def _template(variable: typing.TypeVar) -> str:
    """InputType -> input_type."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in variable.__name__).lstrip("_")


def _whole(value: float) -> int:
    if int(value) != value:
        raise ValueError(value)
    return int(value)
