"""What packs out there do that others do not: each test is a small pack that does it too."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import worlds
from worlds import engine, node, pack

from carrara.engine import Engine
from carrara.errors import NodeFailed
from carrara.terminal import show_error

NODE = """
    import torch

    class Node:
        RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = ("STRING",), "go", "wild", True

        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {}}
"""


def test_an_input_that_only_a_hidden_mapping_of_a_packs_own_claims(tmp_path: Path) -> None:
    source = (
        NODE
        + """
    class Everything(dict):
        def __contains__(self, name):
            return True

    class Widgets(Node):
        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {"format": (["a", "b"],)}, "hidden": Everything({"prompt": "PROMPT"})}

        def go(self, format, prompt=None, **more):
            return (f"{format} {sorted(prompt)} {more}",)

    NODE_CLASS_MAPPINGS = {"Widgets": Widgets}
    """
    )
    with engine(tmp_path, wild=source) as made:
        found = made.run({"1": node("Widgets", format="a", crf=19, pix_fmt="yuv")}).values["1"]
        assert found == ("a ['1'] {'crf': 19, 'pix_fmt': 'yuv'}",)


def test_modules_taken_by_the_files_they_would_lie_in(tmp_path: Path) -> None:
    source = (
        NODE
        + """
    import importlib.util, os, sys
    import folder_paths
    place = os.path.join(folder_paths.base_path, "comfy_extras", "nodes_mask.py")
    spec = importlib.util.spec_from_file_location("my_nodes_mask", place)
    module = importlib.util.module_from_spec(spec)
    sys.modules["my_nodes_mask"] = module
    spec.loader.exec_module(module)
    from my_nodes_mask import InvertMask

    class Inverted(Node):
        def go(self):
            (made,) = InvertMask.execute(torch.full((1, 2, 2), 0.25))
            return (str(made.unique().tolist()),)

    NODE_CLASS_MAPPINGS = {"Inverted": Inverted}
    """
    )
    with engine(tmp_path, wild=source) as made:
        assert made.run({"1": node("Inverted")}).values["1"] == ("[0.75]",)


def test_stand_in_functions_changed_line_by_line(tmp_path: Path) -> None:
    """Packs write a changed source of a function into a file and put a copy in its place."""
    source = (
        NODE
        + """
    import inspect, types
    import comfy.gligen
    from comfy.gligen import Gligen, load_gligen
    space = {}
    exec(inspect.getsource(load_gligen), space)
    changed = types.FunctionType(
        space["load_gligen"].__code__, load_gligen.__globals__, argdefs=load_gligen.__defaults__,
        closure=load_gligen.__closure__)
    comfy.gligen.load_gligen_before, comfy.gligen.load_gligen = load_gligen, changed
    Gligen._set_position = lambda self, *boxes: boxes

    class Still(Node):
        def go(self):
            try:
                comfy.gligen.load_gligen({})
            except NotImplementedError as error:
                return (str(error),)

    NODE_CLASS_MAPPINGS = {"Still": Still}
    """
    )
    with engine(tmp_path, wild=source) as made:
        assert "load_gligen" in made.run({"1": node("Still")}).values["1"][0]


def test_what_pip_and_python_write_in_two_ways_is_told_once(tmp_path: Path) -> None:
    source = """
        import a_package_of_nobody
        NODE_CLASS_MAPPINGS = {"Nobody": object}
    """
    worlds.write(tmp_path / "custom_nodes" / "wild", {"requirements.txt": "A-Package-of-nobody>=1\nother-of-nobody\n"})
    with engine(tmp_path, wild=source) as made:
        assert pack(made, "wild").lacks == ("package a_package_of_nobody", "package other-of-nobody")
        assert "package other-of-nobody" in made.check({"1": node("Nobody")})[0].remedy


def test_a_package_that_the_reference_brings_is_told_when_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it cannot be found the pack's nodes register, and the one that needs it says so."""
    source = (
        NODE
        + """
    import psutil
    from psutil import virtual_memory

    class Memory(Node):
        def go(self):
            return (str(psutil.virtual_memory().total),)

    class Other(Node):
        def go(self):
            return ("fine",)

    NODE_CLASS_MAPPINGS = {"Memory": Memory, "Other": Other}
    """
    )
    monkeypatch.setitem(sys.modules, "psutil", None)
    with engine(tmp_path, wild=source) as made:
        assert made.run({"1": node("Other")}).values["1"] == ("fine",)
        with pytest.raises(NodeFailed, match=r"psutil.virtual_memory.*not installed"):
            made.run({"1": node("Memory")})


def test_core_classes_that_a_pack_builds_on_are_not_its_nodes(tmp_path: Path) -> None:
    source = """
        from comfy_extras.nodes_model_merging import ModelMergeBlocks

        class Mine(ModelMergeBlocks):
            CATEGORY = "wild"

        NODE_CLASS_MAPPINGS = {"Mine": Mine}
    """
    with engine(tmp_path, wild=source) as made:
        assert [kind.id for kind in pack(made, "wild").nodes] == ["Mine"]


@pytest.mark.parametrize(
    ("asked", "at"),
    [
        ("from . import broken", "broken.py:2"),
        ("from . import unwritten", "unwritten.py:1"),
        ("import comfy.nothing_here", "__init__.py:5"),
        ("import not_a_package_at_all", "__init__.py:5"),
        ("import comfy.utils; comfy.utils.nothing_here", "__init__.py:5"),
        ("import json; json.loads('{')", "__init__.py:5"),
    ],
)
def test_an_error_of_a_late_import_is_told_with_the_packs_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: str, at: str
) -> None:
    source = f"""\
    class Late:
        INPUT_TYPES = classmethod(lambda cls: {{"required": {{}}}})
        RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("INT",), "go", True
        def go(self):
            {asked}
    NODE_CLASS_MAPPINGS = {{"Late": Late}}
    """
    late = {"broken.py": "x = 1\nraise RuntimeError('worn out')\n", "unwritten.py": "def (:\n"}
    worlds.write(tmp_path / "custom_nodes" / "late", {"__init__.py": source, **late})
    with Engine(custom_nodes=[tmp_path / "custom_nodes"], cache="off") as made, pytest.raises(NodeFailed) as failed:
        made.run({"1": node("Late")})
    show_error(failed.value)
    assert f"({at})" in capsys.readouterr().err


def test_a_file_that_a_pack_lacks_is_told_by_the_packs_own_name(tmp_path: Path) -> None:
    late = """
        class Late:
            INPUT_TYPES = classmethod(lambda cls: {"required": {}})
            RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("INT",), "go", True
            def go(self):
                from .helpers.more import thing
        NODE_CLASS_MAPPINGS = {"Late": Late}
    """
    folder = tmp_path / "custom_nodes"
    worlds.write(folder / "my-late", {"__init__.py": late, "helpers/__init__.py": ""})
    worlds.write(folder / "early", {"__init__.py": "from .nodes import it", "requirements.txt": "other-of-nobody\n"})
    with Engine(custom_nodes=[folder], cache="off") as made:
        with pytest.raises(NodeFailed, match=r"No module named 'my-late\.helpers\.more'"):
            made.run({"1": node("Late")})
        early = pack(made, "early")
        assert early.lacks == () and early.reason == "ModuleNotFoundError: No module named 'early.nodes'"
