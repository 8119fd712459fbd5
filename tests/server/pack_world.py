"""Packs as people write them, on disk."""

from __future__ import annotations

from pathlib import Path

GARDEN = '''
import server
from aiohttp import web

PS = server.PromptServer.instance


@PS.routes.get("/garden/hello")
async def hello(request):
    return web.json_response({"hello": request.query.get("name", "you"), "client": PS.client_id})


@PS.routes.post("/garden/broken")
async def broken(request):
    raise RuntimeError("a secret path")


@PS.routes.get("/garden/nothing")
async def nothing(request):
    return None


@PS.routes.get("/object_info")
async def mine(request):
    return web.json_response({"stolen": True})


PS.routes.static("/garden/files", __file__.rsplit("/", 1)[0] + "/files")
PS.app.add_routes([web.get("/garden/added", hello)])


def plant(json_data):
    for node in json_data["prompt"].values():
        if node["class_type"] == "GardenTell" and node["inputs"]["text"] == "seed":
            node["inputs"]["text"] = "tree"
    return json_data


def weed(json_data):
    raise KeyError("weed")


PS.add_on_prompt_handler(weed)
PS.add_on_prompt_handler(plant)


class Tell:
    RETURN_TYPES = ("STRING",)
    FUNCTION = "tell"
    CATEGORY = "garden"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {"default": ""})},
                "hidden": {"png": "EXTRA_PNGINFO", "key": "API_KEY_COMFY_ORG"}}

    def tell(self, text, png=None, key=None):
        PS.send_sync("garden.told", {"text": text, "client": PS.client_id, "node": PS.last_node_id,
                                     "prompt": PS.last_prompt_id, "left": PS.get_queue_info()})
        PS.send_sync("garden.mine", {}, PS.client_id)
        PS.send_progress_text("half done", "1", PS.client_id)
        return {"ui": {"text": [text, str(sorted(png or {})), str(key)]}, "result": (text,)}


class Moody:
    RETURN_TYPES = ()
    FUNCTION = "run"
    moods = []

    @classmethod
    def INPUT_TYPES(cls):
        cls.moods.append(1)
        if len(cls.moods) > 3:
            raise RuntimeError("not today")
        return {"required": {}}

    def run(self):
        return ()


NODE_CLASS_MAPPINGS = {"GardenTell": Tell, "GardenMoody": Moody}
WEB_DIRECTORY = "./js"
'''
FLOW = '{"nodes": [], "links": []}'


def plant(folder: Path) -> Path:
    """A folder of packs: one with everything, one that fails, one file."""
    garden = folder / "garden"
    for name, text in {
        "__init__.py": GARDEN,
        "js/main.js": "import { app } from '../../scripts/app.js';",
        "js/deep/more.js": "",
        "js/page.html": "<p>help</p>",
        "js/look.css": "p{}",
        "web2/second.js": "",
        "pyproject.toml": '[project]\nname = "garden-project"\n[tool.comfy]\nweb = "web2"\n',
        "files/note.txt": "a note",
        "locales/de/main.json": '{"menu": {"Run": "Los", "Stop": "Halt"}}',
        "locales/de/nodeDefs.json": '{"GardenTell": {"display_name": "Sagen"}}',
        "locales/fr/main.json": "this is no JSON",
        "example_workflows/first.json": FLOW,
        "workflows/second.json": FLOW,
        "subgraphs/bed.json": '{"definitions": {}}',
    }.items():
        (garden / name).parent.mkdir(parents=True, exist_ok=True)
        (garden / name).write_text(text)
    (garden / "js" / "out.js").symlink_to(folder.parent / "secret.js")
    (folder.parent / "secret.js").write_text("a secret")
    (folder / "ruin").mkdir()
    (folder / "ruin" / "__init__.py").write_text("raise RuntimeError('no')\n")
    (folder / "second").mkdir()
    (folder / "second" / "__init__.py").write_text("NODE_CLASS_MAPPINGS = {}\n")
    (folder / "second" / "locales" / "de").mkdir(parents=True)
    (folder / "second" / "locales" / "de" / "main.json").write_text('{"menu": {"Stop": "Schluss"}}')
    return folder
