"""The `io` namespace: types, schema, node class."""

from __future__ import annotations

from comfy_api.latest._io_base import *  # noqa: F403
from comfy_api.latest._io_base import _IO_V3, _ComfyType  # noqa: F401
from comfy_api.latest._io_base import __all__ as base
from comfy_api.latest._io_combos import Combo, MultiCombo  # noqa: F401
from comfy_api.latest._io_dynamic import Autogrow, DynamicCombo, DynamicSlot, MatchType, MultiType  # noqa: F401
from comfy_api.latest._io_editors import (  # noqa: F401
    BoundingBox,
    BoundingBoxes,
    Color,
    Curve,
    Histogram,
    ImageCompare,
)
from comfy_api.latest._io_node import (  # noqa: F401
    ComfyNode,
    NodeOutput,
    _ComfyNodeBaseInternal,
    _UIOutput,
)
from comfy_api.latest._io_schema import (  # noqa: F401
    Hidden,
    HiddenHolder,
    NodeInfoV1,
    NodeInfoV3,
    PriceBadge,
    PriceBadgeDepends,
    Schema,
    V3Data,
    add_to_dict_v1,
    add_to_dict_v3,
    create_input_dict_v1,
)
from comfy_api.latest._io_types import *  # noqa: F403
from comfy_api.latest._io_types import __all__ as types
from comfy_api.latest._io_widgets import Boolean, Float, Int, String, Webcam  # noqa: F401
from comfy_api.latest._node_replace import NodeReplace  # noqa: F401

from .....executor.spec import Blocker as ExecutionBlocker  # noqa: F401

__all__ = [
    *base,
    *types,
    *("Boolean", "Combo", "Float", "Int", "MultiCombo", "String", "Webcam"),
    *("BoundingBox", "BoundingBoxes", "Color", "Curve", "Histogram", "ImageCompare"),
    *("Autogrow", "DynamicCombo", "DynamicSlot", "MatchType", "MultiType"),
    *("Hidden", "HiddenHolder", "NodeInfoV1", "NodeInfoV3", "PriceBadge", "PriceBadgeDepends", "Schema", "V3Data"),
    *("add_to_dict_v1", "add_to_dict_v3", "create_input_dict_v1"),
    *("ComfyNode", "ExecutionBlocker", "NodeOutput", "NodeReplace"),
]
