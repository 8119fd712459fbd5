"""Declarations: what a signature is read into, and what is said about a bad one."""

from __future__ import annotations

from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, ClassVar, NamedTuple

import pytest

from carrara.errors import CarraraError, DeclarationError, Interrupted
from carrara.executor import views
from carrara.executor.spec import Any as AnyValue
from carrara.executor.spec import (
    Catalog,
    Choices,
    Context,
    Extra,
    Hidden,
    Lazy,
    Listing,
    Optional,
    Out,
    Port,
    Range,
    Shown,
    Text,
    Upload,
    node,
    spec_of,
)


class Picture:
    socket: ClassVar[str] = "PICTURE"


class Sound:
    socket: ClassVar[str] = "SOUND"


class Mode(StrEnum):
    FAST = "fast"
    GOOD = "good"


class Level(IntEnum):
    ONE = 1


class Mixed(Enum):
    A = "a"
    B = 2


class Both(NamedTuple):
    picture: Annotated[Picture, Out("PICTURE"), "What is seen."]
    sound: Sound


@node("Everything", category="test", title="All of it", aliases=("Every",), version=3, deprecated=True)
def everything(
    *,
    picture: Annotated[Picture, "The", "picture."],
    seed: Annotated[int, Range(0, 2**64 - 1, control=True)] = 0,
    strength: Annotated[float, Range(0, 1, step=0.01, round=0.001)] = 1,
    text: Annotated[str, Text(multiline=True, dynamic_prompts=True, placeholder="words")],
    mode: Mode = Mode.GOOD,
    model: Annotated[str, Choices.files("checkpoints")],
    upload: Annotated[str, Choices.input_images(), Upload("image")],
    flag: bool = False,
    either: Picture | Sound,
    dashed: Annotated[int, Port(name="a-b", title="A to B")] = 3,
    device: Annotated[str, Choices(("default", "cpu")), Optional(), Extra({"advanced": True})] = "default",
    spare: Annotated[Picture | None, "Maybe."] = None,
    later: Lazy[Sound] | None = None,
    anything: AnyValue | None = None,
    ctx: Context,
    prompt: Annotated[dict[str, Any] | None, Hidden("PROMPT")] = None,
) -> Both:
    """Uses every word there is.

    More about it.
    """
    return Both(Picture(), Sound())


class Files:
    def choices(self, kind: str) -> tuple[str, ...] | None:
        return {"checkpoints": ("a.safetensors", "b.safetensors")}.get(kind)


SERVICES = {Listing: Files()}


