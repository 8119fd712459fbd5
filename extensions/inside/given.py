"""Pictures that a host's node hands into a workflow of ours, in the place of a file."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from ...executor.spec import node
from ...models.values import Image, Mask

if TYPE_CHECKING:
    from torch import Tensor

KEPT = 8
GIVEN = "CarraraGivenPictures"


class Pictures(NamedTuple):
    """As LoadImage gives them."""

    image: Image
    mask: Mask


class Given:
    """The last few, by what they show, so that the same pictures twice are a cached result."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, tuple[Tensor, Tensor]] = OrderedDict()

    def put(self, image: Tensor, mask: Tensor) -> str:
        """image: b h w c; mask: b h w."""
        digest = blake2b(digest_size=16)
        for tensor in (image, mask):
            digest.update(repr((tuple(tensor.shape), tensor.dtype)).encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        key = digest.hexdigest()
        self._held[key] = (image, mask)
        self._held.move_to_end(key)
        while len(self._held) > KEPT:
            self._held.popitem(last=False)
        return key

    def get(self, key: str) -> tuple[Tensor, Tensor]:
        return self._held[key]


def given_pictures(given: Given) -> Callable[..., Any]:
    """The node that stands in a workflow for what was put into `given`."""

    @node(GIVEN, category="image")
    def pictures(key: str) -> Pictures:
        """Pictures from outside the workflow."""
        return Pictures(*given.get(key))

    return pictures
