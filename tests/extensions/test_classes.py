"""A node of ours, called as the class that other executors and packs expect, gives what its function gives."""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, NamedTuple

import pytest
import torch

from carrara.executor.spec import (
    Any as AnySocket,
)
from carrara.executor.spec import (
    Blocker,
    Choices,
    Context,
    Expand,
    Hidden,
    Lazy,
    Listing,
    NodeSpec,
    Port,
    Shown,
    node,
    object_info,
    spec_of,
)
from carrara.extensions.border import Border, Kind
from carrara.extensions.classes import Around, classic_class
from carrara.extensions.listing import listing, slots
from carrara.extensions.plain import plain_border
from carrara.models.custom import Noise, SamplerChoice
from carrara.models.guider import guided
from carrara.models.handles import ControlNet, Vae
from carrara.models.services import Models
from carrara.models.values import CondEntry, Conditioning, Image, Latent
from carrara.nodes.catalog import catalogue
from carrara.nodes.latent_operations import latent_operation_tonemap_reinhard
from carrara.nodes.loaders import load_checkpoint
from carrara.nodes.store import Files
from carrara.samplers.table import rows

SPECS = catalogue().specs()
CALLED = [spec for spec in SPECS if not spec.dynamic and not spec.id.startswith("Loop")]
"""Without loops, which take an executor, and inputs that grow, which have a test of their own."""


def same(one: Any, other: Any) -> bool:
    """Equal in every tensor and field."""
    if one is other:
        return True
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one) if f.compare)
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    return callable(one) or bool(one == other)


def around(ctx: Context, border: Border | None = None) -> Around:
    return Around(border or plain_border(), lambda: ctx.services, lambda hidden: ctx)


class Names(NamedTuple):
    models: Models
    files: Files

    def choices(self, kind: str) -> tuple[str, ...] | None:
        found = self.files.choices(kind)
        return self.models.list(kind) if found is None else found


@pytest.fixture
def ctx(tiny_ctx: Context, tmp_path: Path) -> Context:
    """Models, and a folder for each sort of file."""
    from PIL import Image as Pictures

    for name in ("input", "output", "temp"):
        (tmp_path / name).mkdir()
    Pictures.new("RGBA", (8, 8), (10, 20, 30, 40)).save(tmp_path / "input" / "a.png")
    files = Files(tmp_path / "input", tmp_path / "output", tmp_path / "temp")
    listing = Names(tiny_ctx.service(Models), files)
    return Context(services={**tiny_ctx.services, Files: files, Listing: listing})


@pytest.fixture(scope="module")
def values(tiny_ctx: Context) -> dict[str, Any]:
    """One small value of each socket type."""
    torch.manual_seed(0)
    model, clip, vae = load_checkpoint("tiny.safetensors", tiny_ctx)
    text = Conditioning((CondEntry(torch.randn(1, 7, 64), torch.randn(1, 64)),))
    return {
        "MODEL": model,
        "CLIP": clip,
        "VAE": vae,
        "CONDITIONING": text,
        "LATENT": Latent(torch.randn(1, 4, 8, 8), extra={"of_some_pack": 1}),
        "IMAGE": torch.rand(1, 64, 64, 3),
        "MASK": torch.rand(1, 64, 64),
        "SIGMAS": torch.tensor([2.0, 1.0, 0.0]),
        "SAMPLER": SamplerChoice(rows()["euler"]),
        "NOISE": Noise(3),
        "GUIDER": guided(model, text, text, 2.0),
        "LATENT_OPERATION": latent_operation_tonemap_reinhard(),
        "CONTROL_NET": ControlNet(model.unet),
    }