def test_the_node_listing_says_all_that_the_signature_says() -> None:
    info = views.object_info(spec_of(everything), SERVICES)
    assert info["input"]["required"] == {
        "picture": ["PICTURE", {"tooltip": "The picture."}],
        "seed": ["INT", {"default": 0, "min": 0, "max": 2**64 - 1, "control_after_generate": True}],
        "strength": ["FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01, "round": 0.001}],
        "text": ["STRING", {"multiline": True, "dynamicPrompts": True, "placeholder": "words"}],
        "mode": [["fast", "good"], {"default": "good"}],
        "model": [["a.safetensors", "b.safetensors"], {}],
        "upload": [[], {"image_upload": True}],
        "flag": ["BOOLEAN", {"default": False}],
        "either": ["PICTURE,SOUND", {}],
        "a-b": ["INT", {"default": 3, "display_name": "A to B"}],
    }
    assert info["input"]["optional"] == {
        "device": [["default", "cpu"], {"default": "default", "advanced": True}],
        "spare": ["PICTURE", {"tooltip": "Maybe."}],
        "later": ["SOUND", {"lazy": True}],
        "anything": ["*", {}],
    }
    assert info["input"]["hidden"] == {"prompt": "PROMPT"}
    assert info["input_order"]["required"] == list(info["input"]["required"])
    assert info["output"] == ["PICTURE", "SOUND"]
    assert info["output_name"] == ["PICTURE", "sound"]
    assert info["output_tooltips"] == ["What is seen.", ""]
    assert info["output_is_list"] == [False, False]
    assert (info["name"], info["display_name"], info["category"]) == ("Everything", "All of it", "test")
    assert info["deprecated"] is True and "experimental" not in info
    assert info["description"].startswith("Uses every word there is.\n\nMore")
    assert type(info["input"]["required"]["strength"][1]["default"]) is float


def test_json_schema_holds_literals_only() -> None:
    schema = views.json_schema(spec_of(everything), SERVICES)
    assert "picture" not in schema["properties"]
    assert schema["properties"]["model"]["enum"] == ["a.safetensors", "b.safetensors"]
    assert schema["properties"]["strength"] == {"type": "number", "minimum": 0.0, "maximum": 1.0, "default": 1.0}
    assert schema["required"] == ["text", "model", "upload"]


def test_the_function_is_still_the_function() -> None:
    @node("Twice", category="test")
    def twice(value: int) -> int:
        return 2 * value

    assert twice(4) == 8
    assert spec_of(twice).function is twice


def test_hidden_sockets_of_an_output_node() -> None:
    @node("Sink", category="test", output=True)
    def sink(value: AnyValue, many: list[Picture]) -> Shown | None: ...

    spec = spec_of(sink)
    assert spec.outputs == () and spec.input_is_list and spec.inputs[1].is_list


def refuse(function: Any, match: str, **options: Any) -> str:
    with pytest.raises(DeclarationError, match=match) as caught:
        node("Bad", category="test", **options)(function)
    assert "Bad" in caught.value.message and caught.value.remedy, "it must say what to write instead"
    return caught.value.remedy


def test_contradictions_are_refused_with_a_remedy() -> None:
    def no_type(value) -> int: ...  # type: ignore[no-untyped-def]
    def no_return(value: int): ...  # type: ignore[no-untyped-def]
    def range_on_text(value: Annotated[str, Range(0, 1)]) -> int: ...
    def empty_range(value: Annotated[int, Range(2, 1)]) -> int: ...
    def half_steps(value: Annotated[int, Range(0, 1.5)]) -> int: ...
    def outside(value: Annotated[int, Range(0, 1)] = 2) -> int: ...
    def text_on_number(value: Annotated[int, Text()]) -> int: ...
    def choices_on_number(value: Annotated[int, Choices(("a",))]) -> int: ...
    def no_such_choice(value: Annotated[str, Choices(("a",))] = "b") -> int: ...
    def wrong_default(value: int = "x") -> int: ...  # type: ignore[assignment]
    def flag_for_number(value: int = True) -> int: ...
    def nan(value: float = float("nan")) -> int: ...
    def socket_default(value: Picture = Picture()) -> int: ...  # noqa: B008
    def none_not_default(value: Picture | None) -> int: ...
    def optional_bare(value: Annotated[int, Optional()]) -> int: ...
    def no_socket(value: complex) -> int: ...
    def positional(value: int, /) -> int: ...
    def star(*values: int) -> int: ...
    def two_contexts(a: Context, b: Context) -> int: ...
    def same_name(a: int, b: Annotated[int, Port(name="a")]) -> int: ...
    def twice_range(a: Annotated[int, Range(0), Range(1)]) -> int: ...
    def bare_tuple(a: int) -> tuple[int, int]: ...
    def nothing(a: int) -> None: ...
    def hidden(a: Annotated[str | None, Hidden("MOON")] = None) -> int: ...

    refuse(no_type, "has no type")
    refuse(no_return, "no return annotation")
    refuse(range_on_text, "has a Range but is STRING")
    refuse(empty_range, "empty Range")
    refuse(half_steps, "fractional Range")
    refuse(outside, "outside its Range")
    refuse(text_on_number, "has Text but is INT")
    refuse(choices_on_number, "has Choices but is INT")
    refuse(no_such_choice, "not among its choices")
    refuse(wrong_default, "is no INT")
    refuse(flag_for_number, "is no INT")
    refuse(nan, "not a finite number")
    refuse(socket_default, "cannot have a default")
    refuse(none_not_default, "does not default to it")
    refuse(optional_bare, "has no default")
    refuse(no_socket, "no socket")
    refuse(positional, "cannot be passed by name")
    refuse(star, "cannot be passed by name")
    refuse(two_contexts, "two Context")
    refuse(same_name, "two inputs are called a")
    refuse(twice_range, "Range twice")
    assert "NamedTuple" in refuse(bare_tuple, "bare tuple")
    assert "output=True" in refuse(nothing, "returns nothing")
    refuse(hidden, "hidden but unknown")


def test_enums_must_hold_strings() -> None:
    def level(value: Level) -> int: ...
    def mixed(value: Mixed) -> int: ...

    refuse(level, "not all strings")
    refuse(mixed, "not all strings")


def test_undefined_names_are_refused() -> None:
    def missing(value: Nowhere) -> int: ...  # type: ignore[name-defined]  # noqa: F821

    refuse(missing, "undefined")


def test_hooks_may_only_name_inputs() -> None:
    def plain(value: int) -> int: ...

    refuse(plain, "reads asks for valu", reads=lambda valu: 0)
    node("Fine", reads=lambda value, ctx: 0, validate=lambda services, **all: None)(plain)


def test_catalogue() -> None:
    catalogue = Catalog([everything])
    assert catalogue["Every"] is catalogue["Everything"]
    assert [s.id for s in catalogue.specs()] == ["Everything"]
    assert catalogue.similar("everthing") == ["Everything"]
    with pytest.raises(DeclarationError, match="two nodes are called Every"):
        catalogue.plus([node("Every", category="test")(lambda_like)])
    with pytest.raises(DeclarationError, match="is not a node"):
        Catalog([len])


def lambda_like(value: int) -> int:
    return value


def test_context_stands_alone() -> None:
    ctx = Context(services={Files: Files()})
    ctx.progress(1, 2)
    assert ctx.service(Files).choices("checkpoints")
    with pytest.raises(CarraraError, match="offers no Sound"):
        ctx.service(Sound)
    with pytest.raises(Interrupted):
        Context(cancelled=lambda: True).check()
    assert Lazy.of(3).get() == 3
