"""The host's node registry and its loader of packs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

NODE_CLASS_MAPPINGS: dict[str, type] = {}
NODE_DISPLAY_NAME_MAPPINGS: dict[str, str] = {}
EXTENSION_WEB_DIRS: dict[str, str] = {}


def load_custom_node(folder: Path) -> object:
    """A pack is a module named after its path, dots spelt out."""
    name = str(folder).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, folder / "__init__.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    if hasattr(module, "WEB_DIRECTORY") and module.WEB_DIRECTORY is not None:
        EXTENSION_WEB_DIRS[folder.name] = str(folder / module.WEB_DIRECTORY)
    if hasattr(module, "NODE_CLASS_MAPPINGS") and module.NODE_CLASS_MAPPINGS is not None:
        for id, kind in module.NODE_CLASS_MAPPINGS.items():
            NODE_CLASS_MAPPINGS[id] = kind
            kind.RELATIVE_PYTHON_MODULE = f"custom_nodes.{folder.name}"
        if hasattr(module, "NODE_DISPLAY_NAME_MAPPINGS") and module.NODE_DISPLAY_NAME_MAPPINGS is not None:
            NODE_DISPLAY_NAME_MAPPINGS.update(module.NODE_DISPLAY_NAME_MAPPINGS)
        return module
    raise AssertionError("a pack without nodes")