def arguments(spec: NodeSpec, values: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """By parameter: the least that the node takes."""
    out: dict[str, Any] = {}
    for port in spec.inputs:
        if not port.required:
            continue
        if port.choices is not None:
            names = port.choices.names(ctx.services) or ("a.png",)
            value: Any = port.default if port.has_default else names[0]
        elif port.type in ("INT", "FLOAT", "STRING", "BOOLEAN"):
            least = port.range.min if port.range and port.range.min is not None else 1
            empty = {"INT": least, "FLOAT": float(least), "STRING": "a cat", "BOOLEAN": False}
            value = port.default if port.has_default and port.type in ("STRING", "FLOAT") else empty[port.type]
        else:
            value = (
                3
                if port.type == "INT,FLOAT"
                else values["IMAGE"]
                if port.type in ("*", "COMFY_MATCHTYPE_V3")
                else values.get(port.type, values["MODEL"])  # refused by the function, and so by the class
            )
        out[port.param] = [value] if port.is_list else value
    if "width" in out and "height" in out and "batch_size" in out:
        out |= {"width": 64, "height": 64}
    return out


@pytest.mark.parametrize("spec", CALLED, ids=lambda s: s.id)
def test_every_node_is_a_class_that_gives_what_its_function_gives(
    spec: NodeSpec, ctx: Context, values: dict[str, Any]
) -> None:
    border = plain_border()
    cls = classic_class(spec, around(ctx))
    given = arguments(spec, values, ctx)
    called = {name: spec_input(spec, name)(value) for name, value in given.items()}
    if spec.context:
        called[spec.context] = ctx
    expected = outcome(lambda: spec.function(**called))
    foreign = {spec.inputs[[i.param for i in spec.inputs].index(p)].name: border.outward(v) for p, v in given.items()}
    if spec.input_is_list:
        foreign = {name: value if isinstance(value, list) else [value] for name, value in foreign.items()}
    found = outcome(lambda: getattr(cls(), cls.FUNCTION)(**foreign))
    if isinstance(expected, Exception):
        assert type(found) is type(expected) and str(found) == str(expected)
        return
    if isinstance(expected, Shown):
        assert found["ui"].keys() == expected.ui.keys()
        return
    results = tuple(expected) if spec.packed else (expected,)
    assert same(found, tuple(border.outward(value) for value in results)), found


def spec_input(spec: NodeSpec, param: str) -> Callable[[Any], Any]:
    """What the executor makes of a value before it calls the function."""
    port = next(i for i in spec.inputs if i.param == param)
    if port.lazy:
        return Lazy.of
    if port.enum is not None:
        return port.enum
    return lambda value: value


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        return error


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.id)
def test_every_class_says_what_its_spec_says(spec: NodeSpec, ctx: Context) -> None:
    cls = classic_class(spec, around(ctx))
    info = object_info(spec, ctx.services)
    types = cls.INPUT_TYPES()
    for group in ("required", "optional"):
        assert {name: list(config) for name, config in types.get(group, {}).items()} == info["input"].get(group, {})
        assert list(types.get(group, {})) == info["input_order"].get(group, [])
    assert list(cls.RETURN_TYPES) == info["output"]
    assert list(getattr(cls, "RETURN_NAMES", cls.RETURN_TYPES)) == info["output_name"]
    assert list(getattr(cls, "OUTPUT_IS_LIST", [False] * len(info["output"]))) == info["output_is_list"]
    assert info["description"] == cls.DESCRIPTION and info["category"] == cls.CATEGORY
    assert getattr(cls, "OUTPUT_NODE", False) == info["output_node"]
    assert list(getattr(cls, "OUTPUT_TOOLTIPS", ())) == info.get("output_tooltips", [])
    assert getattr(cls, "DEPRECATED", False) == info.get("deprecated", False)
    if spec.output and spec.context:
        assert set(types["hidden"].values()) >= {"PROMPT", "EXTRA_PNGINFO"}


def test_the_names_and_order_that_packs_call_by(ctx: Context, values: dict[str, Any]) -> None:
    """`nodes.VAEDecode().decode(vae, samples)` is how packs decode."""
    cls = classic_class(catalogue()["VAEDecode"], around(ctx), name="VAEDecode", function="decode", order=("vae",))
    latent = plain_border().outward(values["LATENT"])
    assert cls.__name__ == "VAEDecode"
    (image,) = cls().decode(values["VAE"], latent)
    assert torch.equal(image, cls().decode(samples=latent, vae=values["VAE"])[0])
    assert list(inspect.signature(cls().decode).parameters) == ["vae", "samples"]


def test_defaults_need_not_be_given(ctx: Context) -> None:
    (latent,) = classic_class(catalogue()["EmptyLatentImage"], around(ctx), function="generate")().generate(64, 128)
    assert latent["samples"].shape == (1, 4, 16, 8)


