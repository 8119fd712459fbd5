"""How far a node is, as the run around it hears it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .....errors import CarraraError
from ....calling import CURRENT

if TYPE_CHECKING:
    from ....host import Host

HOST: Host
FITTED = 512
"""Pixels; the longer side of a preview unless its size is to stay."""


def report(value: float, most: float, node_id: str | None, picture: Any, whole_size: bool) -> None:
    """Tell the run about this node, or the clients about another one. Raises Interrupted when the run was stopped."""
    call = CURRENT.get()
    if call is not None and node_id in (None, call.ctx.node_id):
        call.ctx.progress(value, most, preview(picture, whole_size))
        return
    if node_id is None:
        raise CarraraError(
            "progress of no node: nothing is running here",
            remedy="Call it while a node runs, on its thread, or pass node_id.",
        )
    message = {"value": value, "max": most, "node": node_id, "prompt_id": HOST.channel.last_prompt_id}
    HOST.channel.send("progress", message, HOST.channel.client_id)


def preview(picture: Any, whole_size: bool) -> tuple[str, Any, int | None] | None:
    """(format, PIL picture, longest side or None). picture: PIL, or h w c or b h w c in 0..1."""
    from PIL import Image

    if picture is None:
        return None
    if isinstance(picture, tuple):
        return picture
    if not isinstance(picture, Image.Image):
        from .....models.picture.codec import to_bytes

        picture = Image.fromarray(to_bytes(picture[0] if picture.ndim == 4 else picture).numpy())
    return picture.format or "JPEG", picture, None if whole_size else FITTED
