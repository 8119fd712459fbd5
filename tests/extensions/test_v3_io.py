"""Every socket type of `io`: its inputs' options as the editor reads them."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import worlds

from carrara.errors import DeclarationError


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@pytest.fixture(scope="module")
def io(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return worlds.host(tmp_path_factory.mktemp("base")).modules.load("comfy_api.latest").io


def told(one: Any) -> tuple[str, dict[str, Any]]:
    """An input's type, and its options without what says in which group it stands."""
    options = one.as_dict()
    assert options.pop("optional") is one.optional
    return one.get_io_type(), options


def test_plain_options_of_a_link(io: Any) -> None:
    port = io.Image.Input("x", "Picture", True, "What.", True, {"more": 1, "none": None}, True, True)
    assert told(port) == (
        "IMAGE",
        {"display_name": "Picture", "tooltip": "What.", "lazy": True, "rawLink": True, "advanced": True, "more": 1},
    )
    assert port.id == "x"


def test_whole_numbers(io: Any) -> None:
    port = io.Int.Input(
        "n",
        default=3,
        min=0,
        max=9,
        step=2,
        control_after_generate=io.ControlAfterGenerate.increment,
        display_mode=io.NumberDisplay.slider,
        socketless=True,
        force_input=False,
    )
    assert told(port) == (
        "INT",
        {
            "default": 3,
            "min": 0,
            "max": 9,
            "step": 2,
            "control_after_generate": "increment",
            "display": "slider",
            "socketless": True,
            "forceInput": False,
        },
    )


def test_positional_arguments_have_the_order_packs_rely_on(io: Any) -> None:
    assert told(io.Int.Input("n", "N", False, "tip", None, 5, 1, 10, 1))[1] == {
        "display_name": "N",
        "tooltip": "tip",
        "default": 5,
        "min": 1,
        "max": 10,
        "step": 1,
    }
    assert io.Combo.Input("c", ["a"], "C").display_name == "C"
    assert io.String.Input("s", None, False, None, None, True, "hint", "text").placeholder == "hint"


def test_numbers_texts_and_switches(io: Any) -> None:
    assert told(io.Float.Input("f", default=0.5, step=0.01, round=0.001, display_mode=io.NumberDisplay.number)) == (
        "FLOAT",
        {"default": 0.5, "step": 0.01, "round": 0.001, "display": "number"},
    )
    assert told(io.String.Input("s", multiline=True, placeholder="…", dynamic_prompts=True)) == (
        "STRING",
        {"multiline": True, "placeholder": "…", "dynamicPrompts": True},
    )
    assert told(io.String.Input("s")) == ("STRING", {"multiline": False})
    assert told(io.Boolean.Input("b", default=False, label_on="yes", label_off="no")) == (
        "BOOLEAN",
        {"default": False, "label_on": "yes", "label_off": "no"},
    )


def test_lists(io: Any) -> None:
    remote = io.RemoteOptions("/list", True, timeout=100)
    port = io.Combo.Input(
        "c",
        Colour,
        default=Colour.BLUE,
        upload=io.UploadType.image,
        image_folder=io.FolderType.output,
        remote=remote,
    )
    assert told(port) == (
        "COMBO",
        {
            "multiselect": False,
            "options": ["red", "blue"],
            "default": "blue",
            "image_upload": True,
            "image_folder": "output",
            "remote": {
                "route": "/list",
                "refresh_button": True,
                "control_after_refresh": "first",
                "timeout": 100,
            },
        },
    )
    assert told(io.MultiCombo.Input("m", ["a", "b"], default=["a"], chip=True)) == (
        "COMBO",
        {"multiselect": True, "multi_select": True, "options": ["a", "b"], "default": ["a"], "chip": True},
    )


def test_editors(io: Any) -> None:
    assert told(io.Color.Input("c")) == ("COLOR", {"socketless": True, "default": "#ffffff"})
    assert told(io.BoundingBox.Input("b", component="x"))[1]["default"] == {"x": 0, "y": 0, "width": 512, "height": 512}
    assert told(io.Curve.Input("k"))[1]["default"] == {
        "points": [[0.0, 0.0], [1.0, 1.0]],
        "interpolation": "monotone_cubic",
    }
    assert told(io.ImageCompare.Input("i")) == ("IMAGECOMPARE", {"socketless": True})
    assert told(io.Webcam.Input("w"))[0] == "WEBCAM"


