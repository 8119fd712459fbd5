"""What a host sees of this repository: ids, sockets, modules, and what importing costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_world
from host import WORLD
from pairs import ROOT

from carrara.extensions.inside.around import HostFolders
from carrara.models.handles import Vocabulary
from carrara.models.services import Models


def test_every_node_is_registered_under_ids_of_its_own(world: Any) -> None:
    assert len(world.nodes.NODE_CLASS_MAPPINGS) > 200
    assert all(id.startswith("Carrara") for id in world.nodes.NODE_CLASS_MAPPINGS)
    assert world.nodes.NODE_DISPLAY_NAME_MAPPINGS.keys() == world.nodes.NODE_CLASS_MAPPINGS.keys()
    assert world.nodes.EXTENSION_WEB_DIRS == {}


def test_every_node_describes_itself(world: Any) -> None:
    for id, kind in world.nodes.NODE_CLASS_MAPPINGS.items():
        types = kind.INPUT_TYPES()
        assert types.keys() <= {"required", "optional", "hidden"}, id
        assert kind.CATEGORY.startswith("Carrara/") and kind.DESCRIPTION, id
        assert callable(getattr(kind(), kind.FUNCTION)), id
        assert len(kind.RETURN_TYPES) == len(getattr(kind, "RETURN_NAMES", kind.RETURN_TYPES)), id
        for group in ("required", "optional"):
            for name, config in types.get(group, {}).items():
                assert isinstance(config, tuple) and isinstance(config[0], str | list), (id, name)
        json.dumps(types)


def test_the_host_keeps_its_own_modules(world: Any) -> None:
    assert sys.modules["nodes"] is world.nodes and sys.modules["nodes"].__file__.startswith(str(WORLD))
    assert sys.modules["server"].__file__.startswith(str(WORLD))


def test_files_are_looked_for_in_the_hosts_folders(world: Any) -> None:
    names = world.nodes.NODE_CLASS_MAPPINGS["CarraraCheckpointLoaderSimple"].INPUT_TYPES()["required"]["ckpt_name"][0]
    assert names == ["pebble.safetensors", "tiny.safetensors", "tiny_inpaint.safetensors"]


def test_the_vocabulary_is_the_one_that_the_hosts_own_encoders_use(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints of the ecosystem bring none, and the host has it beside its modules."""
    vocab, merges = tiny_world.vocabulary()
    place = tmp_path / "sd1_tokenizer"
    place.mkdir()
    (place / "vocab.json").write_text(vocab, encoding="utf-8")
    (place / "merges.txt").write_text(merges, encoding="utf-8")
    monkeypatch.setattr(world.comfy.model_management, "__file__", str(tmp_path / "model_management.py"))
    models = Models.at()
    models.views.append(HostFolders())
    found = models.tokenizer(Vocabulary(), rows=len(json.loads(vocab)))
    assert found.size == len(json.loads(vocab))


def test_importing_costs_no_torch(tmp_path: Path) -> None:
    """In a process of its own, the host's modules there already, as ComfyUI has them."""
    code = f"""
import sys
sys.path.insert(0, {str(WORLD)!r})
import folder_paths, nodes, server
from pathlib import Path
folder_paths.settle(Path({str(tmp_path)!r}), Path({str(tmp_path)!r}))
place = Path({str(tmp_path)!r}) / "custom_nodes.x" / "carrara-main"
place.parent.mkdir()
before = list(sys.path)
place.symlink_to({str(ROOT)!r}, target_is_directory=True)
nodes.load_custom_node(place)
heavy = {{"torch", "numpy", "cv2", "PIL", "transformers", "scipy", "aiohttp"}} & set(sys.modules)
assert not heavy, heavy
assert len(nodes.NODE_CLASS_MAPPINGS) > 200 and sys.path == before
assert sys.modules["nodes"] is nodes and sys.modules["server"] is server
for kind in nodes.NODE_CLASS_MAPPINGS.values():
    kind.INPUT_TYPES()
assert "torch" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=os.environ, timeout=120
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
