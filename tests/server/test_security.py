"""Attacks that worked on servers of this kind, by the record they are known under; here they must fail."""

from __future__ import annotations

import ast
import io
import pickle
from pathlib import Path

import pytest
from aiohttp import FormData, WSServerHandshakeError
from server_toys import SHOW, asynchronous, finished, graph, parts, serving, submit
from yarl import URL

from carrara.errors import InputError
from carrara.server.guard import COOKIE, Guard, loopback
from carrara.server.serve import Options, hidden, token_for

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "correct horse battery staple"


# --- requests forged by other pages: CVE-2024-10481, GHSA-5xxr-jvhm-jxmj ---------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Origin": "http://127.0.0.1@evil.example"},
        {"Origin": "file://"},
        {"Origin": "http://[::1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
@asynchronous
async def test_another_page_cannot_queue_a_job(tmp_path: Path, headers: dict[str, str]) -> None:
    async with serving(tmp_path) as client:
        for route in ("/prompt", "/api/prompt", "/queue", "/interrupt", "/upload/image", "/userdata/x", "/settings"):
            answer = await client.post(route, json={"prompt": SHOW}, headers=headers)
            assert answer.status == 403, route
        assert (await client.delete("/userdata/x", headers=headers)).status == 403
        assert parts(client).queue.list()[1] == 0


@asynchronous
async def test_the_editors_own_page_can(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        own = str(client.make_url("/")).rstrip("/")
        for headers in ({"Origin": own}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {}):
            answer = await client.post("/prompt", json={"prompt": SHOW}, headers=headers)
            assert answer.status == 200, headers
        followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert (await client.get("/", headers=followed)).status == 200
        assert (await client.options("/prompt")).status == 200


@asynchronous
async def test_another_page_cannot_read_by_embedding(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        (tmp_path / "output" / "a.png").write_bytes(b"x")
        image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
        assert (await client.get("/view?filename=a.png", headers=image)).status == 403
        answer = await client.get("/view?filename=a.png")
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert not any(name.startswith("Access-Control") for name in answer.headers)


@asynchronous
async def test_only_the_page_that_was_named_may(tmp_path: Path) -> None:
    async with serving(tmp_path, Guard(origin="https://friend.example")) as client:
        friend = await client.get("/queue", headers={"Origin": "https://friend.example"})
        assert friend.status == 200 and friend.headers["Access-Control-Allow-Origin"] == "https://friend.example"
        assert (await client.get("/queue", headers={"Origin": "https://evil.example"})).status == 403


# --- a name that is made to point here (DNS rebinding) ---------------------------------------------------------


@asynchronous
async def test_strange_names_are_not_answered(tmp_path: Path) -> None:
    async with serving(tmp_path, Guard(hosts=frozenset({"studio.lan"}))) as client:
        for host in ("evil.example", "evil.example:8188", "127.0.0.1.evil.example", "", "[", "10.0.0.1"):
            assert (await client.get("/queue", headers={"Host": host})).status == 403, host
        for host in ("localhost:1", "127.0.0.1", "[::1]:8188", "studio.lan:80", "STUDIO.lan"):
            assert (await client.get("/queue", headers={"Host": host})).status == 200, host


def test_what_loopback_is() -> None:
    assert all(map(loopback, ("localhost", "127.0.0.1", "127.9.9.9", "::1", "a.localhost")))
    assert not any(map(loopback, ("", "0.0.0.0", "::", "192.168.0.1", "localhost.evil.example", "127.0.0.1.nip.io")))


# --- WebSocket hijacking: CVE-2024-11045 -----------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}])
@asynchronous
async def test_another_page_cannot_listen(tmp_path: Path, headers: dict[str, str]) -> None:
    async with serving(tmp_path) as client:
        with pytest.raises(WSServerHandshakeError) as refusal:
            await client.ws_connect("/ws", headers=headers)
        assert refusal.value.status == 403


# --- the token -------------------------------------------------------------------------------------------------


@asynchronous
async def test_without_the_token_nothing_answers(tmp_path: Path) -> None:
    async with serving(tmp_path, Guard(TOKEN)) as client:
        wrong = ({}, {"Authorization": "Bearer no"}, {"Cookie": f"{COOKIE}=no"}, {"Authorization": f"Basic {TOKEN}"})
        for headers in wrong:
            for route in ("/", "/queue", "/api/queue", "/ws", "/view?filename=a", "/metrics", "/openapi.json", "/x.js"):
                assert (await client.get(route, headers=headers)).status == 401, (route, headers)
            assert (await client.post("/prompt", json={"prompt": SHOW}, headers=headers)).status == 401
        assert (await client.get("/queue?token=no")).status == 401


@asynchronous
async def test_the_token_as_header_then_as_cookie(tmp_path: Path) -> None:
    async with serving(tmp_path, Guard(TOKEN)) as client:
        assert (await client.get("/queue", headers={"Authorization": f"Bearer {TOKEN}"})).status == 200
        assert (await client.get("/queue")).status == 401
        first = await client.get("/queue", params={"token": TOKEN})
        assert first.status == 200
        cookie = first.cookies[COOKIE]
        assert TOKEN not in cookie.value and cookie["httponly"] and cookie["samesite"] == "Strict"
        again = {"Cookie": f"{COOKIE}={cookie.value}"}
        assert (await client.get("/queue", headers=again)).status == 200
        assert (await client.get("/queue", headers={**again, "Origin": "http://evil.example"})).status == 403
        async with client.ws_connect("/ws", headers=again) as socket:
            assert (await socket.receive_json())["type"] == "status"


@asynchronous
async def test_a_page_opened_with_the_token_does_not_keep_it_in_its_address(tmp_path: Path) -> None:
    async with serving(tmp_path, Guard(TOKEN)) as client:
        answer = await client.get("/", params={"token": TOKEN, "a": "b"}, headers={"Accept": "text/html"},
                                  allow_redirects=False)  # fmt: skip
        assert answer.status == 303 and answer.headers["Location"] == "/?a=b" and COOKIE in answer.cookies


def test_elsewhere_there_is_always_a_token() -> None:
    assert token_for(Options()) is None
    made = token_for(Options(listen="0.0.0.0"))
    assert made is not None and len(made) >= 32
    assert made != token_for(Options(listen="::"))
    assert token_for(Options(listen="0.0.0.0", token="mine")) == "mine"
    with pytest.raises(InputError):
        token_for(Options(token=""))


def test_the_token_is_not_shown_in_the_stats() -> None:
    assert hidden(["carrara", "serve", "--token", "x", "--token=y", "-q"]) == [
        "carrara", "serve", "--token", "***", "--token=***", "-q",
    ]  # fmt: skip


# --- paths: CVE-2026-56671, VA-26-238-01, CVE-2024-21575, CVE-2024-11042, CVE-2025-6237, ComfyUI #12285 --------

OUTSIDE = (
    "../secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt", "..%5csecret.txt", "/etc/passwd", "%2fetc%2fpasswd",
    "sub/../../secret.txt", "....//secret.txt", "secret.txt%00.png", "link.txt", "way/secret.txt",
)  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
@asynchronous
async def test_no_route_reads_or_writes_outside(tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret words")
    async with serving(tmp_path, editor=tmp_path / "input") as client:
        for folder in ("input", "output", "user/default"):
            (tmp_path / folder / "link.txt").symlink_to(secret)
            (tmp_path / folder / "way").symlink_to(tmp_path)
        base = str(client.make_url("/")).rstrip("/")
        for route in (
            f"/view?filename={name}", f"/view?filename={name}&type=input",
            f"/view?filename=secret.txt&subfolder={name}",
            "/view?filename=secret.txt&subfolder=..", "/view?filename=secret.txt&subfolder=way&type=input",
            f"/view?filename={name}&preview=webp", f"/view?filename={name}&channel=rgb&type=input",
            f"/userdata/{name}", f"/userdata?dir={name}", f"/v2/userdata?path={name}", f"/{name}",
            f"/workflow_templates/carrara/{name}", f"/view_metadata/loras?filename={name}",
            f"/experiment/models/preview/loras/0/{name}", f"/docs/{name}/en.md", f"/internal/files/{name}",
        ):  # fmt: skip
            answer = await client.session.get(URL(base + route, encoded=True))
            assert b"secret words" not in await answer.read(), route
            assert answer.status < 500, route
        for method, route in (
            ("DELETE", f"/userdata/{name}"), ("POST", f"/userdata/{name}"), ("POST", f"/userdata/{name}/move/stolen"),
            ("POST", f"/userdata/own/move/{name}"),
        ):  # fmt: skip
            (tmp_path / "user" / "default" / "own").write_text("own")
            url = URL(base + "/api" + route, encoded=True)
            answer = await client.session.request(method, url, data=b"overwritten")
            assert answer.status < 500, route
            assert secret.read_text() == "secret words", route
            stolen = tmp_path / "user" / "default" / "stolen"
            assert not stolen.exists() or "secret" not in stolen.read_text()


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/tmp/x.png", "..\\x.png", ".."])
@pytest.mark.parametrize("subfolder", ["", "..", "/", "way"])
@asynchronous
async def test_an_upload_stays_in_its_folder(tmp_path: Path, name: str, subfolder: str) -> None:
    async with serving(tmp_path) as client:
        (tmp_path / "input" / "way").symlink_to(tmp_path)
        before = set(tmp_path.iterdir())
        form = FormData()
        form.add_field("image", b"data", filename=name)
        form.add_field("subfolder", subfolder)
        assert (await client.post("/upload/image", data=form)).status < 500
        assert set(tmp_path.iterdir()) == before
        assert not Path("/tmp/x.png").exists()


@asynchronous
async def test_an_upload_does_not_write_through_a_link(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret words")
    async with serving(tmp_path) as client:
        (tmp_path / "input" / "x.png").symlink_to(secret)
        form = FormData()
        form.add_field("image", b"data", filename="x.png")
        form.add_field("overwrite", "true")
        assert (await client.post("/upload/image", data=form)).status in (400, 403)
        assert secret.read_text() == "secret words"


# --- stored scripts: CVE-2024-10099, CVE-2026-111984, VA-26-238-01 ---------------------------------------------


@pytest.mark.parametrize(
    "name", ["x.html", "x.htm", "x.xhtml", "x.svg", "x.js", "x.css", "x.xml", "x.pdf", "x", "x.mht"]
)
@asynchronous
async def test_no_file_of_a_user_can_run_as_a_page(tmp_path: Path, name: str) -> None:
    async with serving(tmp_path) as client:
        script = b"<html><svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg></html>"
        form = FormData()
        form.add_field("image", script, filename=name)
        stored = await (await client.post("/upload/image", data=form)).json()
        await client.post(f"/userdata/{name}", data=script)
        for route in (f"/view?filename={stored['name']}&type=input", f"/userdata/{name}"):
            answer = await client.get(route)
            assert answer.headers["Content-Type"] == "application/octet-stream", route
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in answer.headers["Content-Security-Policy"]
            assert answer.headers["Content-Disposition"].startswith("attachment")


@asynchronous
async def test_a_file_name_cannot_write_headers(tmp_path: Path) -> None:
    name = 'a"\r\nX-Evil: 1\r\n.png'
    async with serving(tmp_path) as client:
        (tmp_path / "output" / name).write_bytes(b"x")
        answer = await client.get("/view", params={"filename": name})
        assert answer.status in (200, 400) and "X-Evil" not in answer.headers


@asynchronous
async def test_help_pages_hold_no_markup_of_a_pack(tmp_path: Path) -> None:
    from carrara.server.routes.docs import page

    info = {"display_name": "<img src=x>", "description": "<script>1</script>", "input": {}, "output": []}
    assert "<script" not in page(info) and "<img" not in page(info)


# --- code: CVE-2026-68771, CVE-2024-12029 (pickle), CVE-2024-21574/-21576/-21577, CVE-2026-123790, CVE-2026-44513


class Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.marker,)


@asynchronous
async def test_a_pickle_is_never_executed(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    folder = tmp_path / "models" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "bomb.ckpt").write_bytes(pickle.dumps(Bomb(marker)))
    async with serving(tmp_path) as client:
        await client.get("/view_metadata/checkpoints?filename=bomb.ckpt")
        prompt = graph(("CheckpointLoaderSimple", {"ckpt_name": "bomb.ckpt"}), ("ToyShow", {"value": ["1", 0]}))
        body = await submit(client, prompt)
        entry = await finished(client, body["prompt_id"])
        assert entry["status"]["status_str"] == "error"
    assert not marker.exists()


def test_no_node_and_no_route_evaluates_text() -> None:
    """What would let a workflow or a model run code of its own."""
    for folder in ("nodes", "server", "documents"):
        for path in (ROOT / folder).rglob("*.py"):
            for item in ast.walk(ast.parse(path.read_text("utf-8"))):
                called = item.func if isinstance(item, ast.Call) else None
                assert not (isinstance(called, ast.Name) and called.id in ("eval", "exec", "compile", "__import__")), (
                    path
                )
                assert not (isinstance(item, ast.keyword) and item.arg in ("shell", "trust_remote_code")), path


@asynchronous
async def test_there_is_nothing_to_install_with(tmp_path: Path) -> None:
    """CVE-2024-21574, CVE-2025-67303, CVE-2026-22777 and InvokeAI's URL installs: no route takes code or addresses."""
    async with serving(tmp_path) as client:
        for route in (
            "/customnode/install", "/customnode/install/pip", "/customnode/install/git_url", "/manager/reboot",
            "/manager/queue/install", "/api/v2/models/install", "/externalmodel/getlist", "/v2/manager/queue/task",
        ):  # fmt: skip
            answer = await client.post(route, json={"url": "http://169.254.169.254/", "id": "x"})
            assert answer.status in (404, 405), route


# --- exhaustion: CVE-2026-111985, large bodies, deep JSON, large pictures --------------------------------------


@asynchronous
async def test_a_header_that_claims_everything_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "loras"
    folder.mkdir(parents=True)
    (folder / "big.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    async with serving(tmp_path) as client:
        assert (await client.get("/view_metadata/loras?filename=big.safetensors")).status == 404


@asynchronous
async def test_bodies_have_an_end(tmp_path: Path) -> None:
    async with serving(tmp_path, upload_limit=50_000) as client:
        form = FormData()
        form.add_field("image", b"x" * 60_000, filename="x.png")
        assert (await client.post("/upload/image", data=form)).status == 413
        assert (await client.post("/userdata/x", data=b"x" * 60_000)).status == 413
        assert list((tmp_path / "input").iterdir()) == []
        many = b'{"prompt": [' + b"[]," * 2_100_000 + b"[]]}"
        assert (await client.post("/prompt", data=io.BytesIO(many))).status == 400


@asynchronous
async def test_a_picture_that_would_fill_memory_is_not_opened(tmp_path: Path) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )
    async with serving(tmp_path) as client:
        (tmp_path / "output" / "bomb.png").write_bytes(bomb)
        assert (await client.get("/view?filename=bomb.png&preview=webp")).status == 400


# --- what the server tells -------------------------------------------------------------------------------------


@asynchronous
async def test_a_fault_of_ours_is_not_told_in_full(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:

        def broken() -> None:
            raise RuntimeError("secret words in /home/somebody")

        user = type("User", (), {"settings": staticmethod(broken)})
        parts(client).accounts.user = lambda id: user  # type: ignore[method-assign, assignment, return-value]
        answer = await client.get("/settings")
        text = await answer.text()
        assert answer.status == 500 and "secret" not in text and "Traceback" not in text
        assert "aiohttp" not in answer.headers.get("Server", "")


@asynchronous
async def test_secrets_of_a_request_are_not_kept(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        extra = {"auth_token_comfy_org": "hunter2", "api_key_comfy_org": "hunter2"}
        body = await submit(client, SHOW, extra_data=extra)
        await finished(client, body["prompt_id"])
        for route in ("/history", "/queue", "/api/jobs", f"/api/jobs/{body['prompt_id']}"):
            assert "hunter2" not in await (await client.get(route)).text()
    assert b"hunter2" not in b"".join(path.read_bytes() for path in tmp_path.glob("queue.sqlite*"))