LINKS = {
    "Image": "IMAGE", "Mask": "MASK", "Latent": "LATENT", "Conditioning": "CONDITIONING", "Model": "MODEL",
    "Clip": "CLIP", "Vae": "VAE", "ControlNet": "CONTROL_NET", "Sampler": "SAMPLER", "Sigmas": "SIGMAS",
    "Noise": "NOISE", "Guider": "GUIDER", "ClipVision": "CLIP_VISION", "ClipVisionOutput": "CLIP_VISION_OUTPUT",
    "StyleModel": "STYLE_MODEL", "Gligen": "GLIGEN", "UpscaleModel": "UPSCALE_MODEL",
    "LatentUpscaleModel": "LATENT_UPSCALE_MODEL", "Audio": "AUDIO", "Video": "VIDEO", "SVG": "SVG",
    "LoraModel": "LORA_MODEL", "LossMap": "LOSS_MAP", "Voxel": "VOXEL", "Mesh": "MESH", "Hooks": "HOOKS",
    "HookKeyframes": "HOOK_KEYFRAMES", "TimestepsRange": "TIMESTEPS_RANGE", "LatentOperation": "LATENT_OPERATION",
    "FlowControl": "FLOW_CONTROL", "Accumulation": "ACCUMULATION", "Load3D": "LOAD_3D",
    "Load3DAnimation": "LOAD_3D_ANIMATION", "Load3DCamera": "LOAD3D_CAMERA", "Photomaker": "PHOTOMAKER",
    "AudioEncoder": "AUDIO_ENCODER", "AudioEncoderOutput": "AUDIO_ENCODER_OUTPUT", "Tracks": "TRACKS",
    "WanCameraEmbedding": "WAN_CAMERA_EMBEDDING", "Point": "POINT", "BBOX": "BBOX", "SEGS": "SEGS",
    "FaceAnalysis": "FACE_ANALYSIS", "AnyType": "*", "MODEL_PATCH": "MODEL_PATCH", "Histogram": "HISTOGRAM",
}  # fmt: skip


@pytest.mark.parametrize("name", LINKS)
def test_types_that_are_only_linked(io: Any, name: str) -> None:
    kind = getattr(io, name)
    assert kind.io_type == LINKS[name]
    assert told(kind.Input("x", tooltip="t")) == (LINKS[name], {"tooltip": "t"})
    out = kind.Output("y", "Y", "out", is_output_list=True)
    assert (out.io_type, out.as_dict()) == (
        LINKS[name],
        {"display_name": "Y", "tooltip": "out", "is_output_list": True},
    )
    assert kind.Input.Parent is kind and isinstance(kind.Input("x"), io.Input)


def test_types_of_a_packs_own(io: Any) -> None:
    class Thing:
        Type = list

        class Input(io.WidgetInput):
            pass

    mine = io.comfytype(io_type="THING")(Thing)
    assert told(mine.Input("t", default=1)) == ("THING", {"default": 1})
    assert mine.Output().io_type == "THING" and mine.Type is list
    first, second = io.Custom("A"), io.Custom("B")
    assert (first.Input("x").io_type, second.Input("x").io_type) == ("A", "B")
    assert io.Image.Input("x").io_type == "IMAGE"


def test_several_types_at_once(io: Any) -> None:
    assert told(io.MultiType.Input("m", [io.Image, io.Mask, io.Image])) == ("IMAGE,MASK", {})
    widget = io.Float.Input("v", default=1.0, min=0.0, tooltip="inner")
    assert told(io.MultiType.Input(widget, [io.Int, io.Custom("RANGE")], tooltip="outer")) == (
        "FLOAT,INT,RANGE",
        {"default": 1.0, "min": 0.0, "tooltip": "inner", "widgetType": "FLOAT"},
    )


