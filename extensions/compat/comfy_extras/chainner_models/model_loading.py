"""`comfy_extras.chainner_models.model_loading`: the older way to read upscale models."""

from __future__ import annotations

from typing import Any

from comfy_extras.nodes_upscale_model import spandrel


def load_state_dict(state_dict: dict[str, Any]) -> Any:
    """The network that such weights are of. Raises Unsupported without the package spandrel."""
    return spandrel().ModelLoader().load_from_state_dict(state_dict).eval()
