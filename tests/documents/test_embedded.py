"""Workflows inside pictures."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from drawings import INFO, chunk, png, text_to_image, webp

from carrara.documents import embedded, jsontext
from carrara.documents.embedded import embedded_texts
from carrara.documents.read import read
from carrara.errors import DocumentError

UI = text_to_image().as_json()
API = {"1": {"class_type": "Load", "inputs": {"name": "from prompt"}}}


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
def test_png(kind: bytes) -> None:
    document = read(png({"workflow": json.dumps(UI), "parameters": "other"}, kind), INFO)
    assert (document.form, document.workflow) == ("ui", UI)
    assert document.graph["5"].inputs["filename_prefix"] == "boats/one"


def test_itxt_compressed() -> None:
    body = b"prompt\0\1\0en\0" + "übersetzt".encode() + b"\0" + zlib.compress(json.dumps(API).encode())
    data = png({})[:33] + chunk(b"iTXt", body) + png({})[33:]
    assert read(data, INFO).graph["1"].inputs == {"name": "from prompt"}


def test_what_made_the_picture_goes_before_how_it_was_drawn() -> None:
    document = read(png({"workflow": json.dumps(UI), "prompt": json.dumps(API)}), INFO)
    assert document.graph["1"].inputs["name"] == "from prompt"
    assert (document.form, document.workflow) == ("api", UI)


@pytest.mark.parametrize("prompt", ["not json", "{}", "[]", '{"1": 5}'])
def test_a_broken_prompt_falls_back_on_the_drawing(prompt: str) -> None:
    document = read(png({"workflow": json.dumps(UI), "prompt": prompt}), INFO)
    assert document.graph["1"].inputs["name"] == "b.bin"


def test_old_prompts_with_nan_beside_the_inputs() -> None:
    prompt = '{"1": {"class_type": "Load", "inputs": {"name": "a"}, "is_changed": [NaN]}}'
    assert read(png({"prompt": prompt}), INFO).graph["1"].inputs == {"name": "a"}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("before", [b"Exif\0\0", b""])
def test_webp(order: str, before: bytes) -> None:
    document = read(webp({"workflow": UI, "prompt": API}, order, before), INFO)
    assert document.graph["1"].inputs["name"] == "from prompt"
    assert document.workflow == UI


def test_a_picture_on_disk_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsontext, "MAX_BYTES", 50_000)
    monkeypatch.setattr(embedded, "MAX_BYTES", 50_000)
    path = tmp_path / "large.png"
    large = png({})
    path.write_bytes(
        large[:33] + chunk(b"junk", bytes(100_000)) + chunk(b"tEXt", b"prompt\0" + json.dumps(API).encode())
    )
    assert len(read(path, INFO).graph) == 1


def texts(data: bytes) -> dict[str, bytes]:
    return embedded_texts(io.BytesIO(data), "it")


class TestDamage:
    def test_no_workflow(self) -> None:
        with pytest.raises(DocumentError, match="carries no workflow") as caught:
            read(png({"Comment": "x"}), INFO)
        assert "original" in caught.value.remedy

    def test_a_torn_file(self) -> None:
        whole = png({"prompt": json.dumps(API)})
        for length in range(13, whole.index(b"IDAT") - 4):
            with pytest.raises(DocumentError):
                read(whole[:length], INFO)
        assert len(read(whole[:-20], INFO).graph) == 1

    def test_a_wrong_checksum(self) -> None:
        with pytest.raises(DocumentError, match="damaged"):
            read(png({"prompt": json.dumps(API)}).replace(b"from prompt", b"from prOmpt"), INFO)

    def test_a_length_beyond_the_file(self) -> None:
        data = png({})[:33] + struct.pack(">I", 2**31) + b"tEXtprompt\0{}"
        with pytest.raises(DocumentError, match="too large"):
            texts(data)
        assert texts(png({})[:33] + struct.pack(">I", 2**31) + b"IDATxx") == {}

    def test_a_zip_bomb(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(embedded, "MAX_BYTES", 100_000)
        with pytest.raises(DocumentError, match="too large"):
            texts(png({"prompt": b"[" + b" " * 10_000_000}, b"zTXt"))

    @pytest.mark.parametrize(
        "body", [b"prompt\0\0garbage", b"prompt\0\0", b"prompt\0", b"prompt\0\0" + zlib.compress(b"{}")[:-3]]
    )
    def test_text_that_does_not_unpack(self, body: bytes) -> None:
        with pytest.raises(DocumentError):
            texts(png({})[:33] + chunk(b"zTXt", body) + png({})[33:])

    def test_endless_empty_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(embedded, "MAX_CHUNKS", 100)
        with pytest.raises(DocumentError, match="too many parts"):
            texts(png({})[:8] + chunk(b"aaaa", b"") * 200)

    def test_webp_cut_anywhere(self) -> None:
        whole = webp({"prompt": API})
        for length in range(12, len(whole)):
            with pytest.raises(DocumentError):
                read(whole[:length], INFO)

    @pytest.mark.parametrize(
        "exif", [b"", b"II", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff" + bytes(40), bytes(100)]
    )
    def test_webp_with_a_strange_directory(self, exif: bytes) -> None:
        body = b"WEBPEXIF" + struct.pack("<I", len(exif)) + exif
        assert texts(b"RIFF" + struct.pack("<I", len(body)) + body) == {}

    @pytest.mark.parametrize("start", [b"\xff\xd8\xff\xe0" + bytes(20), b"GIF89a" + bytes(20)])
    def test_other_pictures(self, start: bytes) -> None:
        with pytest.raises(DocumentError, match="no workflow") as caught:
            read(start, INFO)
        assert "PNG" in str(caught.value.expected)


def test_pillow_agrees() -> None:
    """The files of an independent writer."""
    image_module: Any = pytest.importorskip("PIL.Image")
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("workflow", json.dumps(UI), zip=True)
    info.add_itxt("prompt", json.dumps(API, ensure_ascii=False), "en", "", zip=True)
    image, out = image_module.new("RGB", (2, 2)), io.BytesIO()
    image.save(out, "PNG", pnginfo=info)
    assert {k: json.loads(v) for k, v in texts(out.getvalue()).items()} == {"workflow": UI, "prompt": API}

    exif, out = image.getexif(), io.BytesIO()
    exif[0x0110] = "prompt:" + json.dumps(API)
    exif[0x010F] = "workflow:" + json.dumps(UI)
    image.save(out, "WEBP", exif=exif)
    assert {k: json.loads(v) for k, v in texts(out.getvalue()).items()} == {"workflow": UI, "prompt": API}
