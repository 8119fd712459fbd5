"""The classes made from our catalogue, for `nodes` and `comfy_extras`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...nodes.catalog import catalogue
from ..core import core_classes

if TYPE_CHECKING:
    from ..host import Host

HOST: Host

NODE_CLASS_MAPPINGS: dict[str, type] = {}
NODE_DISPLAY_NAME_MAPPINGS: dict[str, str] = {}
MODULES: dict[str, dict[str, type]] = {}
"""Module -> class name -> class."""


def _build() -> None:
    specs = {**catalogue(), **HOST.catalogue()}
    for module, row, made in core_classes(HOST, specs):
        NODE_CLASS_MAPPINGS[row.id] = made
        NODE_DISPLAY_NAME_MAPPINGS[row.id] = specs[row.id].title
        MODULES.setdefault(module, {})[made.__name__] = made


def fill(space: dict[str, Any]) -> None:
    """Give a module of `comfy_extras` its classes."""
    for name, made in MODULES.get(space["__name__"], {}).items():
        space[name] = made
        if not hasattr(made, "execute"):
            made.execute = classmethod(_execute)  # type: ignore[attr-defined]


def add(made: type, title: str, id: str = "") -> None:
    """A class of `comfy_extras` that no node of ours is behind, or that packs build on.

    id: of the node, where it is not the class's name.
    """
    NODE_CLASS_MAPPINGS[id or made.__name__] = made
    NODE_DISPLAY_NAME_MAPPINGS.setdefault(id or made.__name__, title)
    made.execute = classmethod(_execute)  # type: ignore[attr-defined]


def _execute(cls: Any, *values: Any, **given: Any) -> Any:
    """The newer form of the same class: called without an object, and the result is one."""
    from comfy_api.latest import io

    made = getattr(cls(), cls.FUNCTION)(*values, **given)
    if isinstance(made, dict):
        return io.NodeOutput(*made.get("result", ()), ui=made.get("ui"))
    return io.NodeOutput(*made)


_build()
