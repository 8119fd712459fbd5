"""Enlarging networks that only the package spandrel knows. It is imported when one is asked for, and not before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import UnknownFamily, Unsupported
from ..blueprint import Blueprint
from ..load import open_weights
from ..weights import Weights
from .recognise import load_upscaler


@dataclass(frozen=True)
class Told:
    """What a network from outside says of itself."""

    channels: int
    scale: int


def load_any(path: Path | str, device: Any) -> Blueprint:
    """The network of a file, one of ours or one of spandrel's. device: where the latter shall lie.

    Raises ModelNotFound, BadWeights, UnknownFamily, or Unsupported for a network that needs more than a picture.
    """
    try:
        return load_upscaler(path)
    except UnknownFamily as ours:
        try:
            import spandrel
        except ImportError as error:
            raise UnknownFamily(
                ours.message,
                got=ours.got,
                expected=ours.expected,
                remedy=f"{ours.remedy} With the package spandrel more are read: pip install spandrel ({error}).",
            ) from error
        return _known_there(spandrel, Path(path), device, ours)


def _known_there(spandrel: Any, path: Path, device: Any, ours: UnknownFamily) -> Blueprint:
    weights = open_weights(path)
    with next(iter(weights.values())).file.open() as read:
        tensors = {key: read(piece.key) for key, piece in weights.items()}
    try:
        made = spandrel.ModelLoader().load_from_state_dict(tensors).eval()
    except spandrel.UnsupportedModelError as error:
        raise ours from error
    if not isinstance(made, spandrel.ImageModelDescriptor):
        raise Unsupported("this network does not enlarge single pictures", got=path.name)
    return lent(made.to(device))


def lent(network: Any) -> Blueprint:
    """A network from outside, as it is: called with b c h w in 0..1, bigger by its `scale`."""
    told = Told(int(getattr(network, "input_channels", 3)), int(network.scale))
    return Blueprint("upscale", type(network), told, Weights({}), lent=network)
