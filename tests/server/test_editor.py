"""The real editor in a real browser: load, type, drag, connect, run, look, restart, find it again.

Needs the extra `browser` (the editor and playwright) and Debian's chromium; says which of them is missing.
CARRARA_BROWSER=0 leaves it out. Screenshots are kept in CARRARA_SHOTS, if that names a folder. About 40 s on two cores.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120_000
SETTINGS = '{"Comfy.TutorialCompleted": true, "Comfy.VueNodes.Enabled": false, "Comfy.Queue.QPOV2": false}'
BLOCKED = "Content Security Policy"
"""The editor looks for models and news of its makers elsewhere; our policy stops it, and the browser says so."""


def missing() -> str:
    """What this test lacks, if anything, and how to get it."""
    if os.environ.get("CARRARA_BROWSER") == "0":
        return "CARRARA_BROWSER=0 leaves the browser test out"
    packages = {"comfyui_frontend_package": "the editor", "playwright": "playwright"}
    lacks = [name for module, name in packages.items() if find_spec(module) is None]
    if lacks:
        return f'no {" and no ".join(lacks)} here: pip install "carrara[browser]"'
    if shutil.which("chromium") is None:
        return "no chromium here: apt-get install chromium"
    return "" if (ROOT / "models" / "embedded" / "pebble.safetensors").exists() else "the embedded model is not here"


PACK = """
import { app } from "../../scripts/app.js";
app.registerExtension({ name: "test.pack", async setup() { window.packSetUp = Object.keys(app).length > 0; } });
"""
"""A pack's script, as packs write them."""


def plant(folder: Path) -> Path:
    """A folder with a pack that adds a script to the editor."""
    pack = folder / "packs" / "scripted"
    (pack / "js").mkdir(parents=True, exist_ok=True)
    (pack / "__init__.py").write_text('WEB_DIRECTORY = "./js"\nNODE_CLASS_MAPPINGS = {}\n')
    (pack / "js" / "main.js").write_text(PACK)
    return folder / "packs"


@contextmanager
def server(folder: Path, port: str = "0") -> Iterator[str]:
    if not (folder / "carrara").exists():
        (folder / "carrara").symlink_to(ROOT)
    command = [sys.executable, "-m", "carrara", "serve", "--port", port, "--cpu"]
    for name in ("output-directory", "input-directory", "user-directory", "cache"):
        command += [f"--{name}", str(folder / name)]
    command += ["--custom-nodes", str(plant(folder))]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
            process.terminate()
            assert process.wait(60) == 0
        finally:
            process.kill()


class Page:
    """The editor's page, and what it says and asks."""

    def __init__(self, page: Any, url: str, shots: Path) -> None:
        self.page = page
        self.shots = shots
        self.troubles: list[str] = []
        self.outside: list[str] = []
        self.previews = 0
        self.viewed: list[str] = []
        page.set_default_timeout(PATIENCE)
        own = (url, url.replace("http", "ws"), "data:", "blob:")
        page.on("console", lambda m: self.troubles.append(m.text) if m.type == "error" else None)
        page.on("request", lambda r: None if r.url.startswith(own) else self.outside.append(r.url))
        page.on("response", lambda r: self.viewed.append(r.url) if "/api/view" in r.url and r.ok else None)
        page.on("websocket", lambda socket: socket.on("framereceived", self.heard))

    def heard(self, frame: Any) -> None:
        self.previews += isinstance(frame, bytes)

    def open(self, url: str) -> None:
        self.page.goto(url, wait_until="domcontentloaded")
        self.page.wait_for_function("window.app?.graph && window.app?.canvas")
        self.page.wait_for_timeout(1500)

    def shot(self, name: str) -> None:
        self.page.screenshot(path=str(self.shots / f"{name}.png"))

    def at(self, expression: str) -> tuple[float, float]:
        """Where in the window a place of the graph is."""
        x, y = self.page.evaluate(f"window.app.canvasPosToClientPos({expression})")
        return x, y

    def node(self, type: str) -> str:
        return f"window.app.graph.nodes.find(n => n.type === '{type}')"

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=5)
        mouse.move(*end, steps=5)
        self.page.wait_for_timeout(300)
        mouse.up()
        self.page.wait_for_timeout(500)


