"""`comfy_execution`, `node_helpers`, `latent_preview` and `comfy.comfy_types`."""

from __future__ import annotations

import hashlib
import operator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import worlds
from PIL import Image

from carrara.executor.spec import Blocker, Context
from carrara.extensions.calling import calling
from carrara.extensions.host import Host


def test_graphs_in_the_making(host: Host) -> None:
    utils = host.modules.load("comfy_execution.graph_utils")
    with calling(Context(node_id="12"), host):
        one, two = utils.GraphBuilder(), utils.GraphBuilder()
        first = one.node("Add", a=1, b=["3", 0])
        second = one.node("Show", "last", value=first.out(0), gone=2)
        second.set_input("gone", None)
        second.set_override_display_id("12")
    assert one.prefix.startswith("12.") and one.prefix != two.prefix
    assert one.lookup_node("last") is second and one.node("Show", "last") is second
    assert one.finalize() == {
        f"{one.prefix}1": {"class_type": "Add", "inputs": {"a": 1, "b": ["3", 0]}},
        f"{one.prefix}last": {
            "class_type": "Show", "inputs": {"value": [f"{one.prefix}1", 0]}, "override_display_id": "12",
        },
    }  # fmt: skip
    one.replace_node_output("1", 0, ["9", 1])
    assert second.get_input("value") == ["9", 1]
    one.remove_node("last")
    assert one.lookup_node("last") is None
    with calling(Context(node_id="12"), host):
        assert utils.GraphBuilder().prefix == one.prefix  # the next run begins anew
    graph, outputs = utils.add_graph_prefix({"1": {"class_type": "A", "inputs": {"x": ["2", 0]}}}, (["1", 0], 5), "p.")
    assert graph == {"p.1": {"class_type": "A", "inputs": {"x": ["p.2", 0]}}} and outputs == (["p.1", 0], 5)
    assert utils.is_link(["1", 0]) and not any(map(utils.is_link, (("1", 0), ["1"], [1, 0], ["1", "0"])))


def test_the_blocker_is_ours(host: Host) -> None:
    graph = host.modules.load("comfy_execution.graph")
    assert graph.ExecutionBlocker is host.modules.load("execution").ExecutionBlocker is Blocker
    assert graph.ExecutionBlocker("why").message == "why"


def test_input_info(host: Host) -> None:
    info = host.modules.load("comfy_execution.graph").get_input_info
    made = type("Made", (), {"INPUT_TYPES": classmethod(lambda cls: {
        "required": {"a": ("INT", {"min": 1})}, "optional": {"b": ("IMAGE",)}, "hidden": {"c": "PROMPT"},
    })})  # fmt: skip
    assert info(made, "a") == ("INT", "required", {"min": 1})
    assert info(made, "b") == ("IMAGE", "optional", {})
    assert info(made, "c") == ("PROMPT", "hidden", {}) and info(made, "d") == (None, None, None)


def test_which_node_runs(host: Host) -> None:
    utils = host.modules.load("comfy_execution.utils")
    assert utils.get_executing_context() is None
    host.channel.last_prompt_id = "p"
    with calling(Context(node_id="7"), host):
        assert utils.get_executing_context() == ("p", "7", None, None)
        with utils.CurrentNodeContext("q", "8", 3):
            assert utils.get_executing_context().list_index == 3
    assert utils.get_executing_context() is None


def test_progress_handlers(host: Host) -> None:
    progress = host.modules.load("comfy_execution.progress")
    told: list[tuple[str, float, float]] = []

    class Handler(progress.ProgressHandler):  # type: ignore[name-defined, misc]
        def update_handler(self, node_id, value, max_value, state, prompt_id, image=None) -> None:
            told.append((node_id, value, max_value))

    progress.add_progress_handler(Handler("mine"))
    pack = worlds.foreign(host, "import comfy.utils\ndef work():\n    comfy.utils.ProgressBar(5).update(2)")
    heard: list[object] = []
    with calling(Context(node_id="4", report=lambda *said: heard.append(said)), host):
        pack.work()
    assert told == [("4", 2, 5)] and heard == [(2, 5, None)]
    assert progress.get_progress_state().nodes["4"]["state"] is progress.NodeState.Running


@pytest.mark.parametrize(
    ("given", "taken", "loose", "strict"),
    [
        ("INT", "INT", True, True), ("INT", "FLOAT", False, False), ("STRING", "STRING,INT", True, True),
        ("STRING,INT", "INT", True, False), ("X", "COMFY_MATCHTYPE_V3", True, True),
    ],
)  # fmt: skip
def test_types_fit(host: Host, given: str, taken: str, loose: bool, strict: bool) -> None:
    fits = host.modules.load("comfy_execution.validation").validate_node_input
    assert (fits(given, taken), fits(given, taken, strict=True)) == (loose, strict)


