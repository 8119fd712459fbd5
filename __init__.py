"""Carrara: a typed node engine for diffusion models.

Importing does nothing: no device is touched, no file is read, torch is not loaded; each name below is imported when
it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

if TYPE_CHECKING:
    from .builder import Graph as Graph
    from .engine import Engine as Engine
    from .errors import CarraraError as CarraraError
    from .errors import GraphError as GraphError
    from .errors import Interrupted as Interrupted
    from .errors import ModelError as ModelError
    from .errors import NodeFailed as NodeFailed
    from .executor.run import Cancel as Cancel
    from .executor.spec import Any as Any
    from .executor.spec import Choices as Choices
    from .executor.spec import Context as Context
    from .executor.spec import Lazy as Lazy
    from .executor.spec import Optional as Optional
    from .executor.spec import Out as Out
    from .executor.spec import Port as Port
    from .executor.spec import Range as Range
    from .executor.spec import Shown as Shown
    from .executor.spec import Text as Text
    from .executor.spec import node as node
    from .models.handles import Clip as Clip
    from .models.handles import ControlNet as ControlNet
    from .models.handles import Model as Model
    from .models.handles import Vae as Vae
    from .models.values import Conditioning as Conditioning
    from .models.values import Image as Image
    from .models.values import Latent as Latent
    from .models.values import Mask as Mask
    from .models.values import Sigmas as Sigmas
    from .result import Result as Result

_HOMES = {
    ".builder": ("Graph",),
    ".engine": ("Engine",),
    ".errors": ("CarraraError", "GraphError", "Interrupted", "ModelError", "NodeFailed"),
    ".executor.run": ("Cancel",),
    ".executor.spec": (
        "Any", "Choices", "Context", "Lazy", "Optional", "Out", "Port", "Range", "Shown", "Text", "node",
    ),
    ".models.handles": ("Clip", "ControlNet", "Model", "Vae"),
    ".models.values": ("Conditioning", "Image", "Latent", "Mask", "Sigmas"),
    ".result": ("Result",),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_FACE = ("NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS")
"""What ComfyUI asks of this folder among its `custom_nodes`."""

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> _Any:
    if name in _FACE:
        # Kept, because ComfyUI asks several times and must see the same classes.
        globals().update(zip(_FACE, import_module(".extensions.comfyui", __name__).mappings(_engine), strict=True))
        return globals()[name]
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name], __name__), name)


def _engine(**how: _Any) -> _Any:
    return import_module(".engine", __name__).Engine(**how)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])
