"""What one network call carries besides its tensors: the patches other people hang on attention and blocks.

A `Call` is a frozen value made by whoever samples; networks only read it. `None` means no patch anywhere and costs
one comparison per block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Site:
    """Where in the network a patch is asked. `part` is input, middle or output; `depth` counts transformer blocks."""

    part: str
    number: int
    depth: int
    heads: int
    head_dim: int
    size: tuple[int, int]
    call: Call

    @property
    def block(self) -> tuple[str, int]:
        return self.part, self.number


BeforeAttention = Callable[["Tensor", "Tensor", "Tensor", Site], "tuple[Tensor, Tensor, Tensor]"]
ReplaceAttention = Callable[["Tensor", "Tensor", "Tensor", Site], "Tensor"]
AfterAttention = Callable[["Tensor", Site], "Tensor"]
Attend = Callable[["Tensor", "Tensor", "Tensor", int, Site], "Tensor"]
BlockPatch = Callable[["Tensor", Site], "Tensor"]
SkipPatch = Callable[["Tensor", "Tensor", Site], "tuple[Tensor, Tensor]"]


@dataclass(frozen=True)
class AttentionPatches:
    """before: (x, context, value), ahead of the projections. after: the result.

    replace: (q, k, v) instead of attention, by (part, number) or (part, number, depth).
    """

    before: tuple[BeforeAttention, ...] = ()
    replace: Mapping[tuple[str, int] | tuple[str, int, int], ReplaceAttention] = field(default_factory=dict)
    after: tuple[AfterAttention, ...] = ()

    def replacement(self, site: Site) -> ReplaceAttention | None:
        exact = self.replace.get((site.part, site.number, site.depth))
        return exact if exact is not None else self.replace.get((site.part, site.number))


@dataclass(frozen=True)
class Call:
    """One evaluation. sigma: of the step; rows: 0 for each conditional row of the batch, 1 for each unconditional.

    after_middle: on the middle block's map once a ControlNet has added to it. between: on the tokens, after
    self-attention of a transformer block and ahead of its attention over the text. embedding: on the time embedding
    (b e; the site has neither block nor size). attend: the attention itself, (q, k, v, heads, site), wherever
    none is replaced. notes: whatever the maker of the patches wants them to see.
    """

    sigma: float = 0.0
    rows: tuple[int, ...] = ()
    attn1: AttentionPatches = AttentionPatches()
    attn2: AttentionPatches = AttentionPatches()
    input_blocks: tuple[BlockPatch, ...] = ()
    input_skips: tuple[BlockPatch, ...] = ()
    middle: tuple[BlockPatch, ...] = ()
    output_blocks: tuple[SkipPatch, ...] = ()
    shape: tuple[int, ...] = ()
    after_middle: tuple[BlockPatch, ...] = ()
    between: tuple[AfterAttention, ...] = ()
    embedding: tuple[BlockPatch, ...] = ()
    attend: Attend | None = None
    notes: Any = None
