"""Enlarging networks against their definitions, under all the names that files give their tensors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from carrara.errors import BadWeights, InputError, OutOfMemory, UnknownFamily
from carrara.models.compute import Compute
from carrara.models.handles import UpscaleModel
from carrara.models.residency import Residency
from carrara.models.upscale import run
from carrara.models.upscale.compact import Compact, CompactConfig
from carrara.models.upscale.recognise import load_upscaler
from carrara.models.upscale.rrdb import RRDBConfig, RRDBNet

SMALL = {"width": 8, "growth": 4, "blocks": 2}


def drawn(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {k: torch.randn_like(v) * 0.1 for k, v in network.state_dict().items()}


def conv(weights, name, x):
    return F.conv2d(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"), padding="same")


def esrgan(weights: dict[str, torch.Tensor], cfg: RRDBConfig, x: torch.Tensor) -> torch.Tensor:
    """The paper's figure, written out."""
    x = start = conv(weights, "conv_first", F.pixel_unshuffle(x, cfg.fold))
    for block in range(cfg.blocks):
        entry = x
        for dense in (1, 2, 3):
            name = f"body.{block}.rdb{dense}"
            parts = [x]
            for place in (1, 2, 3, 4):
                found = F.leaky_relu(conv(weights, f"{name}.conv{place}", torch.cat(parts, 1)), 0.2)
                if cfg.plus and place == 2:
                    found = found + conv(weights, f"{name}.conv1x1", x)
                parts.append(found + parts[2] if cfg.plus and place == 4 else found)
            x = x + 0.2 * conv(weights, f"{name}.conv5", torch.cat(parts, 1))
        x = entry + 0.2 * x
    x = start + conv(weights, "conv_body", x)
    for place in range(cfg.ups):
        wide = x.repeat_interleave(2, -1).repeat_interleave(2, -2)
        x = F.leaky_relu(conv(weights, f"conv_up{place + 1}", wide), 0.2)
    return conv(weights, "conv_last", F.leaky_relu(conv(weights, "conv_hr", x), 0.2))


def numbered(weights: dict[str, torch.Tensor], cfg: RRDBConfig) -> dict[str, torch.Tensor]:
    """Names of the oldest files: one long Sequential with activations and enlargements in it."""
    places = {"conv_first": "0", "conv_body": f"1.sub.{cfg.blocks}"}
    places |= {f"conv_up{n}": str(3 * n) for n in range(1, cfg.ups + 1)}
    places |= {"conv_hr": str(3 * cfg.ups + 2), "conv_last": str(3 * cfg.ups + 4)}
    out = {}
    for key, value in weights.items():
        module, _, kind = key.rpartition(".")
        inner = re.sub(r"body\.(\d+)\.rdb(\d)\.(conv\d)$", r"1.sub.\1.RDB\2.\3.0", module)
        inner = re.sub(r"body\.(\d+)\.rdb(\d)\.conv1x1$", r"1.sub.\1.RDB\2.conv1x1", inner)
        out[f"model.{places.get(module, inner)}.{kind}"] = value
    return out


