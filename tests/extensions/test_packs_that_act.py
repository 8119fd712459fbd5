"""Packs that keep something in their own memory, and nodes that are run for what they do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import worlds
from worlds import node

from carrara.engine import Engine


def test_what_a_pack_remembers_is_forgotten_with_it(tmp_path: Path) -> None:
    """Nodes that are run for what they do, and what depends on counters of a pack, run again in another process."""
    source = """
        import hashlib
        shelf, count = {}, {}
        class Put:
            INPUT_TYPES = classmethod(lambda cls: {"required": {"x": ("INT", {})}})
            RETURN_TYPES, FUNCTION, OUTPUT_NODE = (), "go", True
            def go(self, x):
                shelf["it"] = x
                count["it"] = count.get("it", 0) + 1
                return ()
        class Get:
            INPUT_TYPES = classmethod(lambda cls: {"required": {}})
            RETURN_TYPES, FUNCTION = ("INT",), "go"
            IS_CHANGED = staticmethod(lambda: count.get("it"))
            def go(self):
                return (shelf.get("it"),)
        class Read:
            INPUT_TYPES = classmethod(lambda cls: {"required": {"x": ("INT", {})}})
            RETURN_TYPES, FUNCTION = ("INT",), "go"
            IS_CHANGED = staticmethod(lambda x: hashlib.sha256(str(x).encode()).hexdigest())
            def go(self, x):
                return (x,)
        class Twice:
            INPUT_TYPES = classmethod(lambda cls: {"required": {"x": ("INT", {})}})
            RETURN_TYPES, FUNCTION = ("INT",), "go"
            def go(self, x):
                return (x * 2,)
        NODE_CLASS_MAPPINGS = {"Put": Put, "Get": Get, "Read": Read, "Twice": Twice}
    """
    worlds.write(tmp_path / "custom_nodes" / "shelf", {"__init__.py": source})
    got = {"g": node("Get"), "t": node("Twice", x=["g", 0]), "r": node("Read", x=4)}

    def run(x: int) -> tuple[Any, tuple[str, ...]]:
        with Engine(custom_nodes=[tmp_path / "custom_nodes"], cache=tmp_path / "cache", output_dir=tmp_path) as engine:
            assert engine.run({"p": node("Put", x=x)}).executed == ("p",)
            assert engine.run({"p": node("Put", x=x)}).executed == ()
            found = engine.run(got, targets=["t", "r"])
            assert engine.run(got, targets=["t", "r"]).executed == ()
            return found.values["t"][0], found.executed

    assert run(1) == (2, ("g", "t", "r"))
    assert run(1) == (2, ("g", "t"))
    assert run(5) == (10, ("g", "t"))


def test_what_a_node_does_is_done_again_after_another_run(tmp_path: Path) -> None:
    source = """
        done = []
        class Say:
            INPUT_TYPES = classmethod(lambda cls: {"required": {"x": ("STRING", {})}})
            RETURN_TYPES, FUNCTION, OUTPUT_NODE = ("INT",), "go", True
            def go(self, x):
                done.append(x)
                return {"ui": {"text": [x]}, "result": (len(done),)}
        NODE_CLASS_MAPPINGS = {"Say": Say}
    """
    worlds.write(tmp_path / "custom_nodes" / "says", {"__init__.py": source})
    on, off, both = ({"1": node("Say", x="on")}, {"1": node("Say", x="off")}, {"1": node("Say", x="on")})
    both["2"] = node("Say", x="off")
    with Engine(custom_nodes=[tmp_path / "custom_nodes"], cache="off", output_dir=tmp_path) as engine:
        ran = [engine.run(graph).executed for graph in (on, on, off, on, both, both, on, off)]
    assert ran == [("1",), (), ("1",), ("1",), ("2",), (), (), ("1",)]
