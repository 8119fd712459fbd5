"""Model folders: names, aliases, jails, extra paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from carrara.errors import DocumentError, ModelNotFound, PathEscape
from carrara.models.services import EMBEDDED, Models


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_names_of_all_folders_once(tmp_path):
    for name in ("unet/a.safetensors", "diffusion_models/b.sft", "diffusion_models/deep/a.safetensors", "unet/no.txt"):
        put(tmp_path / name)
    put(tmp_path / "second" / "unet" / "a.safetensors")
    models = Models.at([tmp_path, tmp_path / "second"])
    assert models.list("diffusion_models") == ("a.safetensors", "b.sft", "deep/a.safetensors") == models.list("unet")
    assert models.find("unet", "a.safetensors") == tmp_path / "unet" / "a.safetensors"
    assert models.list("nothing of the kind") == ()


def test_the_embedded_model_is_always_there():
    assert EMBEDDED in Models.at().folders["checkpoints"]


@pytest.mark.parametrize("name", ["../a.safetensors", "/etc/passwd", "", "x/../../a.safetensors"])
def test_names_stay_inside(name, tmp_path):
    put(tmp_path / "loras" / "a.safetensors")
    with pytest.raises(PathEscape):
        Models.at([tmp_path / "loras", tmp_path]).find("loras", name)


def test_a_missing_file_says_what_there_is_and_where_to_put_it(tmp_path):
    put(tmp_path / "loras" / "a.safetensors")
    with pytest.raises(ModelNotFound) as caught:
        Models.at([tmp_path]).find("loras", "b.safetensors")
    assert "a.safetensors" in str(caught.value) and str(tmp_path / "loras") in caught.value.remedy


def test_diffusers_folders(tmp_path):
    put(tmp_path / "diffusers" / "mine" / "model_index.json")
    models = Models.at([tmp_path])
    assert models.list("diffusers") == ("mine",)
    assert models.find("diffusers", "mine").is_dir()
    assert models.fingerprint("diffusers", "mine") == models.fingerprint("diffusers", "mine")


def test_extra_model_paths(tmp_path):
    put(tmp_path / "other" / "sd" / "m.ckpt")
    put(tmp_path / "more" / "l.pt")
    put(tmp_path / "enc" / "t.safetensors")
    file = tmp_path / "extra_model_paths.yaml"
    file.write_text(
        "a:\n  base_path: other\n  checkpoints: sd\n  loras: |\n    none\n    ../more\n"
        "b:\n  is_default: true\n  clip: enc\nempty:\n"
    )
    models = Models.at([file])
    assert "m.ckpt" in models.list("checkpoints")
    assert models.list("loras") == ("l.pt",) and models.list("text_encoders") == ("t.safetensors",)
    file.write_text("a: [1")
    with pytest.raises(DocumentError):
        Models.at([file])
    file.write_text("a: text")
    with pytest.raises(DocumentError, match="no group"):
        Models.at([file])


def test_what_nodes_saved_is_found_after_all_else_but_the_embedded_model(tmp_path):
    for name in ("models/loras/a.safetensors", "out/loras/a.safetensors", "out/clip/b.safetensors", "out/vae/c.pt"):
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    models = Models.at([tmp_path / "models"], output=tmp_path / "out")
    assert models.find("loras", "a.safetensors") == tmp_path / "models" / "loras" / "a.safetensors"
    assert models.list("text_encoders") == ("b.safetensors",) and models.list("vae") == ("c.pt",)
    assert list(models.places("checkpoints"))[-2:] == [tmp_path / "out" / "checkpoints", EMBEDDED]
