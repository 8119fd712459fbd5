"""Mixed models against the sums done by hand, and saved files against what was saved."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from carrara.executor.spec import Context
from carrara.models.compute import Compute
from carrara.models.load import open_weights
from carrara.models.materialise import materialise
from carrara.models.merging import Shares, by_prefix
from carrara.models.scaled import with_scaled
from carrara.nodes import loaders, merging
from carrara.nodes.catalog import catalogue
from carrara.nodes.merging_parts import merge_sd1
from carrara.nodes.store import Files

TINY, OTHER = "tiny.safetensors", "other.safetensors"
CONV = "input_blocks.0.0.weight"


@pytest.fixture(scope="module")
def two(tiny: Path, tiny_ctx):
    """Two checkpoints with different numbers."""
    tensors = load_file(tiny / "checkpoints" / TINY)
    torch.manual_seed(1)
    with safe_open(tiny / "checkpoints" / TINY, "pt") as file:
        about = file.metadata()
    mixed = {k: torch.randn_like(v) if v.is_floating_point() else v for k, v in tensors.items()}
    save_file(mixed, tiny / "checkpoints" / OTHER, metadata=about)
    yield loaders.load_checkpoint(TINY, tiny_ctx), loaders.load_checkpoint(OTHER, tiny_ctx)
    (tiny / "checkpoints" / OTHER).unlink()


@pytest.fixture
def ctx(tiny_ctx, tmp_path):
    """With folders to save in."""
    files = Files(tmp_path / "in", tmp_path / "out", tmp_path / "temp")
    return Context(services={**tiny_ctx.services, Files: files})


def weights_of(blueprint) -> dict[str, torch.Tensor]:
    net = materialise(blueprint, torch.device(Compute("cpu").device), torch.float32, pack=False)
    return dict(net.state_dict())


def same(got, a, b, own, other):
    for key in a:
        wanted = own(key) * a[key] + other(key) * b[key]
        torch.testing.assert_close(got[key], wanted, atol=1e-5, rtol=1e-5)


def test_simple_sums(two):
    first, second = (weights_of(part.model.unet) for part in two)
    models = [part.model for part in two]
    mixed = merging.merge_models(*models, 0.3).unet
    same(weights_of(mixed), first, second, lambda k: 0.3, lambda k: 0.7)
    same(weights_of(merging.add_models(*models).unet), first, second, lambda k: 1, lambda k: 1)
    same(weights_of(merging.subtract_models(*models, 2.0).unet), first, second, lambda k: 2, lambda k: -2)
    assert merging.merge_models(*models, 1.0).unet is models[0].unet
    contents = {mixed.content, merging.merge_models(*models, 0.3).unet.content, models[0].unet.content}
    assert len(contents) == 2, "a merge is a value"


def test_patches_of_the_other_count_and_merges_chain(two):
    first, second = (weights_of(part.model.unet) for part in two)
    doubled = two[1].model.but(unet=with_scaled(two[1].model.unet, {"input_blocks.0.0": 2.0}))
    chained = merging.add_models(two[0].model, merging.subtract_models(doubled, two[0].model, 1.0))
    got = weights_of(chained.unet)
    torch.testing.assert_close(got[CONV], 2 * second[CONV], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(got["out.2.weight"], second["out.2.weight"], atol=1e-5, rtol=1e-5)
    assert not torch.equal(first[CONV], second[CONV])


def test_blocks_have_ratios_of_their_own(two):
    first, second = (weights_of(part.model.unet) for part in two)
    got = weights_of(merging.merge_blocks(two[0].model, two[1].model, 0.1, 0.5, 0.9).unet)

    def own(key):
        return 0.9 if key.startswith("out") else 0.5 if key.startswith("middle") else 0.1

    same(got, first, second, own, lambda key: 1 - own(key))
    assert by_prefix({"a": 0.5, "ab": 0.25})("abc") == Shares(0.25, 0.75)


def test_every_block_has_a_ratio_of_its_own(two):
    first, second = (weights_of(part.model.unet) for part in two)
    ratios = {"input_blocks_1": 0.25, "out": 0.75, "time_embed": 0.5}
    got = weights_of(merge_sd1(two[0].model, two[1].model, **ratios).unet)

    def own(key):
        return {"input_blocks.1": 0.25, "out": 0.75, "time_embed": 0.5}.get(
            ".".join(key.split(".")[: 2 if "blocks" in key else 1]), 1.0
        )

    same(got, first, second, own, lambda key: 1 - own(key))
    ports = [port.name for port in catalogue()["ModelMergeSD1"].inputs]
    assert ports[:4] == ["model1", "model2", "time_embed.", "label_emb."] and len(ports) == 32


def test_text_encoders(two):
    first, second = (weights_of(part.clip.encoders[0]) for part in two)
    clips = [part.clip for part in two]
    mixed = merging.merge_clips(*clips, 0.25).encoders[0]
    same(weights_of(mixed), first, second, lambda k: 0.25, lambda k: 0.75)
    same(weights_of(merging.add_clips(*clips).encoders[0]), first, second, lambda k: 1, lambda k: 1)
    same(weights_of(merging.subtract_clips(*clips, 3.0).encoders[0]), first, second, lambda k: 3, lambda k: -3)


def test_other_shapes_stay_out(two, tiny, tiny_ctx, caplog):
    tensors = load_file(tiny / "checkpoints" / TINY)
    key = "model.diffusion_model." + CONV
    wide = torch.cat([tensors[key]] * 2 + [tensors[key][:, :1]], 1).contiguous()
    save_file({**tensors, key: wide}, tiny / "checkpoints" / OTHER.replace("other", "nine"))
    nine = loaders.load_checkpoint("nine.safetensors", tiny_ctx).model
    got = weights_of(merging.add_models(nine, two[1].model).unet)
    assert torch.equal(got[CONV], wide.float()) and "is not merged" in caplog.text
    (tiny / "checkpoints" / "nine.safetensors").unlink()


def test_what_is_saved_is_loaded_again(two, tiny, ctx):
    first, second = two
    mixed = merging.merge_models(first.model, second.model, 0.5)
    shown = merging.save_checkpoint(mixed, second.clip, first.vae, "made/whole", ctx=ctx)
    saved = Path(shown.files[0])
    assert saved.name == "whole_00001_.safetensors" and saved.parent.name == "made"
    assert not list(ctx.service(Files).temp_dir.glob("*/whole.safetensors"))
    stored, before = open_weights(saved), open_weights(tiny / "checkpoints" / TINY)
    assert {k: (p.dtype, p.shape) for k, p in stored.items()} == {k: (p.dtype, p.shape) for k, p in before.items()}
    again = loaders.parts(saved)
    rounded = max(torch.finfo(torch.float16).eps, 1e-3)
    for key, value in weights_of(mixed.unet).items():
        torch.testing.assert_close(weights_of(again.model.unet)[key], value, atol=rounded, rtol=rounded)
    assert stored.metadata["modelspec.predict_key"] == "epsilon"
    assert weights_of(again.clip.encoders[0]).keys() == weights_of(second.clip.encoders[0]).keys()


def test_parts_are_saved_alone(two, ctx):
    first = two[0]
    for shown, read in (
        (merging.save_model(first.model, "m", ctx=ctx), loaders_unet),
        (merging.save_clip(first.clip, "c", ctx=ctx), loaders_text),
        (merging.save_vae(first.vae, "v", ctx=ctx), loaders_vae),
    ):
        assert read(Path(shown.files[0])) is not None


def test_what_a_model_predicts_is_kept(two, ctx):
    from carrara.samplers.prediction import discrete

    for kind, zsnr in (("eps", False), ("v", False), ("v", True)):
        model = two[0].model.but(sampling=discrete(kind, zsnr=zsnr))
        saved = merging.save_model(model, "kind", ctx=ctx).files[0]
        assert predictions(Path(saved)) == (kind, zsnr)


def predictions(path):
    from carrara.models.checkpoint import load_unet

    loaded = load_unet(path)
    return loaded.prediction, loaded.zsnr


def loaders_unet(path):
    from carrara.models.checkpoint import load_unet

    return load_unet(path).unet


def loaders_text(path):
    from carrara.models.checkpoint import load_text

    return load_text(path).text[0]


def loaders_vae(path):
    from carrara.models.checkpoint import load_vae

    return load_vae(path).vae