def test_from_a_file_to_a_picture_and_back_after_a_restart(tmp_path: Path) -> None:
    lack = missing()
    if lack:
        pytest.skip(lack)
    from playwright.sync_api import sync_playwright

    shots = Path(os.environ.get("CARRARA_SHOTS") or tmp_path / "shots")
    shots.mkdir(parents=True, exist_ok=True)
    user = tmp_path / "user-directory" / "default"
    user.mkdir(parents=True)
    (user / "comfy.settings.json").write_text(SETTINGS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        with server(tmp_path) as url:
            editor = Page(browser.new_page(viewport={"width": 1600, "height": 900}), url, shots)
            editor.open(url)
            editor.page.wait_for_function("window.packSetUp === true")
            load(editor, ROOT / "workflows" / "hello.json")
            type_prompt_and_seed(editor)
            drag_in_and_connect(editor)
            run(editor)
            assert not editor.outside, "a request left the machine"
            assert [text for text in editor.troubles if BLOCKED not in text] == []
            editor.page.close()
        assert list((tmp_path / "output-directory").glob("hello_*.png"))
        with server(tmp_path, url.rsplit(":", 1)[1]) as again:
            editor = Page(browser.new_page(viewport={"width": 1600, "height": 900}), again, shots)
            editor.open(again)
            find_in_history(editor)
        browser.close()


def load(editor: Page, file: Path) -> None:
    """Through the file input that the editor's Open command uses."""
    editor.page.set_input_files("#comfy-file-input", str(file))
    editor.page.wait_for_function("window.app.graph.nodes.length >= 7")
    editor.page.evaluate("window.app.canvas.ds.scale = 0.75; window.app.canvas.ds.offset = [60, 120]")
    editor.page.evaluate("window.app.canvas.setDirty(true, true)")
    editor.page.wait_for_timeout(1000)
    editor.shot("loaded")


def type_prompt_and_seed(editor: Page) -> None:
    page = editor.page
    areas = page.locator("textarea")
    [index] = [i for i in range(areas.count()) if "red circle" in areas.nth(i).input_value()]
    areas.nth(index).click()
    page.keyboard.press("Control+a")
    page.keyboard.type("a large green circle on the right, white background")
    sampler = editor.node("KSampler")
    seed = (
        f"(n => [n.pos[0] + n.size[0] / 2, n.pos[1] + n.widgets.find(w => w.name === 'seed').last_y + 10])({sampler})"
    )
    page.mouse.dblclick(*editor.at(seed))
    field = page.locator(".graphdialog input").first
    field.fill("1234")
    field.press("Enter")
    page.wait_for_function(f"{sampler}.widgets.find(w => w.name === 'seed').value === 1234")
    prompts = "window.app.graph.nodes.filter(n => n.type === 'CLIPTextEncode').map(n => n.widgets[0].value)"
    assert any("green circle" in text for text in page.evaluate(prompts))
    editor.shot("typed")


def drag_in_and_connect(editor: Page) -> None:
    """Preview Image, out of the node library, fed by VAE Decode."""
    page = editor.page
    page.keyboard.press("Escape")
    page.get_by_text("Nodes", exact=True).first.click()
    search = page.get_by_placeholder("Search", exact=False).first
    search.click()
    search.fill("Preview Image")
    page.get_by_text("Preview Image", exact=True).first.wait_for()
    page.wait_for_timeout(500)
    editor.shot("library")
    item = page.get_by_text("Preview Image", exact=True).first
    item.drag_to(page.locator("#graph-canvas"), target_position={"x": 1250, "y": 650}, force=True)
    page.wait_for_function(f"!!({editor.node('PreviewImage')})")
    page.wait_for_timeout(500)
    source, target = editor.node("VAEDecode"), editor.node("PreviewImage")
    output = editor.at(f"[...({source}).getConnectionPos(false, 0)]")
    editor.drag(output, editor.at(f"[...({target}).getConnectionPos(true, 0)]"))
    page.wait_for_function(f"({target}).inputs[0].link !== null")
    editor.shot("connected")


def run(editor: Page) -> None:
    page = editor.page
    page.get_by_text("Run", exact=True).first.click()
    page.wait_for_function(f"({editor.node('SaveImage')}).imgs?.length > 0", timeout=5 * PATIENCE)
    page.wait_for_function(f"({editor.node('PreviewImage')}).imgs?.length > 0")
    page.wait_for_timeout(1500)
    editor.shot("made")
    assert editor.previews > 0, "no preview was seen while sampling"
    assert any("hello_" in url for url in editor.viewed)


def find_in_history(editor: Page) -> None:
    """The jobs that the editor's panel lists."""
    page = editor.page
    page.get_by_text("0 active").first.click()
    page.get_by_text("hello_00001_.png").first.wait_for()
    editor.shot("history")
    answer = page.evaluate("fetch('/api/jobs?status=completed').then(r => r.json())")
    assert len(answer["jobs"]) == 1 and answer["jobs"][0]["preview_output"]["filename"].startswith("hello_")