def named(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    words = {"conv_body": "trunk_conv", "conv_up": "upconv", "conv_hr": "HRconv"}
    out = {}
    for key, value in weights.items():
        key = re.sub(r"^body\.(\d+)\.rdb(\d)", r"RRDB_trunk.\1.RDB\2", key)
        for new, old in words.items():
            key = key.replace(new, old)
        out["module." + key] = value
    return out


def enlarged(path: Path, picture: torch.Tensor) -> torch.Tensor:
    return run.upscale(UpscaleModel(load_upscaler(path)), picture, Residency(Compute("cpu")), lambda: None)


def fits(got: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(got, wanted.clamp(0, 1).movedim(1, -1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("ups", [0, 1, 2, 3])
@pytest.mark.parametrize("plus", [False, True])
def test_esrgan_under_the_oldest_names(ups, plus, tmp_path):
    cfg = RRDBConfig(ups=ups, plus=plus, **SMALL)
    weights, x = drawn(RRDBNet(cfg)), torch.rand(2, 5, 7, 3)
    torch.save(numbered(weights, cfg), tmp_path / "old.pth")
    blueprint = load_upscaler(tmp_path / "old.pth")
    assert blueprint.config == cfg and UpscaleModel(blueprint).scale == 2**ups
    fits(enlarged(tmp_path / "old.pth", x), esrgan(weights, cfg, x.movedim(-1, 1)))


@pytest.mark.parametrize("fold", [1, 2, 4])
def test_real_esrgan_folds_pixels_first(fold, tmp_path):
    cfg = RRDBConfig(fold=fold, **SMALL)
    weights, x = drawn(RRDBNet(cfg)), torch.rand(1, 8, 12, 3)
    torch.save({"params": {k: v * 0 for k, v in weights.items()}, "params_ema": weights}, tmp_path / "real.pth")
    assert load_upscaler(tmp_path / "real.pth").config == cfg
    fits(enlarged(tmp_path / "real.pth", x), esrgan(weights, cfg, x.movedim(-1, 1)))
    odd = enlarged(tmp_path / "real.pth", x[:, :7, :9])
    assert odd.shape == (1, 7 * cfg.scale, 9 * cfg.scale, 3)
    if fold > 1:
        mirrored = F.pad(x[:, :7, :9].movedim(-1, 1), (0, 3, 0, 1), mode="reflect")
        fits(odd, esrgan(weights, cfg, mirrored)[..., : 7 * cfg.scale, : 9 * cfg.scale])


def test_esrgan_under_its_authors_names(tmp_path):
    cfg = RRDBConfig(**SMALL)
    weights, x = drawn(RRDBNet(cfg)), torch.rand(1, 5, 7, 4)
    save_file(named(weights), tmp_path / "named.safetensors")
    fits(enlarged(tmp_path / "named.safetensors", x), esrgan(weights, cfg, x[..., :3].movedim(-1, 1)))


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_the_compact_network(scale, tmp_path):
    cfg = CompactConfig(width=6, convs=3, scale=scale)
    weights, x = drawn(Compact(cfg)), torch.rand(1, 5, 7, 3)
    torch.save({"params": weights}, tmp_path / "compact.pth")
    assert load_upscaler(tmp_path / "compact.pth").config == cfg
    planes = y = x.movedim(-1, 1)
    for place in range(0, 8, 2):
        y = conv(weights, f"body.{place}", y)
        y = torch.where(y > 0, y, y * weights[f"body.{place + 1}.weight"][:, None, None])
    wanted = F.pixel_shuffle(conv(weights, "body.8", y), scale) + F.interpolate(planes, scale_factor=scale)
    fits(enlarged(tmp_path / "compact.pth", x), wanted)


def compact_file(folder: Path) -> Path:
    save_file(drawn(Compact(CompactConfig(width=4, convs=1, scale=2))), folder / "c.safetensors")
    return folder / "c.safetensors"


def test_large_pictures_are_cut_into_tiles_that_blend(tmp_path, monkeypatch):
    path, x = compact_file(tmp_path), torch.rand(1, 70, 30, 3)
    whole = enlarged(path, x)
    monkeypatch.setattr(run, "TILE", 32)
    monkeypatch.setattr(run, "OVERLAP", 8)
    tiled = enlarged(path, x)
    assert tiled.shape == whole.shape == (1, 140, 60, 3)
    assert (tiled - whole)[:, 20:28].abs().max() < 1e-6, "the middle of a tile is that of the whole"


def test_tiles_shrink_while_memory_is_short(tmp_path, monkeypatch):
    path, sizes = compact_file(tmp_path), []

    def short(self, net, x):
        sizes.append(max(x.shape[-2:]))
        if sizes[-1] > 200:
            raise OutOfMemory("short")
        return net(x)

    monkeypatch.setattr(Residency, "call", short)
    assert enlarged(path, torch.rand(1, 520, 8, 3)).shape == (1, 1040, 16, 3)
    assert sizes[:3] == [512, 256, 128]


def test_what_is_refused(tmp_path):
    save_file({"layers.0.weight": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UnknownFamily, match="no network that enlarges"):
        load_upscaler(tmp_path / "other.safetensors")
    save_file({"model.0.weight": torch.ones(8, 3, 3, 3)}, tmp_path / "part.safetensors")
    with pytest.raises(BadWeights, match="lacks layers"):
        load_upscaler(tmp_path / "part.safetensors")
    save_file({"body.0.rdb1.conv1.weight": torch.ones(8, 3, 3, 3)}, tmp_path / "half.safetensors")
    with pytest.raises(BadWeights, match="lacks a layer"):
        load_upscaler(tmp_path / "half.safetensors")
    with pytest.raises(InputError, match="too few channels"):
        enlarged(compact_file(tmp_path), torch.rand(1, 4, 4, 1))


def test_other_networks_need_a_package(tmp_path, monkeypatch):
    import sys

    from carrara.models.upscale.others import load_any

    save_file({"layers.0.weight": torch.ones(1)}, tmp_path / "other.safetensors")
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(UnknownFamily, match="pip install spandrel"):
        load_any(tmp_path / "other.safetensors", "cpu")
    assert load_any(compact_file(tmp_path), "cpu").config.scale == 2


def test_a_network_from_outside_runs_as_ours(tmp_path):
    from carrara.models.upscale.others import lent

    class Doubler(torch.nn.Upsample):
        scale = 2

    x = torch.rand(1, 5, 7, 3)
    made = run.upscale(UpscaleModel(lent(Doubler(scale_factor=2))), x, Residency(Compute("cpu")), lambda: None)
    assert torch.equal(made, x.repeat_interleave(2, 1).repeat_interleave(2, 2))
