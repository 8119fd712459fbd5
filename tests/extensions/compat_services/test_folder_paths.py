"""`folder_paths` against real folders."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from types import ModuleType

import pytest
import worlds
from PIL import Image

from carrara.errors import ModelNotFound, PathEscape
from carrara.extensions.host import Host
from carrara.models.services import Models
from carrara.nodes.store import Files


@pytest.fixture
def fp(host: Host) -> ModuleType:
    return host.modules.load("folder_paths")


def put(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x")
    return file


def test_listing_is_recursive_sorted_filtered_and_new(fp: ModuleType, tmp_path: Path) -> None:
    loras = tmp_path / "models" / "loras"
    for name in ("b.safetensors", "a/z.pt", "note.txt", ".git/c.pt", "B.CKPT"):
        put(loras / name)
    found = fp.get_filename_list("loras")
    assert found == ["B.CKPT", os.path.join("a", "z.pt"), "b.safetensors"]  # noqa: PTH118
    found.append("mine")
    assert "mine" not in fp.get_filename_list("loras")
    with pytest.raises(KeyError):
        fp.get_filename_list("no such kind")


def test_legacy_names(fp: ModuleType, tmp_path: Path) -> None:
    put(tmp_path / "models" / "diffusion_models" / "u.safetensors")
    put(tmp_path / "models" / "clip" / "t.safetensors")
    assert fp.get_filename_list("unet") == fp.get_filename_list("diffusion_models") == ["u.safetensors"]
    assert fp.get_filename_list("clip") == fp.get_filename_list("text_encoders") == ["t.safetensors"]
    assert fp.map_legacy("clip") == "text_encoders" and fp.map_legacy("vae") == "vae"
    assert fp.get_full_path("unet", "u.safetensors") == str(tmp_path / "models" / "diffusion_models" / "u.safetensors")


def test_full_path(fp: ModuleType, tmp_path: Path) -> None:
    file = put(tmp_path / "models" / "vae" / "deep" / "v.pt")
    put(tmp_path / "secret.pt")
    assert fp.get_full_path("vae", "deep/v.pt") == str(file)
    assert fp.get_full_path("vae", "nothing.pt") is None
    assert fp.get_full_path("no such kind", "v.pt") is None
    assert fp.get_full_path("vae", "../../secret.pt") is None
    assert fp.get_full_path("vae", "../../deep/v.pt") == str(file)  # `..` stops at the folder
    with pytest.raises(FileNotFoundError, match=r"nothing\.pt"):
        fp.get_full_path_or_raise("vae", "nothing.pt")


def test_a_new_kind_takes_all_files(fp: ModuleType, tmp_path: Path) -> None:
    put(tmp_path / "else" / "a.onnx")
    put(tmp_path / "else" / "b")
    fp.add_model_folder_path("detectors", str(tmp_path / "else"))
    fp.add_model_folder_path("detectors", str(tmp_path / "else"))
    assert fp.folder_names_and_paths["detectors"] == ([str(tmp_path / "else")], set())
    assert fp.get_filename_list("detectors") == ["a.onnx", "b"]
    fp.folder_names_and_paths["detectors"][1].add(".onnx")
    assert fp.get_filename_list("detectors") == ["a.onnx"]
    fp.add_model_folder_path("detectors", str(tmp_path / "first"), is_default=True)
    folders = fp.get_folder_paths("detectors")
    assert folders == [str(tmp_path / "first"), str(tmp_path / "else")]
    folders.clear()
    assert len(fp.get_folder_paths("detectors")) == 2
    with pytest.raises(KeyError):
        fp.get_folder_paths("nobody")


def test_the_engine_follows_what_packs_write(host: Host, fp: ModuleType, tmp_path: Path) -> None:
    file = put(tmp_path / "far" / "x.safetensors")
    models = host.services[Models]
    with pytest.raises(ModelNotFound):
        models.find("loras", "x.safetensors")
    worlds.foreign(
        host,
        f"""
        import folder_paths
        folder_paths.folder_names_and_paths["loras"][0].append({str(tmp_path / "far")!r})
        folder_paths.folder_names_and_paths["own"] = (
            [{str(tmp_path / "far")!r}], folder_paths.supported_pt_extensions | {{".x"}}
        )
        """,
    )
    assert models.find("loras", "x.safetensors") == file
    assert "x.safetensors" in models.list("loras")
    assert models.list("own") == ("x.safetensors",)


def test_listings_are_kept_until_a_folder_changes(fp: ModuleType, tmp_path: Path) -> None:
    put(tmp_path / "models" / "loras" / "a" / "one.pt")
    first = fp.get_filename_list("loras")
    assert fp.cached_filename_list_("loras") is fp.filename_list_cache["loras"]
    time.sleep(0.02)
    put(tmp_path / "models" / "loras" / "a" / "two.pt")
    assert len(fp.get_filename_list("loras")) == len(first) + 1
    with fp.cache_helper:
        fp.get_filename_list("loras")
        (tmp_path / "models" / "loras" / "a" / "two.pt").unlink()
        assert len(fp.get_filename_list("loras")) == 2
    assert fp.get_filename_list("loras") == first


def test_directories(host: Host, fp: ModuleType, tmp_path: Path) -> None:
    files = host.services[Files]
    assert fp.get_output_directory() == str(files.output_dir)
    assert fp.get_directory_by_type("temp") == fp.get_temp_directory() == str(files.temp_dir)
    assert fp.get_directory_by_type("else") is None
    assert (fp.base_path, fp.models_dir) == (str(tmp_path), str(tmp_path / "models"))
    fp.set_output_directory("/somewhere")
    assert fp.output_directory == fp.get_output_directory() == "/somewhere"


def test_annotated_names(fp: ModuleType, tmp_path: Path) -> None:
    put(tmp_path / "temp" / "x.png")
    assert fp.annotated_filepath("a.png [output]") == ("a.png", str(tmp_path / "output"))
    assert fp.annotated_filepath("a.png") == ("a.png", None)
    assert fp.get_annotated_filepath("a.png") == str(tmp_path / "input" / "a.png")
    assert fp.get_annotated_filepath("a.png", "/there") == "/there/a.png"
    assert fp.get_annotated_filepath("a.png [temp]", "/there") == str(tmp_path / "temp" / "a.png")
    assert fp.exists_annotated_filepath("x.png [temp]") and not fp.exists_annotated_filepath("x.png")


def test_save_image_path(fp: ModuleType, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    put(tmp_path / "out" / "sub" / "x64_00007_.png")
    folder, stem, counter, sub, prefix = fp.get_save_image_path("sub/x%width%", out, 64, 32)
    assert (folder, stem, counter, sub, prefix) == (str(tmp_path / "out" / "sub"), "x64", 8, "sub", "sub/x64")
    dated = fp.get_save_image_path("%year%-%month%/%day%", out)
    assert re.fullmatch(r"\d{4}-\d\d/\d\d", dated[4]) and dated[2] == 1 and Path(dated[0]).is_dir()
    with pytest.raises(PathEscape):
        fp.get_save_image_path("../x", out)


def test_content_types(fp: ModuleType) -> None:
    names = ["a.png", "b.mp4", "c.wav", "d.webp", "e.txt", "f", "g.fbx"]
    assert fp.filter_files_content_types(names, ["image"]) == ["a.png", "d.webp"]
    assert fp.filter_files_content_types(names, ["video", "audio"]) == ["b.mp4", "c.wav"]
    assert fp.filter_files_content_types(names, ["model"]) == ["g.fbx"]


def test_folders_of_the_input(fp: ModuleType, tmp_path: Path) -> None:
    put(tmp_path / "input" / "b" / "c" / "x.png")
    put(tmp_path / "input" / "a" / "x.png")
    assert fp.get_input_subfolders() == ["a", "b", os.path.join("b", "c")]  # noqa: PTH118
    assert fp.is_within_directory(str(tmp_path / "input" / "b"), str(tmp_path / "input"))
    assert not fp.is_within_directory(str(tmp_path / "input" / ".." / "x"), str(tmp_path / "input"))


def test_folders_out_of_a_file(host: Host, fp: ModuleType, tmp_path: Path) -> None:
    file = put(tmp_path / "more" / "loras" / "x.pt")
    (tmp_path / "paths.yaml").write_text("mine:\n  base_path: more\n  is_default: true\n  loras: loras\n  own: own\n")
    host.modules.load("utils.extra_config").load_extra_path_config(tmp_path / "paths.yaml")
    assert fp.get_folder_paths("loras")[0] == str(tmp_path / "more" / "loras")
    assert fp.get_full_path("loras", "x.pt") == str(file) and "own" in fp.folder_names_and_paths


def test_folders_of_pictures(host: Host, tmp_path: Path) -> None:
    kind = host.modules.load("comfy.k_diffusion.utils").FolderOfImages
    assert ".png" in kind.IMG_EXTENSIONS
    (tmp_path / "p" / "q").mkdir(parents=True)
    for name, width in (("q/b.png", 2), ("a.JPG", 3)):
        Image.new("RGB", (width, 1)).save(tmp_path / "p" / name)
    put(tmp_path / "p" / "note.txt")
    found = kind(tmp_path / "p")
    assert len(found) == 2 and [found[i][0].width for i in range(2)] == [3, 2]
    assert kind(tmp_path / "p", transform=lambda picture: picture.height)[0] == (1,)