def test_wrong_calls_raise_as_python_does(ctx: Context) -> None:
    made = classic_class(catalogue()["LatentFlip"], around(ctx))()
    for values, given in (
        ((), {}),
        ((1, 2, 3), {}),
        (({},), {"samples": {}}),
        (({},), {"flip_method": MIRROR, "other": 1}),
    ):
        with pytest.raises(TypeError):
            made.run(*values, **given)


MIRROR = "x-axis: vertically"


def test_a_class_may_be_built_upon(ctx: Context) -> None:
    base = classic_class(catalogue()["EmptyLatentImage"], around(ctx), function="generate")

    class Double(base):  # type: ignore[misc, valid-type]
        @classmethod
        def INPUT_TYPES(cls) -> Any:
            types = super().INPUT_TYPES()
            return {"required": {**types["required"], "factor": ("INT", {"default": 2})}}

        def generate(self, width: int, height: int, batch_size: int, factor: int) -> Any:
            return super().generate(width * factor, height * factor, batch_size)

    assert list(Double.INPUT_TYPES()["required"]) == ["width", "height", "batch_size", "factor"]
    assert Double().generate(64, 64, 1, 2)[0]["samples"].shape == (1, 4, 16, 16)


def test_a_class_built_upon_names_its_further_outputs(ctx: Context) -> None:
    """Names that only repeat the types are not inherited: they would be too few."""
    base = classic_class(catalogue()["CheckpointLoaderSimple"], around(ctx))

    class More(base):  # type: ignore[misc, valid-type]
        RETURN_TYPES = (*base.RETURN_TYPES, "STRING")

    assert [slot.name for slot in slots(More)] == ["MODEL", "CLIP", "VAE", "STRING"]
    assert listing("More", More, "More", "a_pack")["output_name"] == ["MODEL", "CLIP", "VAE", "STRING"]


def test_changed_files_are_noticed(ctx: Context, tmp_path: Path) -> None:
    cls = classic_class(catalogue()["LoadImage"], around(ctx))
    before = cls.IS_CHANGED(image="a.png")
    (tmp_path / "input" / "a.png").write_bytes((tmp_path / "input" / "a.png").read_bytes() + b" ")
    assert before != cls.IS_CHANGED(image="a.png")


def test_only_what_the_node_decides_itself_is_taken_from_the_executor(ctx: Context) -> None:
    """Executors leave out their own checks of the inputs that VALIDATE_INPUTS names."""
    cls = classic_class(catalogue()["LoadImage"], around(ctx))
    assert inspect.getfullargspec(cls.VALIDATE_INPUTS).args == ["cls", "image"]
    assert cls.VALIDATE_INPUTS(image="a.png") is True
    assert "nothing.png" in cls.VALIDATE_INPUTS(image="nothing.png")


class Both(NamedTuple):
    first: int
    rest: list[str]


BLOCKED = SimpleNamespace(name="their blocker")
BORDER = plain_border().plus([Kind("", Blocker, lambda v: v is BLOCKED, lambda v, b: BLOCKED, lambda v, b: Blocker())])


def made(function: Callable[..., Any], **more: Any) -> Any:
    return classic_class(spec_of(function), around(Context(), BORDER), **more)


def test_lists() -> None:
    @node("Lists")
    def lists(parts: list[Image], factor: int = 2) -> list[Image]:
        return [part * factor for part in parts]

    cls = made(lists)
    assert cls.INPUT_IS_LIST and cls.OUTPUT_IS_LIST == (True,)
    assert cls().run(parts=[1, 2], factor=[3]) == ([3, 6],)


def test_inputs_that_grow(values: dict[str, Any]) -> None:
    cls = classic_class(catalogue()["BatchImagesNode"], around(Context()))
    one, two = values["IMAGE"], values["IMAGE"] * 0.5
    for given in (
        {"images.image0": one, "images.image1": two},
        {"images": {"image0": one, "image1": two}},
        {"images": [one, two]},
    ):
        assert torch.equal(cls().run(**given)[0], torch.cat([one, two]))
    with pytest.raises(TypeError, match="image1"):
        cls().run(**{"images.image0": one})


def test_choices_that_bring_inputs(values: dict[str, Any]) -> None:
    cls = classic_class(catalogue()["ResizeImageMaskNode"], around(Context()))
    names = {"resize_type": "scale width", "resize_type.width": 32, "scale_method": "area"}
    assert cls().run(input=values["IMAGE"], **names)[0].shape == (1, 32, 32, 3)
    whole = {"resize_type": "scale width", "width": 16}
    assert cls().run(input=values["IMAGE"], resize_type=whole)[0].shape == (1, 16, 16, 3)


