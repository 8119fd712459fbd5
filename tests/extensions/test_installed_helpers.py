"""Installed packages that are made for packs: they import the ecosystem's modules, which are there for packs only."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import worlds
from worlds import engine, node, pack

LIBRARY = {
    "__init__.py": "from .inner import Named\nfrom . import late\nNODE_CLASS_MAPPINGS = {'Named': Named}\n",
    "inner.py": """
        import folder_paths
        import nodes
        class Named:
            INPUT_TYPES = classmethod(lambda cls: {"required": {}})
            RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("STRING",), "go", True
            def go(self):
                from help_for_packs.late import joined
                return (joined(folder_paths.get_output_directory(), nodes.MAX_RESOLUTION),)
    """,
    "late.py": """
        import comfy.utils
        def joined(*parts):
            return "|".join(map(str, parts)) + "|" + comfy.utils.ProgressBar.__name__
    """,
}


def test_a_library_of_packs_sees_what_the_pack_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worlds.write(tmp_path / "site" / "help_for_packs", LIBRARY)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    source = "from help_for_packs import NODE_CLASS_MAPPINGS"
    with engine(tmp_path, one=source) as made:
        assert pack(made, "one").reason == ""
        assert made.run({"1": node("Named")}).values["1"][0] == f"{made.files.output_dir}|16384|ProgressBar"
    assert not {"help_for_packs", "folder_paths", "comfy", "nodes"} & sys.modules.keys()


def test_one_that_lacks_something_else_is_told_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worlds.write(tmp_path / "site" / "help_for_packs", {"__init__.py": "import nothing_like_that"})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    with engine(tmp_path, one="import help_for_packs") as made:
        assert "nothing_like_that" in pack(made, "one").reason