def test_socket_names(host: Host) -> None:
    types = host.modules.load("comfy.comfy_types")
    io = types.IO
    differ = operator.ne
    assert not any(differ(*pair) for pair in ((io.ANY, "anything"), ("INT", io.ANY), (io.NUMBER, "INT")))
    assert io.ANY == "*" and differ(io.INT, "FLOAT") and differ(io.INT, 3)
    assert isinstance(io.INT, str) and f"{io.INT}" == str(io.INT) == "INT" and {io.INT: 1}["INT"] == 1

    class Made(types.ComfyNodeABC, types.CheckLazyMixin):  # type: ignore[name-defined, misc]
        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {}}

    assert Made().check_lazy_status(a=None, b=1) == ["a"]


def test_conditionings_are_copied(host: Host) -> None:
    helpers = host.modules.load("node_helpers")
    cond = [[torch.ones(1, 1, 2), {"a": 1, "many": [1]}]]
    made = helpers.conditioning_set_values(cond, {"a": 2, "b": 3})
    assert made[0][1] == {"a": 2, "b": 3, "many": [1]} and cond[0][1] == {"a": 1, "many": [1]}
    assert made[0][0] is cond[0][0]
    assert helpers.conditioning_set_values(cond, {"many": [2]}, append=True)[0][1]["many"] == [1, 2]
    assert helpers.conditioning_set_values(cond, {"new": [2]}, append=True)[0][1]["new"] == [2]
    assert helpers.hasher()(b"x").hexdigest() == hashlib.sha256(b"x").hexdigest()
    assert helpers.string_to_torch_dtype("bf16") is torch.bfloat16
    three, four = torch.rand(1, 2, 2, 3), torch.rand(1, 2, 2, 4)
    assert helpers.image_alpha_fix(three, four)[1].shape[-1] == 3
    assert torch.equal(helpers.image_alpha_fix(four, three)[1][..., 3], torch.ones(1, 2, 2))


def test_previews(host: Host) -> None:
    preview = host.modules.load("latent_preview")
    args = host.modules.load("comfy.cli_args").args
    factors = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    inner = SimpleNamespace(latent_format=SimpleNamespace(latent_rgb_factors=factors))
    model = SimpleNamespace(load_device=torch.device("cpu"), model=inner)
    kept: dict[str, torch.Tensor] = {}
    told: list[tuple[float, float, tuple[str, Image.Image, int]]] = []
    callback = preview.prepare_callback(model, 4, kept)
    x0 = torch.zeros(2, 4, 3, 5)
    x0[0, 0] = 1.0
    x0[0, 1] = -3.0
    with calling(Context(report=lambda *said: told.append(said)), host):
        callback(1, x0, x0, 4)
    assert kept["x0"] is x0
    ((value, total, (form, picture, longest)),) = told
    assert (value, total, form, longest, picture.size) == (2, 4, "JPEG", 512, (5, 3))
    assert picture.getpixel((0, 0)) == (255, 0, 128)
    args.preview_method = preview.LatentPreviewMethod.NoPreviews
    assert preview.get_previewer(torch.device("cpu"), model.model.latent_format) is None
    preview.set_preview_method("latent2rgb")
    assert isinstance(preview.get_previewer("cpu", model.model.latent_format), preview.Latent2RGBPreviewer)


def test_a_tiny_decoder_previews(host: Host, tmp_path: Path) -> None:
    taesd = host.modules.load("comfy.taesd.taesd").TAESD
    utils = host.modules.load("comfy.utils")
    net = taesd()
    utils.save_torch_file(net.taesd_decoder.state_dict(), str(tmp_path / "taesd_decoder.safetensors"))
    (tmp_path / "models" / "vae_approx").mkdir(parents=True)
    (tmp_path / "taesd_decoder.safetensors").rename(tmp_path / "models" / "vae_approx" / "taesd_decoder.safetensors")
    preview = host.modules.load("latent_preview")
    preview.set_preview_method("taesd")
    kind = SimpleNamespace(taesd_decoder_name="taesd_decoder", latent_channels=4, latent_rgb_factors=None)
    previewer = preview.get_previewer(torch.device("cpu"), kind)
    assert isinstance(previewer, preview.TAESDPreviewerImpl)
    z = torch.randn(1, 4, 2, 3)
    made = previewer.decode_latent_to_preview_image("JPEG", z)[1]
    wanted = (net.taesd_decoder(z)[0].clamp(0, 1) * 255).round().to(torch.uint8).movedim(0, -1)
    assert made.size == (24, 16) and made.tobytes() == wanted.contiguous().numpy().tobytes()
