"""Picture files: what is read, what is refused, what is written."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from carrara.errors import InputError
from carrara.models.picture.codec import animated_png, animated_webp, png, read_channel, read_frames, to_bytes

PIXELS = np.arange(4 * 6 * 4, dtype=np.uint8).reshape(4, 6, 4) * 2


def written(folder: Path, picture: Image.Image, name: str = "x.png", **options) -> Path:
    picture.save(folder / name, **options)
    return folder / name


def test_colours_and_inverted_alpha(tmp_path):
    image, mask = read_frames(written(tmp_path, Image.fromarray(PIXELS)))
    assert np.array_equal(image[0].numpy(), PIXELS[..., :3].astype(np.float32) / 255)
    assert np.allclose(mask[0].numpy(), 1 - PIXELS[..., 3] / 255)


def test_without_alpha_the_mask_is_64_zeros(tmp_path):
    image, mask = read_frames(written(tmp_path, Image.fromarray(PIXELS[..., :3])))
    assert image.shape == (1, 4, 6, 3)
    assert mask.shape == (1, 64, 64)
    assert not mask.any()


def test_the_cameras_rotation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise
    image, _ = read_frames(written(tmp_path, Image.fromarray(PIXELS[..., :3]), exif=exif))
    assert np.array_equal(to_bytes(image)[0].numpy(), np.rot90(PIXELS[..., :3], -1))


@pytest.mark.parametrize("kind", [np.uint16, np.int32])
def test_sixteen_bits_become_eight(tmp_path, kind):
    deep = (np.arange(24).reshape(4, 6) * 2500).astype(kind)
    path = written(tmp_path, Image.fromarray(deep), "x.png" if kind is np.uint16 else "x.tiff")
    image, _ = read_frames(path)
    assert np.array_equal(to_bytes(image)[0, ..., 0].numpy(), (deep / 255).astype(np.uint8))


def test_transparent_palette_colours(tmp_path):
    picture = Image.fromarray(np.array([[0, 1], [1, 1]], np.uint8), "L").convert("P")
    picture.putpalette([255, 0, 0, 0, 255, 0])
    _, mask = read_frames(written(tmp_path, picture, transparency=0))
    assert mask[0].tolist() == [[1, 0], [0, 0]]


def test_frames_of_equal_size_are_a_batch(tmp_path):
    frames = [Image.new("RGB", (5, 3), (shade, 0, 0)) for shade in (0, 100, 200)]
    path = tmp_path / "x.webp"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    image, mask = read_frames(path)
    assert (image[:, 0, 0, 0] * 255).round().tolist() == [0, 100, 200]
    assert mask.shape[0] == 3


def test_only_the_first_picture_of_a_multi_picture_jpeg(tmp_path):
    frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (0, 200)]
    path = tmp_path / "x.mpo"
    frames[0].save(path, format="MPO", save_all=True, append_images=frames[1:])
    assert read_frames(path)[0].shape[0] == 1


@pytest.mark.parametrize(("channel", "index"), [("red", 0), ("green", 1), ("blue", 2)])
def test_one_channel(tmp_path, channel, index):
    mask = read_channel(written(tmp_path, Image.fromarray(PIXELS)), channel)
    assert np.array_equal(mask[0].numpy(), PIXELS[..., index].astype(np.float32) / 255)


def test_the_alpha_channel_is_inverted_and_opaque_without_one(tmp_path):
    assert np.allclose(read_channel(written(tmp_path, Image.fromarray(PIXELS)), "alpha")[0], 1 - PIXELS[..., 3] / 255)
    assert not read_channel(written(tmp_path, Image.fromarray(PIXELS[..., :3])), "alpha").any()


def test_a_picture_of_absurd_size_is_refused_before_it_is_decoded(tmp_path):
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b""))
    )
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    with pytest.raises(InputError, match="too many pixels"):
        read_frames(tmp_path / "bomb.png")


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_refused(tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.png"):
        read_frames(tmp_path / "x.png")


def test_a_missing_picture_names_its_folder(tmp_path):
    with pytest.raises(InputError, match="no picture"):
        read_frames(tmp_path / "x.png")


def sample(kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(PIXELS[..., :3]).save(out, kind)
    return out.getvalue()


SAMPLES = {kind: sample(kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")}


@given(st.data())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_give_a_picture_or_one_error(tmp_path, data):
    kind = data.draw(st.sampled_from(sorted(SAMPLES)))
    content = bytearray(SAMPLES[kind])
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "x"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        image, mask = read_frames(path)
    except InputError:
        return
    assert image.ndim == 4
    assert mask.ndim == 3


def test_pixels_are_cut_to_the_range_and_truncated():
    x = torch.tensor([-1.0, 0.0, 0.9999 / 255, 1.0001 / 255, 254.9 / 255, 1.0, 7.0, float("nan"), float("inf")])
    assert to_bytes(x).tolist() == [0, 0, 0, 1, 254, 255, 255, 0, 255]


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_png_carries_its_texts(channels, mode):
    x = torch.rand(5, 7, channels)
    with Image.open(io.BytesIO(png(x, {"prompt": '{"1": 2}', "workflow": "{}"}, 4))) as picture:
        assert picture.mode == mode
        assert picture.text == {"prompt": '{"1": 2}', "workflow": "{}"}
        assert np.array_equal(np.asarray(picture).reshape(5, 7, channels), to_bytes(x).numpy())


def test_animations_keep_frames_time_and_texts():
    x = torch.rand(3, 6, 5, 3)
    with Image.open(io.BytesIO(animated_webp(x, {0x0110: "prompt:{}"}, 4.0, True, 80, 0))) as film:
        assert film.n_frames == 3
        assert film.getexif()[0x0110] == "prompt:{}"
        film.seek(1)
        film.load()
        assert film.info["duration"] == 250
        assert np.array_equal(np.asarray(film.convert("RGB")), to_bytes(x)[1].numpy())
    data = animated_png(x, {"prompt": "{}"}, 10.0, 4)
    assert b"prompt\0{}" in data
    with Image.open(io.BytesIO(data)) as film:
        assert film.n_frames == 3


@pytest.mark.parametrize("shape", [(1, 4, 4, 5), (1, 0, 4, 3), (0, 4, 4, 3), (4, 4, 3)])
def test_what_is_no_picture_is_not_written(shape):
    with pytest.raises(InputError, match="no picture"):
        animated_png(torch.zeros(shape), {}, 1.0, 4)