def test_lazy_inputs_among_those_that_grow() -> None:
    switch = classic_class(catalogue()["SwitchByIndex"], around(Context()))()
    linked = {"options.option0": None, "options.option1": None}
    assert switch.check_lazy_status(index=1, **linked) == ["options.option1"]
    assert switch.run(index=1, **linked | {"options.option1": 5}) == (5,)


def test_lazy_inputs_are_asked_for_one_by_one() -> None:
    @node("Pick")
    def pick(which: bool, yes: Lazy[Image], no: Annotated[Lazy[Image], Port(name="other one")]) -> Image:
        return (yes if which else no).get()

    made_one = made(pick)()
    assert made_one.check_lazy_status(which=True, yes=None, **{"other one": None}) == ["yes"]
    assert made_one.check_lazy_status(which=False, yes=None, **{"other one": None}) == ["other one"]
    assert made_one.check_lazy_status(which=True, yes=5, **{"other one": None}) == []
    assert made_one.run(which=True, yes=5) == (5,)


def test_async_nodes_stay_async() -> None:
    @node("Later")
    async def later(a: int = 1) -> int:
        await asyncio.sleep(0)
        return a + 1

    cls = made(later)
    assert inspect.iscoroutinefunction(getattr(cls(), cls.FUNCTION))
    assert asyncio.run(cls().run(a=2)) == (3,)


def test_blockers_cross_the_border() -> None:
    @node("Stop")
    def stop(a: int = 1) -> Both | Blocker:
        return Blocker("no") if a else Both(1, ["x"])

    assert made(stop)().run(a=1) == (BLOCKED, BLOCKED)
    assert made(stop)().run(a=0) == (1, ["x"])


def test_graphs_cross_the_border() -> None:
    @node("Grow")
    def grow(latent: Latent) -> Latent | Expand:
        return Expand({"a": {"class_type": "KSampler", "inputs": {"x": latent, "y": ["b", 0]}}}, (["a", 0],))

    cls = classic_class(
        spec_of(grow), Around(BORDER, dict, lambda hidden: Context(), rename=lambda id: f"Carrara{id}")
    )  # fmt: skip
    latent = {"samples": torch.zeros(1)}
    found = cls().run(latent)
    assert found["result"] == (["a", 0],)
    assert found["expand"]["a"]["class_type"] == "CarraraKSampler"
    assert found["expand"]["a"]["inputs"]["x"] == latent and found["expand"]["a"]["inputs"]["y"] == ["b", 0]


def test_output_nodes_show() -> None:
    @node("Show", output=True)
    def show(text: str, ctx: Context) -> Shown:
        assert ctx.prompt == {"1": {}}
        return Shown({"text": [text]})

    context = Around(BORDER, dict, lambda hidden: Context(prompt=hidden["PROMPT"]))
    cls = classic_class(spec_of(show), context)
    assert cls().run(text="a", prompt={"1": {}}, extra_pnginfo=None, unique_id="3") == {"ui": {"text": ["a"]}}


def test_hidden_inputs_and_further_ones() -> None:
    @node("Told")
    def told(me: Annotated[str, Hidden("UNIQUE_ID")], **more: AnySocket) -> str:
        return f"{me} {sorted(more)}"

    cls = made(told)
    assert cls.INPUT_TYPES()["hidden"] == {"me": "UNIQUE_ID"}
    assert cls().run(me="7", b=1, a=2) == ("7 ['a', 'b']",)


def test_impure_nodes_always_run() -> None:
    @node("Now", pure=False)
    def now(choice: Annotated[str, Choices((), open=True)]) -> int:
        return 1

    cls = made(now)
    assert math.isnan(cls.IS_CHANGED(choice="a"))
    assert inspect.getfullargspec(cls.VALIDATE_INPUTS).args == ["cls", "choice"]
    assert cls.VALIDATE_INPUTS(choice="anything") is True


def test_models_without_a_row_stay_themselves(values: dict[str, Any]) -> None:
    assert isinstance(plain_border().outward(values["VAE"]), Vae)
