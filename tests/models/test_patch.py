"""LoRA files in all the ways they name things, against the sum done by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from header_fixtures import fixture
from network_oracles import difference, noise
from safetensors.torch import save_file

from carrara.errors import BadWeights, InputError
from carrara.models.blueprint import Blueprint
from carrara.models.checkpoint import assemble
from carrara.models.families import families
from carrara.models.families.sd15 import aliases
from carrara.models.load import open_weights
from carrara.models.materialise import materialise
from carrara.models.patch import changes, split, with_lora, with_lora_on_all
from carrara.models.shapes import unet_config
from carrara.models.unet import UNet, UNetConfig

CONFIG = UNetConfig(
    model_channels=32, channel_mult=(1, 2), num_res_blocks=(1, 1), transformer_depth=(1, 1), context_dim=8
)
FORMATS = {"fp32": torch.float32, "fp16": torch.float16}
OURS = "input_blocks.1.1.transformer_blocks.0.attn1.to_out.0"
THEIRS = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"
RESNET = ("output_blocks.3.0.in_layers.2", "up_blocks.1.resnets.1.conv1")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Blueprint:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("base") / "unet.safetensors"
    save_file({k: v.half() for k, v in UNet(CONFIG).state_dict().items()}, path)
    weights = open_weights(path)
    return Blueprint("unet", UNet, unet_config(weights), weights, aliases)


def weights_of(blueprint: Blueprint, dtype: str = "fp32") -> dict[str, torch.Tensor]:
    net = materialise(blueprint, torch.device("cpu"), FORMATS[dtype], pack=False)
    return {k: v.clone() for k, v in net.state_dict().items()}


def lora(
    name: str,
    path: Path,
    *,
    up: str = ".lora_up.weight",
    down: str = ".lora_down.weight",
    alpha: float | None = 2.0,
    rank: int = 4,
    shape: tuple[int, ...] = (32, 32),
) -> tuple[Path, torch.Tensor]:
    """A file with one change, and the change."""
    u, d = noise(shape[0], rank, seed=5).half(), noise(rank, *shape[1:], seed=6).half()
    tensors = {name + up: u[..., None, None].contiguous() if len(shape) == 4 else u, name + down: d}
    if alpha is not None:
        tensors[name + ".alpha"] = torch.tensor(alpha).half()
    save_file(tensors, path)
    scale = 1.0 if alpha is None else alpha / rank
    return path, scale * (u.double() @ d.double().flatten(1)).view(shape)


SPELLINGS = {
    "kohya, diffusers path": ("lora_unet_" + THEIRS.replace(".", "_"), {}),
    "kohya, LDM path": ("lora_unet_" + OURS.replace(".", "_"), {}),
    "peft": ("unet." + THEIRS, {"up": ".lora_B.weight", "down": ".lora_A.weight", "alpha": None}),
    "diffusers": ("unet." + THEIRS, {"up": ".lora.up.weight", "down": ".lora.down.weight", "alpha": None}),
    "old diffusers": (
        "unet." + THEIRS.replace(".to_out.0", ".processor.to_out"),
        {"up": "_lora.up.weight", "down": "_lora.down.weight", "alpha": None},
    ),
    "lycoris": ("lycoris_" + THEIRS.replace(".", "_"), {}),
    "without endings": ("diffusion_model." + OURS, {"up": ".lora_B", "down": ".lora_A", "alpha": None}),
    "bare": (OURS, {"up": ".lora_B.weight", "down": ".lora_A.weight", "alpha": None}),
    "prefixed LDM path": ("diffusion_model." + OURS, {"up": ".lora_B.weight", "down": ".lora_A.weight", "alpha": None}),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_changes_the_same_weight(spelling: str, base: Blueprint, tmp_path: Path) -> None:
    name, options = SPELLINGS[spelling]
    path, change = lora(name, tmp_path / "l.safetensors", **options)
    patched, unused = with_lora(base, path, 0.75)
    assert unused == ()
    before, after = weights_of(base), weights_of(patched)
    key = OURS + ".weight"
    assert torch.equal(after[key], (before[key].double() + 0.75 * change).float()) or (
        difference(after[key], (before[key].double() + 0.75 * change).float()) < 1e-6
    )
    assert all(torch.equal(before[k], after[k]) for k in before if k != key)


def test_convolutions_and_tucker_cores(base: Blueprint, tmp_path: Path) -> None:
    key, theirs = RESNET[0] + ".weight", "lora_unet_" + RESNET[1].replace(".", "_")
    shape = tuple(base.weights.shape(key))
    path, change = lora(theirs, tmp_path / "l.safetensors", shape=shape)
    assert difference(weights_of(with_lora(base, path, 1.0)[0])[key] - weights_of(base)[key], change.float()) < 1e-5
    up, down, mid = noise(shape[0], 3, 1, 1), noise(5, shape[1], 1, 1, seed=2), noise(3, 5, 3, 3, seed=3)
    parts = {"lora_up.weight": up, "lora_down.weight": down, "lora_mid.weight": mid}
    save_file({f"{theirs}.{k}": v.contiguous() for k, v in parts.items()}, tmp_path / "t.safetensors")
    tucker = torch.einsum("or,rshw,si->oihw", up[..., 0, 0], mid, down[..., 0, 0])
    got = weights_of(with_lora(base, tmp_path / "t.safetensors", 1.0)[0])[key] - weights_of(base)[key]
    assert difference(got, tucker) < 1e-5


def test_patches_add_up_in_wide_arithmetic_and_are_values(base: Blueprint, tmp_path: Path) -> None:
    path, change = lora("lora_unet_" + THEIRS.replace(".", "_"), tmp_path / "l.safetensors")
    once, _ = with_lora(base, path, 1.0)
    twice, _ = with_lora(once, path, -1.0)
    key = OURS + ".weight"
    assert not base.patches and len(once.patches) == 1
    assert difference(weights_of(twice)[key], weights_of(base)[key]) < 1e-6
    assert len({b.content for b in (base, once, twice)}) == 3
    assert with_lora(base, path, 1.0)[0].content == once.content
    assert with_lora(base, path, 0.0)[0] is base
    half = (weights_of(base)[key].double() + change).half()
    assert torch.equal(weights_of(once, "fp16")[key], half), "rounded once, at the end"


def test_shapes_that_do_not_fit_are_bad_weights(base: Blueprint, tmp_path: Path) -> None:
    path, _ = lora("lora_unet_" + THEIRS.replace(".", "_"), tmp_path / "l.safetensors", shape=(32, 31))
    patched, _ = with_lora(base, path, 1.0)
    with pytest.raises(BadWeights, match="does not fit"):
        weights_of(patched)


def test_leftovers_are_reported(base: Blueprint, tmp_path: Path) -> None:
    save_file({"lora_unet_nowhere.lora_up.weight": torch.ones(1)}, tmp_path / "l.safetensors")
    same, unused = with_lora(base, tmp_path / "l.safetensors", 1.0)
    assert same is base and unused == ("lora_unet_nowhere.lora_up.weight",)


def test_a_real_file_fits_the_unet_and_the_text_encoder_whole() -> None:
    loaded = assemble(fixture("sd15"), families()[0])
    file = fixture("sd15_lora")
    assert loaded.unet is not None
    unet, left = changes(loaded.unet, file)
    text, rest = changes(loaded.text[0], file)
    assert (len(unet), len(text)) == (192, 72)
    assert not set(left) & set(rest)


def test_split() -> None:
    assert split("a.b.lora_up.weight") == ("a.b", "up")
    assert split("a.attn1.processor.to_out_lora.down.weight") == ("a.attn1.to_out.0", "down")
    assert split("text_model.embeddings.weight")[1] is None


def one_change(base: Blueprint, path: Path, key: str, parts: dict[str, torch.Tensor]) -> torch.Tensor:
    """What a file with these tensors changes in one weight."""
    save_file({k: v.contiguous() for k, v in parts.items()}, path)
    patched, unused = with_lora(base, path, 1.0)
    assert unused == ()
    return weights_of(patched)[key] - weights_of(base)[key]


def test_hadamard_products(base: Blueprint, tmp_path: Path) -> None:
    name, key = "lora_unet_" + THEIRS.replace(".", "_"), OURS + ".weight"
    a1, b1, a2, b2 = noise(32, 4), noise(4, 32, seed=2), noise(32, 4, seed=3), noise(4, 32, seed=4)
    factors = {"hada_w1_a": a1, "hada_w1_b": b1, "hada_w2_a": a2, "hada_w2_b": b2, "alpha": torch.tensor(2.0)}
    got = one_change(base, tmp_path / "l.safetensors", key, {f"{name}.{k}": v for k, v in factors.items()})
    assert difference(got, (a1 @ b1) * (a2 @ b2) * 0.5) < 1e-5


def test_hadamard_products_with_cores(base: Blueprint, tmp_path: Path) -> None:
    name, key = "lora_unet_" + RESNET[1].replace(".", "_"), RESNET[0] + ".weight"
    out, inp = base.weights.shape(key)[:2]
    a, b, t = noise(2, out), noise(2, inp, seed=2), noise(2, 2, 3, 3, seed=3)
    factors = {"hada_w1_a": a, "hada_w1_b": b, "hada_t1": t, "hada_w2_a": a + 0, "hada_w2_b": b + 0, "hada_t2": t + 0}
    got = one_change(base, tmp_path / "l.safetensors", key, {f"{name}.{k}": v for k, v in factors.items()})
    part = torch.einsum("pqhw,po,qi->oihw", t, a, b)
    assert difference(got, part * part) < 1e-5


def test_kronecker_products(base: Blueprint, tmp_path: Path) -> None:
    name, key = "lora_unet_" + THEIRS.replace(".", "_"), OURS + ".weight"
    w1, a, b = noise(4, 4), noise(8, 2, seed=2), noise(2, 8, seed=3)
    parts = {f"{name}.lokr_w1": w1, f"{name}.lokr_w2_a": a, f"{name}.lokr_w2_b": b, f"{name}.alpha": torch.tensor(1.0)}
    got = one_change(base, tmp_path / "l.safetensors", key, parts)
    assert difference(got, torch.kron(w1, a @ b) * 0.5) < 1e-5
    whole = {f"{name}.lokr_w1": w1, f"{name}.lokr_w2": a @ b, f"{name}.alpha": torch.tensor(1.0)}
    assert difference(one_change(base, tmp_path / "m.safetensors", key, whole), torch.kron(w1, a @ b)) < 1e-5


def test_plain_differences_of_weights_and_biases(base: Blueprint, tmp_path: Path) -> None:
    name = "lora_unet_" + THEIRS.replace(".", "_")
    parts = {f"{name}.diff": noise(32, 32), f"{name}.diff_b": noise(32)}
    assert difference(one_change(base, tmp_path / "l.safetensors", OURS + ".weight", parts), noise(32, 32)) < 1e-5
    assert difference(one_change(base, tmp_path / "l.safetensors", OURS + ".bias", parts), noise(32)) < 1e-5


def test_a_decomposed_file_sets_the_length_of_rows(base: Blueprint, tmp_path: Path) -> None:
    name = "lora_unet_" + THEIRS.replace(".", "_")
    parts = {f"{name}.lora_up.weight": noise(32, 4), f"{name}.lora_down.weight": noise(4, 32, seed=2)}
    parts[f"{name}.lora_magnitude_vector"] = torch.full((32,), 2.0)
    save_file(parts, tmp_path / "l.safetensors")
    patched, unused = with_lora(base, tmp_path / "l.safetensors", 1.0)
    assert unused == ()
    assert weights_of(patched)[OURS + ".weight"].norm(dim=1).tolist() == pytest.approx([2.0] * 32)


def test_a_file_for_another_model_is_refused_and_leftovers_are_told(
    base: Blueprint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_file({"lora_unet_elsewhere.lora_up.weight": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="changes nothing"):
        with_lora_on_all([(base, 1.0)], tmp_path / "other.safetensors")
    name = "lora_unet_" + THEIRS.replace(".", "_")
    parts = {f"{name}.diff": noise(32, 32), "lora_te_text_model_x.diff": noise(2)}
    save_file(parts, tmp_path / "half.safetensors")
    (patched,) = with_lora_on_all([(base, 1.0)], tmp_path / "half.safetensors")
    assert len(patched.patches) == 1 and "1 of 2 tensors" in caplog.text
