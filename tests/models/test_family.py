"""Recognising files by names and shapes alone, and reading configurations off them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import network_oracles as oracles
import pytest
import torch
from header_fixtures import fixture
from safetensors.torch import save_file

from carrara.errors import BadWeights, UnknownFamily
from carrara.models.checkpoint import assemble, load_checkpoint
from carrara.models.controlnet import controlnet_config
from carrara.models.families import families
from carrara.models.family import has, lacks, recognise, shaped
from carrara.models.materialise import materialise, misfit
from carrara.models.shapes import unet_config
from carrara.models.text.clip import CLIPText, CLIPTextConfig
from carrara.models.unet import UNet, UNetConfig
from carrara.models.vae.autoencoder import Autoencoder, VAEConfig
from carrara.models.weights import Weights

PREFIXES = ("model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer.")


def test_sd15_and_its_inpainting_variant() -> None:
    weights = fixture("sd15")
    loaded = assemble(weights, recognise(weights, families()))
    assert loaded.family is not None and loaded.family.name == "sd15"
    assert loaded.unet is not None and loaded.unet.config == UNetConfig()
    assert loaded.vae is not None and loaded.vae.config == VAEConfig()
    assert [t.config for t in loaded.text] == [CLIPTextConfig()]
    assert (loaded.prediction, loaded.zsnr, loaded.latent.scale) == ("eps", False, 0.18215)
    for part in (loaded.unet, loaded.vae):
        found = misfit(part)
        assert not (found.missing or found.extra or found.shapes)
    inpaint = fixture("sd15_inpaint")
    unet = assemble(inpaint, recognise(inpaint, families())).unet
    assert unet is not None and unet.config == replace(UNetConfig(), in_channels=9)


@pytest.mark.parametrize("name", ["sd21v", "sdxl", "sd35_tiny", "sd15_lora", "sd15_controlnet"])
def test_other_files_are_refused_with_each_family_s_reason(name: str) -> None:
    with pytest.raises(UnknownFamily) as caught:
        recognise(fixture(name), families())
    assert "sd15:" in str(caught.value)


def test_two_families_must_not_recognise_one_file() -> None:
    twins = (families()[0], replace(families()[0], name="twin"))
    with pytest.raises(UnknownFamily, match="more than one"):
        recognise(fixture("sd15"), twins)


@pytest.mark.parametrize(
    ("metadata", "markers", "expected"),
    [
        ({"modelspec.prediction_type": "v"}, {}, ("v", False)),
        ({"modelspec.prediction_type": "epsilon"}, {"v_pred": (0,)}, ("eps", False)),
        ({}, {"v_pred": (0,), "ztsnr": (0,)}, ("v", True)),
        ({"modelspec.prediction_type": "v"}, {"ztsnr": (0,)}, ("v", True)),
        ({}, {}, ("eps", False)),
    ],
)
def test_prediction_is_declared_by_the_file(
    metadata: dict[str, str], markers: dict[str, tuple[int, ...]], expected: tuple[str, bool]
) -> None:
    weights = fixture("sd15", metadata, **markers)
    assert families()[0].predicts(weights) == expected


def test_combinators() -> None:
    weights = Weights(fixture("sd15").pieces)
    key = "model.diffusion_model.input_blocks.0.0.weight"
    assert (has(key) & lacks("no")).reason(weights) is None
    assert (has("no") & has(key)).reason(weights) == "lacks no"
    assert (has("no") | has(key)).reason(weights) is None
    assert (has("no") | lacks(key)).reason(weights) == f"lacks no, and has {key}"
    assert shaped(key, 320, None, 3, 3).reason(weights) is None
    assert "is [320, 4, 3, 3]" in str(shaped(key, None, 9, 3, 3).reason(weights))


def test_controlnet_of_sd15() -> None:
    config = controlnet_config(fixture("sd15_controlnet").under("control_model."))
    assert config.unet == UNetConfig() and config.hint == (3, 16, 16, 32, 32, 96, 96, 256) and config.factor == 8


CONFIGS = [
    UNetConfig(model_channels=32, channel_mult=(1, 2), num_res_blocks=(1, 1), transformer_depth=(1, 1), context_dim=8),
    UNetConfig(model_channels=64, channel_mult=(1, 2, 3), num_res_blocks=(1, 2, 1), transformer_depth=(0, 1, 2)),
    UNetConfig(model_channels=32, channel_mult=(1, 1, 2), num_res_blocks=(3, 1, 2), transformer_depth=(1, 0, 1)),
    UNetConfig(in_channels=9, out_channels=8, model_channels=32, channel_mult=(2,), num_res_blocks=(2,),
               transformer_depth=(3,), middle_depth=2, context_dim=16),
    UNetConfig(model_channels=64, middle_depth=0, channel_mult=(1, 2), num_res_blocks=(1, 1), transformer_depth=(1, 1)),
]  # fmt: skip


@pytest.mark.parametrize("config", CONFIGS)
def test_any_width_and_depth_is_read_off_the_shapes(config: UNetConfig, tmp_path: Path) -> None:
    path = small_checkpoint(tmp_path, config)
    loaded = load_checkpoint(path)
    assert loaded.unet is not None and loaded.unet.config == config


def small_checkpoint(
    folder: Path, unet: UNetConfig, metadata: dict[str, str] | None = None, change: Callable[[dict], None] | None = None
) -> Path:
    """A whole single-file checkpoint of small random networks."""
    torch.manual_seed(0)
    vae = VAEConfig(ch=32, channel_mult=(1, 1, 2), num_res_blocks=1)
    text = CLIPTextConfig(vocab=40, width=128, layers=2, heads=2, mlp=192)
    nets = (UNet(unet), Autoencoder(vae), CLIPText(text))
    tensors = {p + k: v.clone() for p, net in zip(PREFIXES, nets, strict=True) for k, v in net.state_dict().items()}
    if change:
        change(tensors)
    path = folder / "small.safetensors"
    save_file(tensors, path, metadata=metadata)
    return path


def test_other_parts_of_a_small_checkpoint(tmp_path: Path) -> None:
    loaded = load_checkpoint(
        small_checkpoint(tmp_path, CONFIGS[0], {"carrara.unet_heads": "4", "carrara.vae_groups": "8"})
    )
    assert loaded.unet is not None and loaded.unet.config.heads == 4
    assert loaded.vae is not None and loaded.vae.config == VAEConfig(32, (1, 1, 2), 1, groups=8)
    assert loaded.latent.factor == 4
    assert loaded.text[0].config == CLIPTextConfig(vocab=40, width=128, layers=2, heads=2, mlp=192)


@pytest.mark.parametrize("heads", ["0", "-1", "many", "7", "99999", "1.5"])
def test_metadata_cannot_break_the_head_count(heads: str, tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match="heads"):
        load_checkpoint(small_checkpoint(tmp_path, CONFIGS[0], {"carrara.unet_heads": heads}))


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("input_blocks.1.0.out_layers.3.weight", (33, 32, 3, 3)),
        ("input_blocks.1.0.out_layers.3.weight", (32,)),
        ("input_blocks.1.0.out_layers.3.weight", (0, 32, 3, 3)),
        ("input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", (8,)),
    ],
)
def test_contradicting_shapes_are_bad_weights(key: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    def change(tensors: dict) -> None:
        tensors[PREFIXES[0] + key] = torch.zeros(shape)

    with pytest.raises(BadWeights):
        load_checkpoint(small_checkpoint(tmp_path, CONFIGS[0], change=change))


def test_a_diffusers_folder_is_the_same_model(tmp_path: Path) -> None:
    import json

    oracles.unet(torch.float32, cross_attention_dim=128).save_pretrained(tmp_path / "unet")
    oracles.vae(torch.float32).half().save_pretrained(tmp_path / "vae")
    oracles.clip(torch.float32).save_pretrained(tmp_path / "text_encoder", max_shard_size="700KB")
    (tmp_path / "scheduler").mkdir()
    settings = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    (tmp_path / "scheduler" / "scheduler_config.json").write_text(json.dumps(settings))
    loaded = load_checkpoint(tmp_path)
    assert loaded.folder == tmp_path and (loaded.prediction, loaded.zsnr) == ("v", True)
    assert loaded.unet is not None and loaded.vae is not None
    assert loaded.unet.config.heads == 4, "declared by config.json"
    for part in (loaded.unet, loaded.vae, *loaded.text):
        found = misfit(part)
        assert not (found.missing or found.shapes), found
        assert all(k.endswith("position_ids") for k in found.extra)


def test_an_index_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    import json

    (tmp_path / "unet").mkdir()
    index = {"weight_map": {"a": "../../secret.safetensors"}}
    (tmp_path / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(BadWeights, match="outside"):
        load_checkpoint(tmp_path)


def test_an_early_layout_of_the_text_encoder(tmp_path: Path) -> None:
    def change(tensors: dict) -> None:
        for key in [k for k in tensors if ".text_model." in k]:
            tensors[key.replace(".text_model.", ".")] = tensors.pop(key)

    assert len(load_checkpoint(small_checkpoint(tmp_path, CONFIGS[0], change=change)).text) == 1


def test_unet_config_of_a_file_without_input_blocks() -> None:
    with pytest.raises(BadWeights, match=r"lack input_blocks\.0\.0\.weight"):
        unet_config(Weights({}))


def test_a_pickled_checkpoint_is_the_same_model(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    tensors = load_file(small_checkpoint(tmp_path, CONFIGS[0]))
    torch.save({"global_step": 1, "state_dict": tensors}, tmp_path / "small.ckpt")
    loaded, same = load_checkpoint(tmp_path / "small.ckpt"), load_checkpoint(tmp_path / "small.safetensors")
    assert loaded.unet is not None and same.unet is not None
    assert (loaded.unet.config, loaded.vae and loaded.vae.config) == (same.unet.config, same.vae and same.vae.config)
    a, b = (materialise(x.unet, torch.device("cpu"), torch.float32, pack=False) for x in (loaded, same) if x.unet)
    assert all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())
