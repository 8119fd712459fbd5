"""Packs that misbehave: what they do stays with them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest
import torch
import worlds

from carrara.engine import Engine
from carrara.errors import UnknownNode
from carrara.extensions.host import Host
from carrara.extensions.installed import Roll
from carrara.extensions.loader import Loader
from carrara.extensions.packs import Pack

ROOT = Path(__file__).resolve().parents[2]
GOOD = """
    class Seven:
        INPUT_TYPES = classmethod(lambda cls: {"required": {}})
        RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("INT",), "go", True
        def go(self):
            return (7,)
    NODE_CLASS_MAPPINGS = {"Seven": Seven}
"""


def load(folder: Path, limit: float = 20, **sources: str) -> dict[str, Pack]:
    """Packs of these texts, loaded into a host of their own."""
    for name, text in sources.items():
        worlds.write(folder / "custom_nodes" / name, {"__init__.py": text})
    loader = Loader(worlds.host(folder), Roll({}), limit)
    return {pack.name: pack for pack in loader.load([folder / "custom_nodes"])}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise RuntimeError('broken on purpose')", "broken on purpose"),
        ("import sys\nsys.exit(3)", "it called sys.exit(3)"),
        ("def broken(:", "SyntaxError"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("class Own(BaseException): pass\nraise Own('odd')", "Own: odd"),
        ("def f(): f()\nf()", "RecursionError"),
        ("import comfy.nothing_of_the_kind", "comfy.nothing_of_the_kind"),
        ("x = 1", "it declares no nodes"),
    ],
)
def test_a_pack_that_fails_is_listed_and_the_others_load(tmp_path: Path, source: str, said: str) -> None:
    packs = load(tmp_path, bad=source, good=GOOD)
    assert said in packs["bad"].reason
    assert [node.id for node in packs["good"].nodes] == ["Seven"]


def test_a_pack_that_hangs_is_left_behind(tmp_path: Path) -> None:
    begun = time.monotonic()
    packs = load(tmp_path, 0.5, hung="while True: pass", good=GOOD)
    assert time.monotonic() - begun < 10
    assert "still busy after 0.5 s" in packs["hung"].reason
    assert packs["good"].loaded
    for _ in range(200):
        if not any(thread.name == "pack hung" for thread in threading.enumerate()):
            break
        time.sleep(0.02)
    else:
        pytest.fail("its loop still runs")


def test_what_a_node_does_to_torch_ends_with_it(tmp_path: Path) -> None:
    source = """
        import torch
        class Wild:
            INPUT_TYPES = classmethod(lambda cls: {"required": {}})
            RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("INT",), "go", True
            def go(self):
                torch.set_default_dtype(torch.float64)
                torch.set_grad_enabled(True)
                return (1,)
        class After:
            INPUT_TYPES = classmethod(lambda cls: {"required": {"x": ("INT", {})}})
            RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("STRING",), "go", True
            def go(self, x):
                return (f"{torch.ones(1).dtype} {torch.is_grad_enabled()}",)
        NODE_CLASS_MAPPINGS = {"Wild": Wild, "After": After}
    """
    worlds.write(tmp_path / "custom_nodes" / "wild", {"__init__.py": source})
    graph = {"1": {"class_type": "Wild", "inputs": {}}, "2": {"class_type": "After", "inputs": {"x": ["1", 0]}}}
    with Engine(custom_nodes=[tmp_path / "custom_nodes"], cache="off") as engine:
        assert engine.run(graph).values["2"] == ("torch.float32 False",)


def test_the_process_is_as_before(tmp_path: Path) -> None:
    before = (Path.cwd(), list(warnings.filters), torch.get_default_dtype(), signal.getsignal(signal.SIGINT))
    path, limit, environment = list(sys.path), sys.getrecursionlimit(), dict(os.environ)
    streams = (sys.stdout, sys.stderr, sys.excepthook, torch.nn.functional.scaled_dot_product_attention)
    source = """
        import builtins, logging, os, signal, site, sys, warnings, torch
        os.chdir("/")
        os.environ["HOME"] = "/nowhere"
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        del os.environ["PATH"]
        warnings.simplefilter("ignore")
        torch.set_default_dtype(torch.float16)
        signal.signal(signal.SIGINT, lambda *_: None)
        sys.path.insert(0, "/pack/was/here")
        site.addsitedir(os.path.dirname(__file__))
        sys.stdout = None
        sys.excepthook = None
        sys.setrecursionlimit(200)
        builtins.planted = 1
        assert planted == 1
        builtins.open = None
        torch.nn.functional.scaled_dot_product_attention = torch.matmul
        assert sys.argv == [sys.modules["__main__"].__file__]
        logging.basicConfig(level=logging.DEBUG, force=True)
        NODE_CLASS_MAPPINGS = {}
    """
    packs = load(tmp_path, bad=source, good=GOOD)
    assert packs["bad"].loaded, packs["bad"].traceback
    assert packs["good"].loaded
    assert (Path.cwd(), list(warnings.filters), torch.get_default_dtype(), signal.getsignal(signal.SIGINT)) == before
    assert (sys.path, sys.getrecursionlimit(), dict(os.environ)) == (path, limit, environment)
    assert (sys.stdout, sys.stderr, sys.excepthook, torch.nn.functional.scaled_dot_product_attention) == streams
    assert not hasattr(__import__("builtins"), "planted") and callable(open)
    assert {"working directory", "warning filters", "torch's defaults"} <= set(packs["bad"].notes)
    assert "torch.nn.functional.scaled_dot_product_attention" in packs["bad"].notes


def test_raising_in_input_types_costs_one_node(tmp_path: Path) -> None:
    source = (
        GOOD
        + """
    class Broken(Seven):
        @classmethod
        def INPUT_TYPES(cls):
            raise ValueError("no folder")
    NODE_CLASS_MAPPINGS["Broken"] = Broken
    NODE_CLASS_MAPPINGS["NotAClass"] = None
    """
    )
    pack = load(tmp_path, one=source)["one"]
    assert [node.id for node in pack.nodes] == ["Seven"]
    assert pack.left_out["Broken"] == "ValueError: no folder"
    assert "NotAClass" in pack.left_out


def test_input_types_that_break_later_cost_the_listing_only(tmp_path: Path) -> None:
    source = """
        count = 0
        class Late:
            @classmethod
            def INPUT_TYPES(cls):
                global count
                count += 1
                if count > 1:
                    raise ValueError("the folder has gone")
                return {"required": {}}
            RETURN_TYPES, FUNCTION = ("INT",), "go"
        NODE_CLASS_MAPPINGS = {"Late": Late}
    """
    worlds.write(tmp_path / "custom_nodes" / "one", {"__init__.py": source})
    with Engine(custom_nodes=[tmp_path / "custom_nodes"], cache="off") as engine:
        assert "Late" in engine.catalogue and "Late" not in engine.object_info()
        with pytest.raises(UnknownNode, match="the folder has gone"):
            engine.object_info("Late")
        editor = {"nodes": [{"id": 1, "type": "Late", "inputs": [], "outputs": [], "widgets_values": []}], "links": []}
        assert engine.check(editor)


def test_patches_hold_for_one_host(tmp_path: Path) -> None:
    patcher = """
        import comfy
        comfy.planted = "by a pack"
        NODE_CLASS_MAPPINGS = {}
    """
    reader = """
        import comfy
        class Read:
            INPUT_TYPES = classmethod(lambda cls: {"required": {}})
            RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("STRING",), "go", True
            CATEGORY = getattr(comfy, "planted", "nobody")
        NODE_CLASS_MAPPINGS = {"Read": Read}
    """
    assert load(tmp_path / "1", a=patcher, b=reader)["b"].nodes[0].category == "by a pack"
    assert load(tmp_path / "2", b=reader)["b"].nodes[0].category == "nobody"
    assert not any(name == "comfy" or name.startswith("comfy.") for name in sys.modules)


def test_threads_and_event_loops_of_packs_work(tmp_path: Path) -> None:
    source = """
        import asyncio, threading
        loop = asyncio.get_event_loop()
        seen = []
        def background():
            import comfy
            seen.append(comfy.__name__)
        thread = threading.Thread(target=background)
        thread.start()
        thread.join()

        class Loops:
            INPUT_TYPES = classmethod(lambda cls: {"required": {}})
            RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("INT", "STRING"), "go", True
            def go(self):
                async def four():
                    await asyncio.sleep(0)
                    return 4
                loop = asyncio.new_event_loop()
                try:
                    number = loop.run_until_complete(four())
                finally:
                    loop.close()
                return (number + asyncio.run(four()), seen[0])
        NODE_CLASS_MAPPINGS = {"Loops": Loops}
    """
    worlds.write(tmp_path / "custom_nodes" / "loops", {"__init__.py": source})
    graph = {"1": {"class_type": "Loops", "inputs": {}}}
    with Engine(custom_nodes=[tmp_path / "custom_nodes"], cache="off") as engine:
        assert engine.run(graph).values["1"] == (8, "comfy")
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(engine.run(graph).status)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == ["done", "done"]


def test_a_real_host_in_the_process_is_not_shadowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import ModuleType

    from carrara.errors import Unsupported

    monkeypatch.setitem(sys.modules, "folder_paths", ModuleType("folder_paths"))
    with pytest.raises(Unsupported, match="runs ComfyUI already"):
        worlds.host(tmp_path)
    assert isinstance(worlds.host(tmp_path, beside=True), Host)


NOISY = """
    import os, subprocess, sys, threading
    def shout():
        print("noise by print")
        sys.stdout.write("noise by sys.stdout\\n")
        sys.__stdout__.write("noise by the first stdout\\n")
        os.write(1, b"noise by the descriptor\\n")
        subprocess.run([sys.executable, "-c", "print('noise by a child')"])
        import pprint
        pprint.pprint("noise by a library")
    shout()
    class Loud:
        @classmethod
        def INPUT_TYPES(cls):
            print("noise by a schema")
            return {"required": {}}
        RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("INT",), "go", True
        def go(self):
            shout()
            threading.Thread(target=threading.Event().wait, daemon=False).start()  # for ever
            return (1,)
    NODE_CLASS_MAPPINGS = {"Loud": Loud}
"""


@pytest.mark.parametrize("command", ["run", "convert", "packs"])
def test_noise_does_not_spoil_results(tmp_path: Path, command: str) -> None:
    worlds.write(tmp_path / "custom_nodes" / "noisy", {"__init__.py": NOISY})
    (tmp_path / "w.json").write_text('{"1": {"class_type": "Loud", "inputs": {}}}')
    words = {
        "run": ["run", "w.json", "--json", "--cache", "off"],
        "convert": ["convert", "w.json"],
        "packs": ["packs", "--json"],
    }[command]
    bind = (
        f"import importlib.util as u, sys; s=u.spec_from_file_location('carrara', r'{ROOT}/__init__.py',"
        f"submodule_search_locations=[r'{ROOT}']); m=u.module_from_spec(s); sys.modules['carrara']=m;"
        "s.loader.exec_module(m); from carrara.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", bind, *words, "--custom-nodes", "custom_nodes"],
        capture_output=True, text=True, cwd=tmp_path, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    json.loads(done.stdout)
    assert "noise" not in done.stdout.replace('"noisy"', "")
    for way in ("by print", "by sys.stdout", "by the first stdout", "by the descriptor", "by a child", "by a library"):
        assert f"noise {way}" in done.stderr