def test_growing_and_choosing_inputs(io: Any) -> None:
    template = io.Autogrow.TemplateNames(io.Int.Input("n", default=1, optional=True), names=["a", "b"], min=1)
    assert told(io.Autogrow.Input("grown", template=template)) == (
        "COMFY_AUTOGROW_V3",
        {
            "template": {
                "input": {"required": {}, "optional": {"n": ("INT", {"default": 1, "forceInput": True})}},
                "names": ["a", "b"],
                "min": 1,
            }
        },
    )
    slot = io.DynamicSlot.Input(io.Image.Input("picture"), inputs=[io.Float.Input("strength", default=1.0)])
    assert told(slot) == (
        "COMFY_DYNAMICSLOT_V3",
        {"slotType": "IMAGE", "inputs": {"required": {"strength": ("FLOAT", {"default": 1.0})}}},
    )
    assert [one.id for one in slot.get_all()] == ["picture", "strength"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda io: io.Autogrow.TemplatePrefix(io.Int.Input("n"), "n", max=101), "impossible max"),
        (lambda io: io.Autogrow.TemplatePrefix(io.Int.Input("n"), "n", min=-1), "impossible bounds"),
        (
            lambda io: io.Autogrow.TemplateNames(io.DynamicCombo.Input("d", options=[]), names=["a"]),
            "dynamic themselves",
        ),
        (lambda io: io.MatchType.Template("t", [int]), "no socket type"),
        (lambda io: io.DynamicSlot.Input(io.DynamicCombo.Input("d", options=[]), inputs=[]), "dynamic itself"),
    ],
)
def test_impossible_dynamic_inputs(io: Any, wrong: Any, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        wrong(io)


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        (lambda io: [io.Int.Input("a"), io.Image.Input("a")], lambda io: [], "two inputs have the same id"),
        (lambda io: [], lambda io: [io.Int.Output("o"), io.Int.Output("o")], "two outputs have the same id"),
        (lambda io: [io.Int.Input("a", default="x")], lambda io: [], "no number"),
        (lambda io: [io.Float.Input("a", default=0.0, min=2.0, max=1.0)], lambda io: [], "min above its max"),
        (lambda io: [io.MultiCombo.Input("a", ["x"], default="x")], lambda io: [], "one value"),
        (lambda io: [io.Int], lambda io: [], "among its inputs is none"),
        (lambda io: [], lambda io: [io.Image], "among its outputs is none"),
    ],
)
def test_schemas_that_contradict_themselves(io: Any, inputs: Any, outputs: Any, said: str) -> None:
    schema = io.Schema("Broken", inputs=inputs(io), outputs=outputs(io))
    with pytest.raises(DeclarationError, match=said) as caught:
        schema.finalize()
        schema.validate()
    assert "Broken" in caught.value.message and caught.value.remedy


def test_a_schema_is_finished_by_what_it_says(io: Any) -> None:
    schema = io.Schema("N", outputs=[io.Image.Output()], is_output_node=True, is_api_node=True, hidden=None)
    schema.finalize()
    assert [one.value for one in schema.hidden] == [
        "AUTH_TOKEN_COMFY_ORG",
        "API_KEY_COMFY_ORG",
        "PROMPT",
        "EXTRA_PNGINFO",
    ]
    assert schema.outputs[0].id == "_0_IMAGE_"


@pytest.mark.parametrize(
    "name",
    [
        "comfy_api.v0_0_1", "comfy_api.v0_0_2", "comfy_api.input", "comfy_api.input.basic_types",
        "comfy_api.input.video_types", "comfy_api.input_impl", "comfy_api.input_impl.video_types", "comfy_api.util",
        "comfy_api.util.video_types", "comfy_api.latest._io", "comfy_api.latest._ui", "comfy_api.latest._input",
        "comfy_api.latest._input_impl", "comfy_api.latest._util", "comfy_api.internal",
        "comfy_api.internal.async_to_sync", "comfy_api.internal.singleton", "comfy_api.version_list",
        "comfy_api.feature_flags", "comfy_api.torch_helpers",
    ],
)  # fmt: skip
def test_every_module_is_there(tmp_path: Path, name: str) -> None:
    assert worlds.host(tmp_path).modules.load(name).__name__ == name


def test_hosts_share_no_types(tmp_path: Path) -> None:
    first, second = (worlds.host(tmp_path / name).modules.load("comfy_api.latest").io for name in "ab")
    first.Schema.category = "changed"
    assert second.Schema.category == "sd"
    assert first.ComfyNode is not second.ComfyNode


def test_hidden_values_are_found_by_any_of_their_names(io: Any) -> None:
    for key in (io.Hidden.unique_id, "UNIQUE_ID", "unique_id"):
        held = io.HiddenHolder.from_dict({key: "7"})
        assert (held.unique_id, held.prompt, held.something_else) == ("7", None, None)
    held = io.HiddenHolder("7", {}, extra_pnginfo={"a": 1})
    assert (held.unique_id, held.prompt, held.extra_pnginfo) == ("7", {}, {"a": 1})
    assert io.HiddenHolder.from_v3_data(None).unique_id is None
