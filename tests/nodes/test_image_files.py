"""Saving, showing and loading pictures and latents through the nodes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from carrara.errors import InputError, Interrupted, PathEscape
from carrara.executor.spec import Context, spec_of
from carrara.models.values import Latent
from carrara.nodes import image_files as nodes
from carrara.nodes.latent_files import load_latent, save_latent
from carrara.nodes.store import Files

PROMPT = {"1": {"class_type": "SaveImage", "inputs": {"text": "für"}}}


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    for name in ("in", "out", "temp"):
        (tmp_path / name).mkdir()
    files = Files(tmp_path / "in", tmp_path / "out", tmp_path / "temp")
    return Context(prompt=PROMPT, workflow={"nodes": []}, services={Files: files})


def pictures(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 5, 7, 3, generator=torch.Generator().manual_seed(1))


def test_saved_pictures_are_numbered_and_carry_the_workflow(ctx):
    shown = nodes.save_image(pictures(), "sub/a_%width%x%height%", ctx=ctx)
    names = ["a_7x5_00001_.png", "a_7x5_00002_.png"]
    assert shown.ui == {"images": [{"filename": n, "subfolder": "sub", "type": "output"} for n in names]}
    assert [Path(path).name for path in shown.files] == names
    for path, picture in zip(shown.files, pictures(), strict=True):
        with Image.open(path) as saved:
            assert json.loads(saved.text["prompt"]) == PROMPT
            assert json.loads(saved.text["workflow"]) == {"nodes": []}
            assert np.array_equal(np.asarray(saved), (picture.numpy() * 255).astype(np.uint8))
    assert nodes.save_image(pictures(1), "sub/a_7x5", ctx=ctx).files[0].endswith("a_7x5_00003_.png")


def test_metadata_can_be_left_out(ctx):
    files = ctx.service(Files)
    plain = Files(files.input_dir, files.output_dir, files.temp_dir, metadata=False)
    shown = nodes.save_image(pictures(1), ctx=Context(prompt=PROMPT, services={Files: plain}))
    with Image.open(shown.files[0]) as saved:
        assert saved.text == {}


def test_previews_go_to_the_temp_folder(ctx):
    shown = nodes.preview_image(pictures(), ctx=ctx)
    assert [entry["type"] for entry in shown.ui["images"]] == ["temp", "temp"]
    assert Path(shown.files[0]).parent == ctx.service(Files).temp_dir
    assert Path(shown.files[0]).name.startswith("ComfyUI_temp_")
    masks = nodes.mask_preview(torch.ones(3, 4, 4), ctx=ctx)
    assert len(masks.files) == 3


def test_animations(ctx):
    film = nodes.save_animated_webp(pictures(3), "film", 5.0, True, 80, method="fastest", ctx=ctx)
    assert film.ui["animated"] == (True,)
    assert film.files[0].endswith("film_00001_.webp")
    with Image.open(film.files[0]) as saved:
        assert saved.n_frames == 3
        assert json.loads(saved.getexif()[0x0110].removeprefix("prompt:")) == PROMPT
        assert saved.getexif()[0x010F] == 'workflow:{"nodes": []}'
    still = nodes.save_animated_png(pictures(1), "film", ctx=ctx)
    assert still.ui["animated"] == (True,)
    assert nodes.save_animated_webp(pictures(1), "film", method="fastest", ctx=ctx).ui["animated"] == (False,)
    assert still.files[0].endswith("film_00002_.png")


def test_a_prefix_may_not_leave_the_folder(ctx):
    with pytest.raises(PathEscape):
        nodes.save_image(pictures(), "../x", ctx=ctx)


def test_saving_stops_when_asked(ctx):
    stopped = Context(services=ctx.services, cancelled=lambda: True)
    with pytest.raises(Interrupted):
        nodes.save_image(pictures(), ctx=stopped)
    assert list(ctx.service(Files).output_dir.iterdir()) == []


def test_what_was_saved_can_be_loaded(ctx):
    saved = Path(nodes.save_image(pictures(1), "x", ctx=ctx).files[0])
    image, mask = nodes.load_image(f"{saved.name} [output]", ctx)
    assert (image - pictures(1)).abs().max() < 1 / 255
    assert mask.shape == (1, 64, 64)
    red = nodes.load_image_mask(f"{saved.name} [output]", "red", ctx)
    assert torch.equal(red, image[..., 0])
    assert torch.equal(nodes.load_image_output(f"{saved.name} [output]", ctx).image, image)


def test_a_missing_picture_is_found_out_before_running(ctx):
    spec = spec_of(nodes.load_image)
    assert "no file" in spec.validate({"image": "x.png"}, ctx)["image"]
    assert "outside" in spec.validate({"image": "../x.png"}, ctx)["image"]
    assert not spec.validate({"image": None}, ctx)
    assert not spec.validate({"image": "x.png"}, Context())
    (ctx.service(Files).input_dir / "x.png").write_bytes(b"1")
    assert not spec.validate({"image": "x.png"}, ctx)
    first = spec.reads({"image": "x.png"}, ctx)
    (ctx.service(Files).input_dir / "x.png").write_bytes(b"22")
    assert spec.reads({"image": "x.png"}, ctx) != first


def test_a_prefix_that_leads_outside_is_found_out_before_running(ctx):
    for saver in (nodes.save_image, nodes.save_animated_png, nodes.save_animated_webp, save_latent):
        check = spec_of(saver).validate
        assert "outside" in check({"filename_prefix": "../x"}, ctx)["filename_prefix"]
        assert not check({"filename_prefix": "a/x"}, ctx)
        assert not check({"filename_prefix": None}, ctx)


def test_latents_survive_a_file(ctx):
    latent = Latent(torch.randn(2, 4, 8, 6, generator=torch.Generator().manual_seed(2)))
    shown = save_latent(latent, ctx=ctx)
    path = Path(shown.files[0])
    assert shown.ui == {"latents": [{"filename": "ComfyUI_00001_.latent", "subfolder": "latents", "type": "output"}]}
    path.rename(ctx.service(Files).input_dir / "a.latent")
    assert torch.equal(load_latent("a.latent", ctx).samples, latent.samples)


def test_old_latent_files_hold_scaled_numbers(ctx):
    from safetensors.torch import save_file

    save_file({"latent_tensor": torch.full((1, 4, 2, 2), 0.18215)}, ctx.service(Files).input_dir / "old.latent")
    assert torch.allclose(load_latent("old.latent", ctx).samples, torch.ones(1, 4, 2, 2))


@pytest.mark.parametrize("content", [b"", b"\xff" * 8, b"\x02" + b"\0" * 7 + b"{}"])
def test_what_is_no_latent_file_is_refused(ctx, content):
    (ctx.service(Files).input_dir / "bad.latent").write_bytes(content)
    with pytest.raises(InputError, match="no latent"):
        load_latent("bad.latent", ctx)


def test_two_pictures_are_compared(ctx):
    shown = nodes.image_compare(pictures(2), None, ctx=ctx)
    assert [len(shown.ui[side]) for side in ("a_images", "b_images")] == [2, 0]
    both = nodes.image_compare(pictures(1), pictures(1), {"before": "x"}, ctx=ctx)
    assert {one["type"] for side in both.ui.values() for one in side} == {"temp"}
    assert len(both.files) == 2
