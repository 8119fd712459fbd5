"""Packs: what may be one, what it finds, whose nodes count, and what is said when it does not load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import worlds
from worlds import engine, node, pack

from carrara.engine import Engine
from carrara.nodes.catalog import catalogue

SEVEN = """
    class Seven:
        INPUT_TYPES = classmethod(lambda cls: {"required": {}})
        RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("INT",), "go", True
        def go(self):
            return (7,)
    NODE_CLASS_MAPPINGS = {"Seven": Seven}
"""


def test_names_that_are_taken(tmp_path: Path) -> None:
    source = """
        class {kind}:
            INPUT_TYPES = classmethod(lambda cls: {{"required": {{}}}})
            RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("STRING",), "go", True
            def go(self):
                return ("{kind}",)
        NODE_CLASS_MAPPINGS = {{"Same": {kind}, "KSampler": {kind}}}
    """
    with engine(tmp_path, a=source.format(kind="One"), b=source.format(kind="Two")) as made:
        assert made.run({"1": node("Same")}).values["1"] == ("Two",)
        assert made.catalogue["KSampler"].category == "sampling"
        assert pack(made, "a").nodes == ()
        assert pack(made, "b").notes == ("Same replaces the one of a",)
        assert "built-in" in pack(made, "b").left_out["KSampler"]


def test_names_that_only_we_use_give_way(tmp_path: Path) -> None:
    """A file that names them was saved with the pack that the user loads."""
    source = """
        class Theirs:
            INPUT_TYPES = classmethod(lambda cls: {"required": {}})
            RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("STRING",), "go", True
            def go(self):
                return ("theirs",)
        NODE_CLASS_MAPPINGS = {"NumberOperation": Theirs, "EmptyLatent": Theirs}
    """
    with engine(tmp_path, theirs=source) as made:
        run = made.run({"1": node("NumberOperation"), "2": node("EmptyLatent")})
        assert run.values == {"1": ("theirs",), "2": ("theirs",)}
        ours = node("CarraraNumberOperation", a=3.0, b=4.0, operation="a + b")
        assert made.run({"1": ours}, targets=["1"]).values["1"][0] == 7
        assert "EmptyLatentImage" in made.catalogue
        assert pack(made, "theirs").notes == (
            "NumberOperation replaces a built-in node, which is CarraraNumberOperation now",
            "EmptyLatent replaces a built-in node, which is CarraraEmptyLatentImage now",
        )


def test_names_of_our_nodes_inside_a_comfyui_are_understood() -> None:
    """A file that was saved there runs here."""
    with Engine(cache="off") as made:
        latent = node("CarraraEmptyLatentImage", width=64, height=64, batch_size=1)
        assert made.run({"1": latent}, targets=["1"]).values["1"][0].samples.shape == (1, 4, 8, 8)
        assert "CarraraEmptyLatentImage" not in made.object_info()
        assert "CarraraNothing" not in made.catalogue


def test_a_node_of_a_pack_that_did_not_load_is_told(tmp_path: Path) -> None:
    source = """
        import a_package_nobody_has
        NODE_CLASS_MAPPINGS = {"Wonder": object}
    """
    with engine(tmp_path, wonders=source) as made:
        found = made.check({"1": node("Wonder")})[0]
        assert "The pack wonders would have it" in found.remedy
        assert "package a_package_nobody_has" in found.remedy
        assert pack(made, "wonders").where.endswith("__init__.py:2: import a_package_nobody_has")


def test_a_node_that_a_pack_lost_by_itself_is_told(tmp_path: Path) -> None:
    """Many packs catch what goes wrong in a part of them and offer the rest."""
    source = """
        NODE_CLASS_MAPPINGS = {}
        try:
            import another_package_nobody_has
            NODE_CLASS_MAPPINGS["Lost"] = object
        except ImportError:
            pass
    """
    with engine(tmp_path, partly=source) as made:
        assert pack(made, "partly").loaded
        found = made.check({"1": node("Lost")})[0]
        assert "The pack partly declares it" in found.remedy
        assert "another_package_nobody_has" in found.remedy


def test_editor_files_and_examples(tmp_path: Path) -> None:
    folder = tmp_path / "custom_nodes" / "shown"
    worlds.write(
        folder,
        {
            "__init__.py": "NODE_CLASS_MAPPINGS = {}\nWEB_DIRECTORY = './js'",
            "js/a.js": "",
            "more/b.js": "",
            "locales/en/main.json": "{}",
            "example_workflows/one.json": "{}",
            "pyproject.toml": '[project]\nname = "shown-pack"\n[tool.comfy]\nweb = "more"\n',
        },
    )
    with engine(tmp_path) as made:
        found = pack(made, "shown")
        assert found.loaded
        assert found.webs == {"shown-pack": folder / "more", "shown": folder / "js"}
        assert found.locales == folder / "locales"
        assert found.examples == (folder / "example_workflows",)


def test_prestartup_scripts_come_first(tmp_path: Path) -> None:
    worlds.write(
        tmp_path / "custom_nodes",
        {
            "b/prestartup_script.py": "import os\nos.environ['A_PACK_WAS_HERE'] = 'yes'",
            "b/__init__.py": "NODE_CLASS_MAPPINGS = {}",
            "a/__init__.py": "import os\nseen = os.environ['A_PACK_WAS_HERE']\nNODE_CLASS_MAPPINGS = {}",
        },
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("A_PACK_WAS_HERE", "")
        patch.delenv("A_PACK_WAS_HERE")
        with engine(tmp_path) as made:
            assert [p.reason for p in made.packs] == ["", ""]


def test_an_installed_distribution_gives_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`pip install some-pack` is enough: its entry point says where its nodes are."""
    worlds.write(
        tmp_path / "site",
        {
            "some_pack_nodes.py": """
                import carrara

                @carrara.node("Eleven", category="t", output=True)
                def eleven() -> int:
                    '''Eleven.'''
                    return 11

                def some() -> list:
                    return [eleven]
            """,
            "some_pack-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: some-pack\nVersion: 1.0\n",
            "some_pack-1.0.dist-info/entry_points.txt": "[carrara.nodes]\nsome = some_pack_nodes:some\n",
            "broken_pack-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: broken-pack\nVersion: 1.0\n",
            "broken_pack-1.0.dist-info/entry_points.txt": "[carrara.nodes]\nnone = no_such_module_here\n",
        },
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    with engine(tmp_path) as made:
        assert made.host is None  # only packs of folders need one
        assert made.run({"1": node("Eleven")}).values["1"] == (11,)
        assert made.object_info("Eleven")["Eleven"]["python_module"] == "custom_nodes.some-pack"
        assert "no_such_module_here" in pack(made, "broken-pack").reason


def test_packs_find_one_another(tmp_path: Path) -> None:
    """By name, and through the list of all node classes, where a pack may also put classes itself."""
    one = """
        import nodes
        from . import deep
        class Here:
            INPUT_TYPES = classmethod(lambda cls: {"required": {}})
            RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("INT",), "go", True
            @staticmethod
            def go():
                return (deep.number,)
        nodes.NODE_CLASS_MAPPINGS["Planted"] = Here
        NODE_CLASS_MAPPINGS = {"Here": Here}
    """
    two = """
        import importlib, sys, nodes
        import custom_nodes.one.deep as deep
        from custom_nodes import one
        again = importlib.import_module("custom_nodes.one.deep")
        assert deep is again is sys.modules["custom_nodes.one.deep"] and one.deep is deep
        assert "custom_nodes.three" not in sys.modules
        class There:
            INPUT_TYPES = classmethod(lambda cls: {"required": {}})
            RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("INT",), "go", True
            def go(self):
                return (nodes.NODE_CLASS_MAPPINGS["Here"].go()[0] + deep.number,)
        NODE_CLASS_MAPPINGS = {"There": There}
    """
    worlds.write(tmp_path / "custom_nodes" / "one", {"deep.py": "number = 21"})
    with engine(tmp_path, one=one, two=two) as made:
        assert [p.reason for p in made.packs] == ["", ""], made.packs[-1].traceback
        assert [n.id for n in pack(made, "one").nodes] == ["Here", "Planted"]
        assert made.run({"1": node("There")}).values["1"] == (42,)
        assert made.run({"1": node("Planted")}).values["1"] == (21,)


def test_a_name_that_is_not_here_yet_costs_the_node_that_uses_it(tmp_path: Path) -> None:
    """Names the reference has may be subclassed, annotate and decorate; doing more with them is the node's failure."""
    source = """
        import comfy.ldm.hydit.models
        from comfy.text_encoders.hydit import HyditModel
        import torchvision.transforms.v2 as T
        import torchvision.transforms.functional as F

        class Mine(comfy.ldm.hydit.models.HunYuanDiT):
            pass

        first = comfy.ldm.hydit.models.HunYuanDiT.forward
        comfy.ldm.hydit.models.HunYuanDiT.forward = lambda self, x: first(self, x)

        def annotated(x: HyditModel | None = None, how=T.InterpolationMode.BILINEAR) -> "Mine":
            return isinstance(x, HyditModel)

        class Sound:
            INPUT_TYPES = classmethod(lambda cls: {"required": {}})
            RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("BOOLEAN",), "go", True
            def go(self):
                return (annotated(3),)

        class Broken(Sound):
            def go(self):
                return (Mine(),)

        class Scaled(Sound):
            def go(self):
                return (F.resize(None, 3),)

        class Listed(Sound):
            @classmethod
            def INPUT_TYPES(cls):
                return {"required": {"x": (comfy.ldm.hydit.models.HunYuanDiT.NAMES,)}}

        NODE_CLASS_MAPPINGS = {"Sound": Sound, "Broken": Broken, "Scaled": Scaled, "Listed": Listed}
    """
    from carrara.errors import NodeFailed
    from carrara.extensions.missing import MissingAttribute

    with engine(tmp_path, early=source) as made:
        assert pack(made, "early").loaded, pack(made, "early").traceback
        assert "HunYuanDiT.NAMES" in pack(made, "early").left_out["Listed"]
        assert made.run({"1": node("Sound")}).values["1"] == (False,)
        with pytest.raises(NodeFailed, match=r"early asks for comfy\.ldm\.hydit\.models\.HunYuanDiT") as failed:
            made.run({"1": node("Broken")})
        assert isinstance(failed.value.__cause__, MissingAttribute)
        try:
            import torchvision  # noqa: F401
        except ImportError:
            with pytest.raises(NodeFailed, match=r"torchvision\.transforms\.functional\.resize"):
                made.run({"1": node("Scaled")})


def test_results_outlive_the_engine_as_long_as_the_pack_is_the_same(tmp_path: Path) -> None:
    source = """
        class Thing:
            pass
        class Sum:
            INPUT_TYPES = classmethod(lambda cls: {"required": {"x": ("INT", {})}})
            RETURN_TYPES, FUNCTION = ("LATENT", "THING"), "go"
            def go(self, x):
                import torch
                return ({"samples": torch.ones(1, 4, 8, 8) * x, "mine": x}, %s)
        NODE_CLASS_MAPPINGS = {"Sum": Sum}
    """
    graph = {"1": node("Sum", x=3)}

    def run(made: str) -> tuple[str, ...]:
        file = tmp_path / "custom_nodes" / "sums" / "__init__.py"
        if not file.exists() or made not in file.read_text():
            worlds.write(file.parent, {file.name: source % made})
        with Engine(custom_nodes=[tmp_path / "custom_nodes"], cache=tmp_path / "cache", output_dir=tmp_path) as engine:
            result = engine.run(graph, targets=["1"])
            assert result.values["1"][0].samples.mean() == 3
            return result.executed

    assert run("5") == ("1",)
    assert run("5") == ()
    assert run("5 + 1") == ("1",)  # another source
    assert run("Thing()") == ("1",)
    assert run("Thing()") == ("1",)  # nobody knows how to store it


def test_a_folder_may_be_a_pack_itself(tmp_path: Path) -> None:
    from carrara.errors import InputError

    folder = worlds.write(tmp_path / "custom_nodes" / "numbers", {"__init__.py": SEVEN, "helper.py": "raise Exception"})
    with Engine(custom_nodes=[folder], cache="off", output_dir=tmp_path, input_dir=tmp_path) as made:
        assert [p.name for p in made.packs] == ["numbers"]
        assert made.host is not None
        assert made.host.base == tmp_path
    with pytest.raises(InputError, match="no such folder of packs"):
        Engine(custom_nodes=[tmp_path / "nowhere"], cache="off")


def test_results_of_every_shape(tmp_path: Path) -> None:
    """Functions return fewer or more values than they declare, lists for tuples, or nothing."""
    source = """
        class Base:
            INPUT_TYPES = classmethod(lambda cls: {"required": {"how": ("STRING", {})}})
            RETURN_TYPES, FUNCTION, OUTPUT_NODE, OUTPUT_IS_LIST = ("INT", "INT"), "go", True, (False, True)
            def go(self, how):
                return eval(how)
        class None_(Base):
            RETURN_TYPES, OUTPUT_IS_LIST = (), ()
        class Endless(tuple):
            def __getitem__(self, index):
                return tuple.__getitem__(self, 0)
        class Many(Base):
            RETURN_TYPES, OUTPUT_IS_LIST = Endless(("*",)), None
        NODE_CLASS_MAPPINGS = {"Two": Base, "None": None_, "Many": Many}
    """
    with engine(tmp_path, shapes=source) as made:

        def run(kind: str, how: str) -> Any:
            return made.run({"1": node(kind, how=how)}).values["1"]

        assert run("Two", "(1, [2, 3])") == (1, [2, 3])
        assert run("Two", "[1, [2, 3], 4]") == (1, [2, 3])
        assert run("Two", "(1,)") == (1, [])
        assert run("Two", "{'ui': {'text': ['x']}}") == (None, [])
        assert run("None", "(None,)") == run("None", "None") == run("None", "{}") == ()
        assert run("Many", "[None, None, 'third']")[2] == "third"
        assert made.object_info("Many")["Many"]["output"] == ["*"]
        assert not made.check({"1": node("Many", how="[1, 2, 3]"), "2": node("Two", how=["1", 2])})


def test_core_nodes_that_only_packs_bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a pack asks for the core's classes, those that no node of ours stands behind are nodes too."""
    fewer = catalogue().yielding(["ImageUpscaleWithModel"])
    monkeypatch.setattr("carrara.engine.catalogue", lambda: fewer)
    with engine(tmp_path, asking="import nodes\nNODE_CLASS_MAPPINGS = {}") as made:
        info = made.object_info("ImageUpscaleWithModel")["ImageUpscaleWithModel"]
        assert info["python_module"] == "comfy_extras.nodes_upscale_model"
        assert [p.name for p in made.packs] == ["asking"]
