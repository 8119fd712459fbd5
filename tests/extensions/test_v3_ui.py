"""What V3 nodes show: files on disk with the workflow in them, and the records the editor is sent."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from v3_world import World, files

from carrara.errors import InputError, Unsupported
from carrara.extensions.returned import files_of

NODE = """
import torch
class Node(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema("Node", inputs=[io.AnyType.Input("x")], is_output_node=True)
    @classmethod
    def execute(cls, x):
        pictures = torch.linspace(0, 1, 2 * 3 * 4 * 3).reshape(2, 3, 4, 3)
        sound = {{"waveform": torch.zeros(1, 2, 100), "sample_rate": 8000}}
        return io.NodeOutput(ui={shows})
"""
WORKFLOW = {"nodes": [], "version": 0.4}


def run(base: Path, shows: str) -> tuple[World, dict[str, Any]]:
    world = World(base, NODE.format(shows=shows))
    result = world.run({"n": ("Node", {"x": 1})}, workflow=WORKFLOW)
    assert result.error is None, result.error
    return world, dict(result.ui["n"])


def test_previews_lie_in_the_temp_folder(tmp_path: Path) -> None:
    world, ui = run(tmp_path, "ui.PreviewImage(pictures, cls=cls)")
    assert ui["animated"] == (False,)
    assert [set(one) for one in ui["images"]] == [{"filename", "subfolder", "type"}] * 2
    assert [one["filename"][-11:] for one in ui["images"]] == ["_00001_.png", "_00002_.png"]
    with Image.open(world.files.temp_dir / ui["images"][0]["filename"]) as first:
        assert (first.size, first.getpixel((0, 0))) == ((4, 3), (0, 3, 7)), "255·k/71 of the first three, truncated"
        texts = first.text  # type: ignore[attr-defined]
    assert json.loads(texts["workflow"]) == WORKFLOW
    assert json.loads(texts["prompt"])["n"]["inputs"] == {"x": 1}


def test_masks_are_shown_grey(tmp_path: Path) -> None:
    world, ui = run(tmp_path, "ui.PreviewMask(pictures[..., 0], cls=cls)")
    with Image.open(world.files.temp_dir / ui["images"][1]["filename"]) as picture:
        red, green, blue = picture.getpixel((3, 2))
    assert red == green == blue == int(255 * 69 / 71)


def test_pictures_are_saved_under_the_prefix(tmp_path: Path) -> None:
    shows = 'ui.ImageSaveHelper.get_save_images_ui(pictures, "sub/%width%x%height%_%batch_num%", cls)'
    world, ui = run(tmp_path, shows)
    assert [one["filename"] for one in ui["images"]] == ["4x3_0_00001_.png", "4x3_1_00002_.png"]
    assert {(one["subfolder"], one["type"]) for one in ui["images"]} == {("sub", "output")}
    assert "animated" not in ui
    assert (world.files.output_dir / "sub" / "4x3_0_00001_.png").is_file()


def test_animations(tmp_path: Path) -> None:
    saved = (
        'ui.SavedImages([ui.ImageSaveHelper.save_animated_png(pictures, "a", io.FolderType.output, cls, 10.0, 4),'
        ' ui.ImageSaveHelper.save_animated_webp(pictures, "b", io.FolderType.temp, cls, 10.0, True, 80, 4)], True)'
    )
    world, ui = run(tmp_path, saved)
    assert ui["animated"] == (True,)
    png, webp = ui["images"]
    with Image.open(world.files.output_dir / png["filename"]) as moving:
        assert (moving.n_frames, moving.info["duration"]) == (2, 100.0)  # type: ignore[attr-defined]
    with Image.open(world.files.temp_dir / webp["filename"]) as still:
        tags = still.getexif()
    assert tags[0x0110].startswith("prompt:{") and tags[0x010F].startswith("workflow:{")


def test_prefixes_stay_in_the_folder(tmp_path: Path) -> None:
    shows = 'ui.ImageSaveHelper.get_save_images_ui(pictures, "../out", cls)'
    result = World(tmp_path, NODE.format(shows=shows)).run({"n": ("Node", {"x": 1})})
    assert isinstance(result.error.__cause__, InputError)  # type: ignore[union-attr]


def test_sound_is_written_as_flac(tmp_path: Path) -> None:
    world, ui = run(tmp_path, "ui.PreviewAudio(sound, cls=cls)")
    (one,) = ui["audio"]
    data = (world.files.temp_dir / one["filename"]).read_bytes()
    assert data.startswith(b"fLaC") and b"workflow=" in data and one["type"] == "temp"
    world, ui = run(tmp_path, 'ui.AudioSaveHelper.get_save_audio_ui(sound, "audio/a", cls=cls)')
    assert ui["audio"] == [{"filename": "a_00001_.flac", "subfolder": "audio", "type": "output"}]


@pytest.mark.parametrize(("form", "quality", "head"), [("mp3", "V0", b"ID3"), ("opus", "64k", b"OggS")])
def test_sound_that_is_packed_with_loss(tmp_path: Path, form: str, quality: str, head: bytes) -> None:
    """With PyAV; without it the node says what to install."""
    shows = f'ui.AudioSaveHelper.get_save_audio_ui(sound, "a", cls=cls, format="{form}", quality="{quality}")'
    world = World(tmp_path, NODE.format(shows=shows))
    result = world.run({"n": ("Node", {"x": 1})})
    if find_spec("av") is None:
        cause = result.error.__cause__  # type: ignore[union-attr]
        assert isinstance(cause, Unsupported) and cause.remedy == "pip install av"
        return
    assert result.ui["n"]["audio"] == [{"filename": f"a_00001_.{form}", "subfolder": "", "type": "output"}]
    assert (world.files.output_dir / f"a_00001_.{form}").read_bytes().startswith(head)


def test_an_unknown_format_of_sound(tmp_path: Path) -> None:
    shows = 'ui.AudioSaveHelper.get_save_audio_ui(sound, "a", cls=cls, format="wax")'
    result = World(tmp_path, NODE.format(shows=shows)).run({"n": ("Node", {"x": 1})})
    assert isinstance(result.error.__cause__, InputError)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("shows", "told"),
    [
        ('ui.PreviewText("hello")', {"text": ("hello",)}),
        ('ui.PreviewUI3D("a.glb", {"x": 1})', {"result": ["a.glb", {"x": 1}, None]}),
        (
            'ui.PreviewVideo([ui.SavedResult("v.mp4", "s", io.FolderType.output)])',
            {"images": [{"filename": "v.mp4", "subfolder": "s", "type": "output"}], "animated": (True,)},
        ),
        ('{"mine": [1]}', {"mine": [1]}),
    ],
)
def test_other_things_to_show(tmp_path: Path, shows: str, told: dict[str, Any]) -> None:
    assert run(tmp_path, shows)[1] == told


def test_what_lies_behind_a_3d_model(tmp_path: Path) -> None:
    world, ui = run(tmp_path, 'ui.PreviewUI3D("a.glb", None, bg_image=pictures)')
    where = ui["result"][2]
    assert where.startswith("temp/") and (world.files.temp_dir / where[5:]).is_file()


def test_something_shown_is_made_again_when_its_files_are_gone(tmp_path: Path) -> None:
    world = World(tmp_path, NODE.format(shows="ui.PreviewImage(pictures, cls=cls)"))
    graph = {"n": ("Node", {"x": 1})}
    first = world.run(graph)
    assert world.run(graph).cached == ("n",)
    world.files.clear_temp()
    again = world.run(graph)
    assert again.executed == ("n",) and again.ui["n"]["images"] != first.ui["n"]["images"]


def test_files_of_names_only_what_is_there(tmp_path: Path) -> None:
    folders = files(tmp_path)
    folders.output_dir.mkdir()
    (folders.output_dir / "a.png").write_bytes(b"")
    ui = {"images": [{"filename": "a.png"}, {"filename": "b.png"}, {"filename": 1}, "x"], "animated": (True,)}
    assert list(files_of(ui, folders)) == [str(folders.output_dir / "a.png")]
    assert list(files_of({"x": [{"filename": "a.png", "type": "else"}]}, folders)) == []
    assert list(files_of(ui, None)) == []
