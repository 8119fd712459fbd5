"""A host in this process for the length of a test module: its modules under their own names, gone afterwards."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

WORLD = Path(__file__).parent / "host_world"
NAMES = ("nodes", "server", "execution", "folder_paths", "latent_preview", "comfy", "comfy_execution")


@contextmanager
def hosted(folder: Path, models: Path, root: Path) -> Iterator[Any]:
    """folder: the host's own; root: this repository, which the host loads as one of its packs."""
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in NAMES}
    assert not before, f"another host is here: {sorted(before)}"
    sys.path.insert(0, str(WORLD))
    pack: ModuleType | None = None
    try:
        import comfy.cli_args
        import comfy.k_diffusion.sampling
        import comfy.model_management
        import comfy.model_patcher
        import comfy.model_sampling
        import comfy.sample
        import comfy.samplers
        import comfy.utils
        import comfy_execution.graph
        import execution
        import folder_paths
        import latent_preview

        import nodes
        import server

        folder_paths.settle(folder, models)
        assert latent_preview and server
        # A folder of another name, as a download has: a link, so that it is the same files.
        (folder / "custom_nodes").mkdir(parents=True)
        place = folder / "custom_nodes" / "carrara-main"
        place.symlink_to(root, target_is_directory=True)
        pack = nodes.load_custom_node(place)
        yield SimpleNamespace(
            comfy=comfy,
            nodes=nodes,
            execution=execution,
            folder_paths=folder_paths,
            pack=pack,
            blocker=comfy_execution.graph.ExecutionBlocker,
        )
    finally:
        sys.path.remove(str(WORLD))
        own = "" if pack is None else pack.__name__
        for name in [n for n in sys.modules if n.partition(".")[0] in NAMES or (own and n.partition(".")[0] == own)]:
            del sys.modules[name]


def call(world: Any, id: str, /, **inputs: Any) -> Any:
    """Run a node of the registry as the host does: an instance, its FUNCTION, inputs by name. Defaults are filled."""
    kind = world.nodes.NODE_CLASS_MAPPINGS[id]
    types = kind.INPUT_TYPES()
    for name, (type_, *options) in types.get("required", {}).items():
        if name not in inputs:
            choices = type_ if isinstance(type_, list) else None
            default = (options[0] if options else {}).get("default", choices[0] if choices else None)
            assert default is not None, f"{id} needs {name}"
            inputs[name] = default
    if getattr(kind, "INPUT_IS_LIST", False):
        inputs = {name: value if isinstance(value, list) else [value] for name, value in inputs.items()}
    return getattr(kind(), kind.FUNCTION)(**inputs)
