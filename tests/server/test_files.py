"""Files: looking, uploading, model listings, user data, settings."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData
from server_toys import asynchronous, parts, serving
from yarl import URL


def picture(color: Any = (10, 200, 30), mode: str = "RGB", size: tuple[int, int] = (20, 10), text: str = "") -> bytes:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    if text:
        info.add_text("prompt", text)
    out = io.BytesIO()
    Image.new(mode, size, color).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def opened(data: bytes) -> Any:
    from PIL import Image

    return Image.open(io.BytesIO(data))


def form(data: bytes, name: str = "x.png", **fields: str) -> FormData:
    made = FormData()
    made.add_field("image", data, filename=name)
    for key, value in fields.items():
        made.add_field(key, value)
    return made


@asynchronous
async def test_view(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        (tmp_path / "output" / "sub").mkdir()
        (tmp_path / "output" / "sub" / "a.png").write_bytes(picture())
        (tmp_path / "input" / "b.png").write_bytes(picture((1, 2, 3, 77), "RGBA"))
        found = await client.get("/view?filename=a.png&subfolder=sub&rand=0.4")
        assert found.status == 200 and await found.read() == picture()
        assert found.headers["Content-Type"] == "image/png"
        assert found.headers["Content-Disposition"] == 'filename="a.png"'
        assert (await client.get("/api/view?filename=b.png [input]")).status == 200
        assert (await client.get("/view?filename=b.png&type=input")).status == 200
        for query, status in [
            ("", 404), ("?filename=no.png", 404), ("?filename=/etc/passwd", 400), ("?filename=../b.png", 400),
            ("?filename=a.png&type=models", 400), ("?filename=a.png&subfolder=../..", 403), ("?filename=a%00", 400),
        ]:  # fmt: skip
            assert (await client.get(f"/view{query}")).status == status, query


@asynchronous
async def test_view_as_preview_and_channel(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        (tmp_path / "input" / "b.png").write_bytes(picture((1, 2, 3, 77), "RGBA"))
        (tmp_path / "input" / "c.png").write_bytes(picture())
        base = "/view?type=input&filename="

        async def get(query: str) -> tuple[str, Any]:
            answer = await client.get(base + query)
            return answer.headers["Content-Type"], opened(await answer.read())

        kind, shown = await get("b.png&preview=webp;90")
        assert kind == "image/webp" and shown.format == "WEBP" and shown.size == (20, 10)
        kind, shown = await get("c.png&preview=jpeg;80&channel=rgb")
        assert kind == "image/jpeg" and shown.format == "JPEG"
        assert (await get("c.png&preview=odd;x"))[0] == "image/webp"
        kind, shown = await get("b.png&channel=rgb")
        assert kind == "image/png" and shown.mode == "RGB" and shown.getpixel((0, 0)) == (1, 2, 3)
        assert (await get("b.png&channel=a"))[1].getpixel((0, 0))[3] == 77
        assert (await get("c.png&channel=a"))[1].getpixel((0, 0))[3] == 255
        (tmp_path / "input" / "t.png").write_bytes(b"no picture")
        assert (await client.get(base + "t.png&preview=webp")).status == 400


@asynchronous
async def test_uploads(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:

        async def up(data: bytes, name: str = "x.png", **fields: str) -> Any:
            answer = await client.post("/upload/image", data=form(data, name, **fields))
            return await answer.json() if answer.status == 200 else answer.status

        first, other = picture(), picture((9, 9, 9))
        assert await up(first) == {"name": "x.png", "subfolder": "", "type": "input"}
        assert (await up(first))["name"] == "x.png"
        assert (await up(other))["name"] == "x (1).png"
        assert (await up(other))["name"] == "x (1).png"
        assert (await up(other, overwrite="true"))["name"] == "x.png"
        assert (tmp_path / "input" / "x.png").read_bytes() == other
        assert await up(first, subfolder="a/b", type="temp") == {"name": "x.png", "subfolder": "a/b", "type": "temp"}
        assert await up(first, type="models") == 400
        assert await up(first, subfolder="../..") == 400
        assert await up(first, name="..") == 400
        assert (await client.post("/upload/image", data=FormData({"type": "input"}))).status == 400
        assert (await client.post("/upload/image", data=b"plain")).status == 400


@asynchronous
async def test_a_mask_is_laid_over_its_original(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        (tmp_path / "input" / "o.png").write_bytes(picture((5, 6, 7), text='{"1": {}}'))
        mask = picture((0, 0, 0, 99), "RGBA")
        reference = json.dumps({"filename": "o.png", "type": "input", "subfolder": ""})
        answer = await client.post("/upload/mask", data=form(mask, "m.png", original_ref=reference, subfolder="clip"))
        said = await answer.json()
        assert said == {"name": "m.png", "subfolder": "clip", "type": "input"}
        made = opened((tmp_path / "input" / "clip" / "m.png").read_bytes())
        assert made.mode == "RGBA" and made.getpixel((3, 3)) == (5, 6, 7, 99) and made.text["prompt"] == '{"1": {}}'
        missing = json.dumps({"filename": "../../secret.png", "type": "input"})
        assert (await client.post("/upload/mask", data=form(mask, "m.png", original_ref=missing))).status == 400


@asynchronous
async def test_models(tmp_path: Path) -> None:
    loras = tmp_path / "models" / "loras" / "style"
    loras.mkdir(parents=True)
    header = b'{"__metadata__":{"ss_tag":"x"}}'
    (loras / "ink.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    (loras / "ink.png").write_bytes(picture())
    (tmp_path / "models" / "embeddings").mkdir()
    (tmp_path / "models" / "embeddings" / "bad.pt").write_bytes(b"")
    async with serving(tmp_path) as client:

        async def get(path: str) -> Any:
            answer = await client.get(path)
            return await answer.json() if answer.status == 200 else answer.status

        kinds = await get("/models")
        assert {"checkpoints", "loras", "vae", "text_encoders", "controlnet"} <= set(kinds)
        assert "custom_nodes" in kinds and await get("/models/custom_nodes") == []
        assert await get("/models/loras") == ["style/ink.safetensors"]
        assert await get("/models/nothing") == 404
        assert await get("/embeddings") == ["bad"]
        places = {row["name"]: row["folders"] for row in await get("/api/experiment/models")}
        assert "configs" not in places and str(tmp_path / "models" / "loras") in places["loras"]
        [row] = await get("/experiment/models/loras")
        assert row["name"] == "style/ink.safetensors" and row["size"] == 8 + len(header)
        index = row["pathIndex"]
        shown = await client.get(f"/experiment/models/preview/loras/{index}/style/ink.safetensors")
        assert shown.headers["Content-Type"] == "image/webp" and opened(await shown.read()).size == (20, 10)
        assert await get(f"/experiment/models/preview/loras/{index}/none.safetensors") == 404
        assert await get("/view_metadata/loras?filename=style/ink.safetensors") == {"ss_tag": "x"}
        assert await get("/view_metadata/loras?filename=none.safetensors") == 404
        assert await get("/view_metadata/loras?filename=../../queue.sqlite") in (403, 404)


@asynchronous
async def test_settings(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        assert await (await client.get("/api/users")).json() == {"storage": "server", "migrated": True}
        assert await (await client.get("/settings")).json() == {}
        assert (await client.post("/settings", json={"a": 1, "b": [2]})).status == 200
        assert (await client.post("/api/settings/c.d", data=b'"x"')).status == 200
        assert await (await client.get("/settings")).json() == {"a": 1, "b": [2], "c.d": "x"}
        assert await (await client.get("/settings/c.d")).json() == "x"
        assert await (await client.get("/settings/none")).json() is None
        assert (await client.post("/settings/x", data=b"{")).status == 400
        (tmp_path / "user" / "default" / "comfy.settings.json").write_text("torn {")
        assert await (await client.get("/settings")).json() == {}


@asynchronous
async def test_userdata(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        base = "/api/userdata"

        async def get(path: str) -> Any:
            answer = await client.get(base + path)
            return await answer.json() if answer.status == 200 else answer.status

        assert await get("?dir=workflows") == [] and await get("?dir=absent") == 404
        assert await get("") == 400
        assert await get("?dir=../..") == 403
        put = await client.post(f"{base}/workflows%2Fsub%2Fa.json", data=b'{"x": 1}')
        assert await put.json() == "workflows/sub/a.json"
        assert await get("/workflows%2Fsub%2Fa.json") == {"x": 1}
        full = await (await client.post(f"{base}/workflows%2Fb.json?full_info=true", data=b"{}")).json()
        assert set(full) == {"path", "size", "modified", "created"} and full["path"] == "workflows/b.json"
        kept = await client.post(f"{base}/workflows%2Fb.json?overwrite=false", data=b"[]")
        assert kept.status == 409 and await get("/workflows%2Fb.json") == {}
        assert await get("?dir=workflows") == ["b.json"]
        assert await get("?dir=workflows&recurse=true") == ["b.json", "sub/a.json"]
        assert await get("?dir=workflows&recurse=true&split=true") == [
            ["b.json", "b.json"],
            ["sub/a.json", "sub", "a.json"],
        ]
        rows = await get("?dir=workflows&recurse=true&full_info=true")
        assert [row["path"] for row in rows] == ["b.json", "sub/a.json"] and rows[1]["size"] == 8
        tree = await (await client.get("/v2/userdata?path=workflows")).json()
        assert [(row["path"], row["type"]) for row in tree] == [
            ("workflows/b.json", "file"), ("workflows/sub", "directory"), ("workflows/sub/a.json", "file"),
        ]  # fmt: skip
        moved = await client.post(f"{base}/workflows%2Fb.json/move/workflows%2Fc.json")
        assert await moved.json() == "workflows/c.json"
        clash = await client.post(f"{base}/workflows%2Fc.json/move/workflows%2Fsub%2Fa.json?overwrite=false")
        assert clash.status == 409
        assert (await client.post(f"{base}/none/move/x")).status == 404
        assert (await client.delete(f"{base}/workflows%2Fc.json")).status == 204
        assert (await client.delete(f"{base}/workflows%2Fc.json")).status == 404
        assert (await client.post(f"{base}/..%2F..%2Fx.json", data=b"{}")).status == 403
        assert await (await client.get("/user.css")).read() == b""


@asynchronous
async def test_what_the_editor_asks_at_its_start(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for path in (
            "features", "users", "system_stats", "settings", "i18n", "extensions", "object_info", "global_subgraphs",
            "jobs?status=pending,in_progress", "jobs?status=completed,failed,cancelled&limit=200", "workflow_templates",
            "experiment/models", "queue", "history?max_items=64", "prompt", "embeddings", "models",
        ):  # fmt: skip
            answer = await client.get(f"/api/{path}")
            assert answer.status == 200, path
            await answer.json()
        assert await (await client.get("/templates/index.json")).json() == []
        assert isinstance(await (await client.get("/internal/logs")).json(), str)
        assert set(await (await client.get("/internal/logs/raw")).json()) == {"entries", "size"}
        assert (await client.get("/internal/files/models")).status == 400
        assert await (await client.get("/internal/files/output")).json() == []
        page = await (await client.get("/")).text()
        assert "pip install" in page
        help = await (await client.get("/docs/ToyNumber/en.md")).text()
        assert help.startswith("# ToyNumber") and "How many." in help


@asynchronous
async def test_the_editors_files_are_served_as_they_are(tmp_path: Path) -> None:
    web = tmp_path / "web"
    for name, text in {
        "index.html": "<p>editor", "assets/a.js": "1", "extensions/core/x.js": "2", "a.css": "b{}", "i.png": "p",
    }.items():  # fmt: skip
        (web / name).parent.mkdir(parents=True, exist_ok=True)
        (web / name).write_text(text)
    async with serving(tmp_path, editor=web) as client:
        index = await client.get("/")
        assert await index.text() == "<p>editor" and index.headers["Cache-Control"] == "no-cache"
        assert "default-src 'self'" in index.headers["Content-Security-Policy"]
        script = await client.get("/assets/a.js")
        assert script.headers["Content-Type"] == "text/javascript" and script.headers["Cache-Control"] == "no-cache"
        assert (await client.get("/i.png")).headers["Cache-Control"] == "public, max-age=86400"
        missing = await client.get("/none.png")
        assert missing.status == 404 and missing.headers["Cache-Control"] == "public, max-age=3600"
        assert await (await client.get("/extensions")).json() == ["/extensions/core/x.js"]
        assert (await client.get("/api/none")).status == 404
        assert (await client.session.get(URL(f"{client.make_url('/')}..%2fqueue.sqlite", encoded=True))).status == 403


@asynchronous
async def test_openapi_lists_every_route(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        said = await (await client.get("/openapi.json")).json()
        paths = said["paths"]
        assert {"/prompt", "/queue", "/view", "/api/jobs", "/userdata/{file}/move/{dest}"} <= set(paths)
        assert all(operation["summary"] for path in paths.values() for operation in path.values())
        identities = [operation["operationId"] for path in paths.values() for operation in path.values()]
        assert len(identities) == len(set(identities))
        for path in paths:
            declared = {p["name"] for op in paths[path].values() for p in op.get("parameters", ()) if p["in"] == "path"}
            assert (
                declared == {part[1:-1] for part in path.replace(".md", "").split("/") if part.startswith("{")}
                or "index" in path
            )


@pytest.mark.parametrize("value", ["%00", "%FF", "%2e%2e", "a" * 400, "-1", "1e999", "[]"])
@asynchronous
async def test_no_odd_value_brings_a_server_error(tmp_path: Path, value: str) -> None:
    async with serving(tmp_path) as client:
        said = await (await client.get("/openapi.json")).json()
        for path, operations in said["paths"].items():
            for method, operation in operations.items():
                names = [(p["name"], p["in"]) for p in operation.get("parameters", ())]
                at = path
                for name, where in names:
                    at = at.replace("{" + name + "}", value) if where == "path" else at
                query = "&".join(f"{name}={value}" for name, where in names if where == "query")
                odd = URL(str(client.make_url("/"))[:-1] + f"{at}?{query}", encoded=True)
                answer = await client.session.request(method, odd, data=b"{}" if method == "post" else None)
                assert answer.status < 500, (method, at, query, await answer.text())
        assert parts(client).queue.remaining() == 0


@asynchronous
async def test_examples_are_templates_with_a_drawing(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        packs = await (await client.get("/api/workflow_templates")).json()
        for name in packs.get("carrara", ()):
            flow = await client.get(f"/api/workflow_templates/carrara/{name}.json")
            assert "nodes" in await flow.json(content_type=None)
            drawn = await client.get(f"/api/workflow_templates/carrara/{name}.jpg")
            assert drawn.headers["Content-Type"] == "image/jpeg" and opened(await drawn.read()).size == (640, 400)
        assert (await client.get("/api/workflow_templates/carrara/none.jpg")).status in (400, 404)
        assert (await client.get("/api/workflow_templates/other/hello.json")).status == 404


@asynchronous
async def test_a_preview_is_what_was_asked_for(tmp_path: Path) -> None:
    """Only a wish for the alpha channel turns a JPEG into something that has one."""
    async with serving(tmp_path) as client:
        (tmp_path / "output" / "a.png").write_bytes(picture((200, 10, 30, 128), "RGBA", (8, 8)))
        for query, kind, mode in [
            ("preview=jpeg;80", "JPEG", "RGB"), ("preview=jpeg", "JPEG", "RGB"),
            ("preview=jpeg;80&channel=rgb", "JPEG", "RGB"), ("preview=jpeg;80&channel=a", "WEBP", "RGBA"),
            ("preview=webp;50", "WEBP", "RGBA"), ("preview=gif", "WEBP", "RGBA"),
        ]:  # fmt: skip
            answer = await client.get(f"/view?filename=a.png&{query}")
            shown = opened(await answer.read())
            assert (shown.format, shown.mode) == (kind, mode), query
            assert answer.content_type == f"image/{kind.lower()}"


@asynchronous
async def test_kinds_and_folders_that_packs_add_are_listed(tmp_path: Path) -> None:
    """With the suffixes that the pack names for its kind; none mean all."""
    pack = tmp_path / "custom_nodes" / "shelves"
    pack.mkdir(parents=True)
    (pack / "__init__.py").write_text(
        "import os, folder_paths as f\n"
        "f.add_model_folder_path('faces', os.path.join(f.models_dir, 'faces'))\n"
        "f.folder_names_and_paths['nets'] = ([os.path.join(f.models_dir, 'nets')], {'.onnx'})\n"
        "f.add_model_folder_path('loras', os.path.join(f.models_dir, 'more'))\n"
        "NODE_CLASS_MAPPINGS = {}\n"
    )
    for name in ("faces/a.onnx", "faces/b.txt", "nets/c.ONNX", "nets/d.txt", "loras/e.sft", "more/f.safetensors"):
        (tmp_path / "models" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "models" / name).write_bytes(b"")
    async with serving(tmp_path, custom_nodes=[pack.parent]) as client:

        async def told(path: str) -> Any:
            return await (await client.get(path)).json()

        kinds = await told("/models")
        assert kinds[-2:] == ["faces", "nets"] and kinds[0] == "checkpoints" and "custom_nodes" in kinds
        assert await told("/models/faces") == ["a.onnx", "b.txt"]
        assert await told("/models/nets") == ["c.ONNX"]
        assert await told("/models/loras") == ["e.sft", "f.safetensors"]
        assert await told("/models/custom_nodes") == []
        rows = {row["name"]: row["pathIndex"] for row in await told("/experiment/models/loras")}
        shelves = {shelf["name"]: shelf["folders"] for shelf in await told("/experiment/models")}
        assert list(shelves["loras"])[rows["e.sft"]] == str(tmp_path / "models" / "loras")
        assert list(shelves["loras"])[rows["f.safetensors"]] == str(tmp_path / "models" / "more")
        assert "faces" in shelves and "custom_nodes" not in shelves
        assert (await told("/internal/folder_paths"))["nets"] == [str(tmp_path / "models" / "nets")]
        assert (await client.get("/models/noses")).status == 404


@asynchronous
async def test_a_model_shows_the_cover_in_its_header(tmp_path: Path) -> None:
    loras = tmp_path / "models" / "loras"
    loras.mkdir(parents=True)

    def model(name: str, covers: Any) -> None:
        header = json.dumps({"__metadata__": {"ssmd_cover_images": covers}}).encode()
        (loras / name).write_bytes(len(header).to_bytes(8, "little") + header)

    model("a.safetensors", json.dumps([base64.b64encode(picture(size=(600, 300))).decode()]))
    for number, covers in enumerate(["[]", "no list", "[5]", '["no base64!"]', '[[["deep"]]]']):
        model(f"b{number}.safetensors", covers)
    async with serving(tmp_path) as client:
        places = (await (await client.get("/internal/folder_paths")).json())["loras"]
        index = places.index(str(loras))
        answer = await client.get(f"/experiment/models/preview/loras/{index}/a.safetensors")
        shown = opened(await answer.read())
        assert (answer.status, shown.format, shown.size) == (200, "WEBP", (512, 256))
        for number in range(5):
            assert (await client.get(f"/experiment/models/preview/loras/{index}/b{number}.safetensors")).status == 404


@asynchronous
async def test_metadata_of_what_lies_elsewhere_is_not_there(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        for name in ("../x.safetensors", "/etc/x.safetensors", "none.safetensors"):
            assert (await client.get(f"/view_metadata/loras?filename={name}")).status == 404
