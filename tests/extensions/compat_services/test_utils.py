"""`comfy.utils` against PyTorch, Pillow and loops written out."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import worlds
from PIL import Image

from carrara.errors import BadWeights, Interrupted
from carrara.executor.spec import Context
from carrara.extensions.calling import calling
from carrara.extensions.host import Host, Nobody


@pytest.fixture
def utils(host: Host) -> ModuleType:
    return host.modules.load("comfy.utils")


# --- progress ------------------------------------------------------------------------------------------------

BAR = """
    import comfy.utils

    def work():
        bar = comfy.utils.ProgressBar(4)
        bar.update(1)
        bar.update_absolute(9, preview=("JPEG", None, 512))
        bar.update_absolute(3, total=8)
        return bar.current, bar.total
"""


def test_progress_reaches_the_run(host: Host) -> None:
    told: list[tuple[float, float, object]] = []
    pack = worlds.foreign(host, BAR)
    with calling(Context(node_id="7", report=lambda *said: told.append(said)), host):
        assert pack.work() == (3, 8)
    assert told == [(1, 4, None), (4, 4, ("JPEG", None, 512)), (3, 8, None)]
    assert pack.work() == (3, 8)  # outside of a run nobody is told


def test_progress_of_a_nodes_own_threads(host: Host) -> None:
    told: list[tuple[float, float, object]] = []
    pack = worlds.foreign(
        host,
        """
        from threading import Thread
        import comfy.utils

        def work():
            bar = comfy.utils.ProgressBar(2)
            threads = [Thread(target=bar.update, args=(1,)) for _ in range(2)]
            for thread in threads:
                thread.start()
                thread.join()
        """,
    )
    with calling(Context(node_id="7", report=lambda *said: told.append(said)), host):
        pack.work()
    assert told == [(1, 2, None), (2, 2, None)]


def test_progress_stops_an_interrupted_run(host: Host) -> None:
    pack = worlds.foreign(host, BAR)
    with calling(Context(cancelled=lambda: True), host), pytest.raises(Interrupted):
        pack.work()


def test_bars_of_tqdm(host: Host, utils: ModuleType) -> None:
    tqdm = pytest.importorskip("tqdm").tqdm
    told: list[tuple[float, float, object]] = []
    with calling(Context(report=lambda *said: told.append(said)), host), utils.comfy_tqdm():
        bar = tqdm(total=3, disable=False, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
        bar.update(2)
        bar.fp.close()
    assert told == [(2, 3, None)]


def test_bars_of_other_nodes_are_told_to_the_client(host: Host, utils: ModuleType) -> None:
    """A node may say how far another is; whoever asked for the job hears it."""
    sent: list[object] = []

    class Listening(Nobody):
        def send(self, event: str | int, data: object, client: str | None = None) -> None:
            sent.append((event, data, client))

    host.channel = Listening()
    host.channel.client_id, host.channel.last_prompt_id = "me", "job"
    told: list[tuple[float, float, object]] = []
    with calling(Context(node_id="3", report=lambda *said: told.append(said)), host):
        for node in (None, "3", "5"):
            utils.ProgressBar(4, node_id=node).update(1)
    assert told == [(1, 4, None)] * 2
    assert sent == [("progress", {"value": 1, "max": 4, "node": "5", "prompt_id": "job"}, "me")]


def test_hooks(host: Host, utils: ModuleType) -> None:
    told: list[object] = []
    before = utils.PROGRESS_BAR_HOOK
    utils.set_progress_bar_global_hook(lambda value, total, preview, node_id=None: told.append((value, node_id)))
    utils.ProgressBar(3, node_id="5").update(2)
    utils.set_progress_bar_global_hook(before)
    assert told == [(2, "5")]
    assert utils.PROGRESS_BAR_ENABLED is True
    utils.set_progress_bar_enabled(False)
    assert utils.PROGRESS_BAR_ENABLED is False


# --- resizing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["nearest-exact", "bilinear", "area", "bicubic", "nearest"])
def test_torch_modes(utils: ModuleType, mode: str) -> None:
    x = torch.rand(2, 3, 9, 12, generator=torch.manual_seed(1))
    assert torch.equal(utils.common_upscale(x, 7, 20, mode, "disabled"), F.interpolate(x, size=(20, 7), mode=mode))
    # 12 x 9 to a square: one and a half columns go on either side, rounded
    assert torch.equal(
        utils.common_upscale(x, 8, 8, mode, "center"), F.interpolate(x[..., 2:10], size=(8, 8), mode=mode)
    )
    video = torch.rand(1, 2, 3, 4, 4)
    frames = [F.interpolate(video[:, :, i], size=(6, 5), mode=mode) for i in range(3)]
    assert torch.equal(utils.common_upscale(video, 5, 6, mode, "disabled"), torch.stack(frames, 2))


def test_lanczos_is_pillows(utils: ModuleType) -> None:
    x = torch.rand(1, 3, 10, 8, generator=torch.manual_seed(2))
    picture = Image.fromarray((x[0] * 255).to(torch.uint8).movedim(0, -1).numpy())
    wanted = np.asarray(picture.resize((5, 6), Image.Resampling.LANCZOS), dtype=np.float32) / 255
    assert np.array_equal(utils.common_upscale(x, 5, 6, "lanczos", "disabled")[0].movedim(0, -1).numpy(), wanted)


def test_bislerp_keeps_lengths(utils: ModuleType) -> None:
    x = F.normalize(torch.randn(1, 4, 5, 5, generator=torch.manual_seed(3)), dim=1)
    assert torch.allclose(utils.bislerp(x, 9, 13).norm(dim=1), torch.ones(1, 13, 9), atol=1e-5)


def test_masks_take_the_shape_of_latents(utils: ModuleType) -> None:
    mask = torch.rand(2, 8, 6)
    shaped = utils.reshape_mask(mask, (4, 3, 4, 3))
    wanted = F.interpolate(mask[:, None], size=(4, 3), mode="bilinear")
    assert torch.equal(shaped, wanted.repeat(2, 3, 1, 1))
    assert utils.reshape_mask(mask, (1, 2, 5, 4, 3)).shape == (1, 2, 5, 4, 3)


def test_attention_masks_for_another_size(utils: ModuleType) -> None:
    text, (h, w), (new_h, new_w) = 2, (2, 3), (4, 6)
    mask = torch.arange(64.0).reshape(1, 8, 8)
    made = utils.upscale_dit_mask(mask, (h, w), (new_h, new_w))
    place = [*range(text), *(text + (r // 2) * w + c // 2 for r in range(new_h) for c in range(new_w))]
    assert torch.equal(made, mask[:, place][:, :, place])


# --- tiles ---------------------------------------------------------------------------------------------------


def test_tiles_of_a_local_function_join_without_seams(utils: ModuleType) -> None:
    x = torch.rand(2, 3, 37, 50, generator=torch.manual_seed(4))
    wide = lambda part: F.interpolate(part, scale_factor=2, mode="nearest")  # noqa: E731
    seen: list[tuple[int, ...]] = []

    def watched(part: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(part.shape))
        return wide(part)

    bar = utils.ProgressBar(100)
    made = utils.tiled_scale(x, watched, tile_x=16, tile_y=16, overlap=4, upscale_amount=2, out_channels=3, pbar=bar)
    assert torch.allclose(made, wide(x), atol=1e-6)
    steps = utils.get_tiled_scale_steps(50, 37, 16, 16, 4)
    assert len(seen) == 2 * steps == bar.current
    assert max(s[2] for s in seen) <= 16 and all(s[0] == 1 for s in seen)


def test_tiles_blend_by_ramps(utils: ModuleType) -> None:
    """One line cut in two: the overlap of four cells is weighted 1/4..4/4 against 4/4..1/4."""
    x = torch.ones(1, 1, 4, 12)
    values = iter([10.0, 20.0])
    made = utils.tiled_scale(x, lambda part: part * next(values), 8, 8, 4, 1, 1)
    rising = torch.tensor([0.25, 0.5, 0.75, 1.0])
    overlap = (10 * rising.flip(0) + 20 * rising) / (rising + rising.flip(0))
    assert torch.allclose(made[0, 0, 0], torch.cat([torch.full((4,), 10.0), overlap, torch.full((4,), 20.0)]))


def test_tiles_over_one_and_three_axes(utils: ModuleType) -> None:
    line = torch.rand(1, 2, 40)
    made = utils.tiled_scale_multidim(line, lambda p: p.repeat_interleave(4, -1), (16,), 4, 4, 2)
    assert torch.allclose(made, line.repeat_interleave(4, -1), atol=1e-6)
    block = torch.rand(1, 1, 8, 8, 8)
    down = utils.tiled_scale_multidim(
        block, lambda p: F.avg_pool3d(p, 2), (4, 4, 4), 2, 2, 1, downscale=True
    )
    assert torch.allclose(down, F.avg_pool3d(block, 2), atol=1e-6)


# --- files, tables, batches ----------------------------------------------------------------------------------


def test_files_of_tensors(utils: ModuleType, tmp_path: Path) -> None:
    table = {"b": torch.rand(3), "a": torch.rand(2, 2).half()}
    utils.save_torch_file(table, str(tmp_path / "x.safetensors"), metadata={"who": "me"})
    loaded, said = utils.load_torch_file(str(tmp_path / "x.safetensors"), return_metadata=True)
    assert said == {"who": "me"} and loaded.keys() == table.keys()
    assert all(torch.equal(loaded[k], v) and loaded[k].dtype == v.dtype for k, v in table.items())
    assert b'"who"' in utils.safetensors_header(str(tmp_path / "x.safetensors"))
    assert utils.safetensors_header(str(tmp_path / "x.safetensors"), max_size=3) is None
    torch.save({"state_dict": table, "global_step": 3}, tmp_path / "x.ckpt")
    again = utils.load_torch_file(tmp_path / "x.ckpt", safe_load=True)
    assert torch.equal(again["b"], table["b"]) and "global_step" not in again
    torch.save({"model": {"w": table["b"]}, "more": {"w": table["b"]}}, tmp_path / "nested.pt")
    assert utils.load_torch_file(tmp_path / "nested.pt")["more"].keys() == {"w"}
    with pytest.raises(FileNotFoundError):
        utils.load_torch_file(tmp_path / "none.pt")


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('ran')",))


def test_pickles_never_run(host: Host, utils: ModuleType, tmp_path: Path) -> None:
    torch.save({"state_dict": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(BadWeights, match="without running code"):
        utils.load_torch_file(tmp_path / "evil.pt")
    unpickle = host.modules.load("comfy.checkpoint_pickle")
    found = torch.load(tmp_path / "evil.pt", pickle_module=unpickle, weights_only=False)
    assert isinstance(found["state_dict"], unpickle.Empty)
    torch.save({"w": torch.arange(3)}, tmp_path / "good.pt")
    good = torch.load(tmp_path / "good.pt", pickle_module=unpickle, weights_only=False)
    assert good["w"].tolist() == [0, 1, 2]


def test_tables(utils: ModuleType) -> None:
    table = {"m.a": torch.zeros(2, 3), "m.b": torch.zeros(4).half(), "x": torch.zeros(1)}
    assert utils.calculate_parameters(table) == 11 and utils.calculate_parameters(table, "m.") == 10
    assert utils.weight_dtype(table, "m.") is torch.float32
    taken = utils.state_dict_prefix_replace(table, {"m.": "n."}, filter_keys=True)
    assert taken.keys() == {"n.a", "n.b"} and table.keys() == {"x"}
    assert utils.state_dict_key_replace(table, {"x": "y", "z": "w"}).keys() == {"y"}
    openclip = {"p.transformer.resblocks.0.attn.in_proj_weight": torch.arange(6.0)[:, None], "p.ln_final.bias": 1}
    made = utils.transformers_convert(openclip, "p.", "q.", 1)
    assert made["q.encoder.layers.0.self_attn.k_proj.weight"].flatten().tolist() == [2, 3]
    assert "q.final_layer_norm.bias" in made


def test_unet_names_are_diffusers(utils: ModuleType) -> None:
    config = {
        "num_res_blocks": [2, 2, 2, 2], "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0], "transformer_depth_middle": 1,
        "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0], "channel_mult": [1, 2, 4, 4],
    }  # fmt: skip
    names = utils.unet_to_diffusers(config)
    assert names["down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight"] == (
        "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"
    )
    assert names["up_blocks.3.resnets.2.conv_shortcut.bias"] == "output_blocks.11.0.skip_connection.bias"
    assert names["up_blocks.0.upsamplers.0.conv.weight"] == "output_blocks.2.1.conv.weight"
    assert not any(key.startswith("down_blocks.3.attentions") for key in names)
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        real = UNet2DConditionModel(cross_attention_dim=768).state_dict()
    assert set(real) <= set(names)
    assert utils.unet_to_diffusers({}) == {}


def test_batches(utils: ModuleType) -> None:
    x = torch.arange(3)[:, None]
    assert utils.repeat_to_batch_size(x, 7).flatten().tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert utils.repeat_to_batch_size(x, 2).flatten().tolist() == [0, 1]
    assert utils.repeat_to_batch_size(torch.zeros(2, 3), 5, dim=1).shape == (2, 5)
    assert utils.resize_to_batch_size(x, 6).flatten().tolist() == [0, 0, 1, 1, 2, 2]
    assert utils.resize_to_batch_size(torch.arange(9), 3).tolist() == [0, 4, 8]
    assert utils.resize_list_to_batch_size(["a", "b"], 4) == ["a", "a", "b", "b"]


def test_latents_in_one_line(utils: ModuleType) -> None:
    latents = [torch.rand(2, 4, 3, 5), torch.rand(2, 8, 7)]
    line, shapes = utils.pack_latents(latents)
    assert line.shape == (2, 1, 60 + 56)
    assert all(map(torch.equal, utils.unpack_latents(line, shapes), latents))
    assert utils.unpack_latents(line, shapes[:1]) == [line]
    assert utils.swap_scale_shift(torch.arange(4)).tolist() == [2, 3, 0, 1]


def test_attributes(utils: ModuleType) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 2))
    weight = utils.get_attr(net, "0.weight")
    assert weight is net[0].weight
    assert utils.set_attr(net[0], "note", 3) is utils.ATTR_UNSET
    assert utils.set_attr(net, "0.note", utils.ATTR_UNSET) == 3 and not hasattr(net[0], "note")
    utils.copy_to_param(net, "0.weight", torch.ones(2, 2))
    assert net[0].weight is weight and weight.sum() == 4
    assert utils.set_attr_param(net, "0.weight", torch.zeros(2, 2)) is weight
    assert not net[0].weight.requires_grad


def test_seeds_of_texts(utils: ModuleType) -> None:
    assert utils.string_to_seed(b"carrara") == zlib.crc32(b"carrara")


def test_rounding_by_chance_is_right_on_average(host: Host) -> None:
    rounding = host.modules.load("comfy.float").stochastic_rounding
    for dtype in (torch.float8_e4m3fn, torch.float8_e5m2):
        x = torch.full((20000,), 0.3)
        made = rounding(x, dtype, seed=1)
        assert made.dtype is dtype and len(made.float().unique()) == 2
        assert abs(made.float().mean().item() - 0.3) < 1e-3
        exact = torch.tensor([0.0, -1.0, 2.0**-9, 256.0])
        assert torch.equal(rounding(exact, dtype).float(), exact)
