"""Videos of V3 nodes: tensors to files and back, with whatever is installed."""

from __future__ import annotations

import json
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
import worlds

from carrara.errors import InputError, Unsupported

CODERS = [
    "_opencv",
    pytest.param("_pyav", marks=pytest.mark.skipif(find_spec("av") is None, reason="PyAV is not installed")),
]


@pytest.fixture(params=CODERS)
def api(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """comfy_api.latest of a host that reads and writes with that coder."""
    modules = worlds.host(tmp_path).modules
    made = modules.load("comfy_api.latest")
    types = modules.load("comfy_api.latest._input_impl.video_types")
    types.coder = lambda: modules.load(f"comfy_api.latest._input_impl.{request.param}")
    made.coder_name = request.param
    return made


def clip(api: Any, **more: Any) -> Any:
    """Eight frames that grow lighter, 64 x 48, at 8 frames a second."""
    light = torch.arange(8).div(8).reshape(8, 1, 1, 1).expand(8, 48, 64, 3)
    return api.InputImpl.VideoFromComponents(api.Types.VideoComponents(images=light, frame_rate=8, **more))


def test_a_video_survives_its_file(api: Any, tmp_path: Path) -> None:
    video = clip(api)
    assert (video.get_dimensions(), video.get_frame_count(), video.get_duration()) == ((64, 48), 8, 1.0)
    path = tmp_path / "v.mp4"
    video.save_to(str(path))
    read = api.InputImpl.VideoFromFile(str(path))
    assert isinstance(read, api.Input.Video)
    assert (read.get_dimensions(), read.get_frame_count(), read.get_frame_rate()) == ((64, 48), 8, 8)
    images = read.get_components().images
    assert images.shape == (8, 48, 64, 3)
    assert torch.allclose(images.mean((1, 2, 3)), torch.arange(8) / 8, atol=0.02)
    part = read.as_trimmed(start_time=0.25, duration=0.5)
    assert part.get_components().images.shape[0] == 4
    assert abs(part.get_components().images[0].mean().item() - 2 / 8) < 0.02
    assert read.as_trimmed(start_time=5.0) is None
    assert api.InputImpl.VideoFromFile(str(path), start_time=-0.25).get_frame_count() == 2
    memory = api.InputImpl.VideoFromFile(BytesIO(path.read_bytes()))
    assert memory.get_dimensions() == (64, 48)
    copy = BytesIO()
    read.save_to(copy)
    assert copy.getvalue() == path.read_bytes()


def test_what_is_no_video_says_so(api: Any, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    for name in ("none.mp4", "text.mp4"):
        with pytest.raises(InputError, match="no video") as raised:
            api.InputImpl.VideoFromFile(str(tmp_path / name)).get_components()
        assert isinstance(raised.value, ValueError)  # which is what packs look for


@pytest.mark.parametrize(
    ("to", "container", "how", "found"),
    [("a.mp4", "avi", "auto", None), ("a.avi", "mp4", "avi", None), (None, "mov,mp4,m4a", "auto", "mov"),
     (None, "avi", "mp4", "mp4"), (None, "avi", "MOV,mp4", "mov"), (None, "mp4", None, "mp4")],
)  # fmt: skip
def test_how_a_file_is_opened_for_writing(
    tmp_path: Path, to: str | None, container: str, how: str | None, found: str | None
) -> None:
    """A buffer has no suffix that says what it is to be."""
    types = worlds.host(tmp_path).modules.load("comfy_api.input_impl.video_types")
    given = types.get_open_write_kwargs(BytesIO() if to is None else to, container, how)
    assert given.pop("format", None) == found
    assert given == {"mode": "w", "options": {"movflags": "use_metadata_tags"}}
    assert [types.container_to_output_format(name) for name in ("", None, "mp4", "b,a")] == [None, None, "mp4", "b"]


SOUND = {
    "waveform": torch.sin(torch.arange(16000) * 440 * 2 * torch.pi / 8000).expand(1, 2, -1) * 0.5,
    "sample_rate": 8000,
}


def test_sound_and_h264(api: Any, tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    video = clip(api, audio=SOUND)
    texts = {"prompt": {"1": {}}}
    if api.coder_name == "_opencv":
        with pytest.raises(Unsupported, match="sound"):
            video.save_to(str(path))
        with pytest.raises(Unsupported, match=r"H\.264"):
            clip(api).save_to(str(path), codec=api.Types.VideoCodec.H264)
        assert not path.exists()
        return
    video.save_to(str(path), codec="h264", format="mp4", metadata=texts)
    whole = api.InputImpl.VideoFromFile(str(path)).get_components()
    assert json.loads(whole.metadata["prompt"]) == texts["prompt"]
    assert (whole.audio["sample_rate"], whole.audio["waveform"].shape[:2]) == (8000, (1, 2))
    heard = whole.audio["waveform"][0, 0]
    assert abs(len(heard) - 8000) <= 2048, "the sound is cut to the pictures' second, but for AAC's frames"
    loudest = torch.fft.rfft(heard[:8000]).abs().argmax().item() * 8000 / len(heard[:8000])
    assert abs(loudest - 440) < 3


def test_odd_sizes(api: Any, tmp_path: Path) -> None:
    light = torch.full((2, 33, 35, 3), 0.5)
    video = api.InputImpl.VideoFromComponents(api.Types.VideoComponents(images=light, frame_rate=4))
    video.save_to(str(tmp_path / "v.mp4"))
    read = api.InputImpl.VideoFromFile(str(tmp_path / "v.mp4")).get_components().images
    sides = (32, 34) if api.coder_name == "_opencv" else (33, 35)
    assert read.shape == (2, *sides, 3) and abs(read.mean().item() - 0.5) < 0.02


def test_the_coder_is_the_best_that_is_installed(tmp_path: Path) -> None:
    types = worlds.host(tmp_path).modules.load("comfy_api.latest._input_impl.video_types")
    wanted = "_opencv" if find_spec("av") is None else "_pyav"
    assert types.coder().__name__.endswith(wanted)
