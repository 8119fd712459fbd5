"""Prompts into conditionings, and where and when those count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from ..errors import InputError, Unsupported
from ..executor.spec import Choices, Context, Range, Services, Text, node
from ..models.handles import Clip
from ..models.residency import Residency
from ..models.services import Models
from ..models.values import Area, CondEntry, Conditioning, Mask

if TYPE_CHECKING:
    from torch import Tensor

CELL = 8
"""Pixels per latent cell, in which areas are given."""
SIDE = Range(64, 16384, step=8)
PLACE = Range(0, 16384, step=8)
SHARE = Range(0, 1.0, step=0.01)
STRENGTH = Range(0.0, 10.0, step=0.01)
PERCENT = Range(0.0, 1.0, step=0.001)
BOUNDS = ("default", "mask bounds")


class Hooks:
    """Changes of weights during a run; named by foreign workflows, made by no node here."""

    socket: ClassVar[str] = "HOOKS"


def embedding_files(text: str | None, services: Services) -> tuple[tuple[str, int, int], ...]:
    from ..models.text.embedding_files import stamps

    return stamps(services[Models], text)


@node("CLIPTextEncode", category="conditioning", title="CLIP Text Encode (Prompt)", reads=embedding_files)
def encode_text(
    text: Annotated[str, Text(multiline=True, dynamic_prompts=True), "(more:1.2) (less:0.8) embedding:name"],
    clip: Annotated[Clip, "Reads the text."],
    ctx: Context,
) -> Annotated[Conditioning, "What the text means to the model."]:
    """Encode a prompt."""
    from ..models.text.encode import encode

    return Conditioning((encode(clip, text, ctx.service(Models), ctx.service(Residency)),))


@node("CLIPSetLastLayer", category="conditioning", title="CLIP Set Last Layer")
def set_last_layer(
    clip: Annotated[Clip, "A text encoder."],
    stop_at_clip_layer: Annotated[int, Range(-24, -1, step=1), "-1: all layers; -2: all but the last; ..."] = -1,
) -> Annotated[Clip, "The encoder, stopping early."]:
    """Stop a text encoder before its last layer (clip skip). Beyond its first layer: all layers."""
    return clip.but(last_layer=stop_at_clip_layer)


@node("ConditioningCombine", category="conditioning", title="Conditioning (Combine)")
def combine(
    conditioning_1: Annotated[Conditioning, "One."], conditioning_2: Annotated[Conditioning, "And the other."]
) -> Annotated[Conditioning, "Both; the model's answers are averaged by their weights."]:
    """Let two conditionings count side by side."""
    return Conditioning(conditioning_1.entries + conditioning_2.entries)


@node("ConditioningConcat", category="conditioning", title="Conditioning (Concat)")
def concat(
    conditioning_to: Annotated[Conditioning, "Comes first; its area, mask and the like stay."],
    conditioning_from: Annotated[Conditioning, "Its first entry is appended."],
) -> Annotated[Conditioning, "One text of both."]:
    """Read one text after another, as if they were one prompt."""
    import torch

    tail = _first(conditioning_from).cond
    return Conditioning(tuple(e.but(cond=torch.cat([e.cond, tail.to(e.cond)], dim=1)) for e in conditioning_to.entries))


@node("ConditioningAverage", category="conditioning", title="ConditioningAverage")
def average(
    conditioning_to: Annotated[Conditioning, "Result at strength 1. Its length is kept."],
    conditioning_from: Annotated[Conditioning, "Result at strength 0: the first entry, cut or filled up with zeros."],
    conditioning_to_strength: Annotated[float, Range(0.0, 1.0, step=0.01), "Share of conditioning_to."] = 1.0,
) -> Annotated[Conditioning, "The mix."]:
    """Mix two texts token by token."""
    import torch

    other = _first(conditioning_from)
    share = conditioning_to_strength

    def mixed(a: Tensor, b: Tensor) -> Tensor:
        return a * share + b.to(a) * (1.0 - share)

    entries = []
    for entry in conditioning_to.entries:
        length = entry.cond.shape[1]
        tail = other.cond[:, :length]
        missing = length - tail.shape[1]
        tail = torch.nn.functional.pad(tail, (0, 0, 0, missing)) if missing else tail
        pooled = entry.pooled
        if other.pooled is not None:
            pooled = other.pooled if pooled is None else mixed(pooled, other.pooled)
        entries.append(entry.but(cond=mixed(entry.cond, tail), pooled=pooled))
    return Conditioning(tuple(entries))


@node("ConditioningSetArea", category="conditioning", title="Conditioning (Set Area)")
def set_area(
    conditioning: Annotated[Conditioning, "What to place."],
    width: Annotated[int, SIDE, "Pixels."] = 64,
    height: Annotated[int, SIDE, "Pixels."] = 64,
    x: Annotated[int, PLACE, "Pixels from the left."] = 0,
    y: Annotated[int, PLACE, "Pixels from the top."] = 0,
    strength: Annotated[float, STRENGTH, "Weight against what else counts there."] = 1.0,
) -> Annotated[Conditioning, "Counts in the rectangle only."]:
    """Let a conditioning count in a rectangle of the picture."""
    area = Area(height // CELL, width // CELL, y // CELL, x // CELL)
    return conditioning.map(area=area, strength=strength, mask_bounds=False)


@node("ConditioningSetAreaPercentage", category="conditioning", title="Conditioning (Set Area with Percentage)")
def set_area_percentage(
    conditioning: Annotated[Conditioning, "What to place."],
    width: Annotated[float, SHARE, "Share of the picture's width."] = 1.0,
    height: Annotated[float, SHARE, "Share of its height."] = 1.0,
    x: Annotated[float, SHARE, "From the left."] = 0.0,
    y: Annotated[float, SHARE, "From the top."] = 0.0,
    strength: Annotated[float, STRENGTH, "Weight against what else counts there."] = 1.0,
) -> Annotated[Conditioning, "Counts in the rectangle only."]:
    """Let a conditioning count in a rectangle given as shares of the picture."""
    area = Area(height, width, y, x, relative=True)
    return conditioning.map(area=area, strength=strength, mask_bounds=False)


@node("ConditioningSetAreaStrength", category="conditioning", title="ConditioningSetAreaStrength")
def set_area_strength(
    conditioning: Annotated[Conditioning, "What to weigh."],
    strength: Annotated[float, STRENGTH, "Weight against what else counts at the same place."] = 1.0,
) -> Annotated[Conditioning, "The same with another weight."]:
    """Change how much a conditioning counts where others count too."""
    return conditioning.map(strength=strength)


@node("ConditioningSetMask", category="conditioning", title="Conditioning (Set Mask)")
def set_mask(
    *,
    conditioning: Annotated[Conditioning, "What to place."],
    mask: Annotated[Mask, "Where it counts, and how much."],
    strength: Annotated[float, STRENGTH, "Weight where the mask is 1."] = 1.0,
    set_cond_area: Annotated[str, Choices(BOUNDS), "mask bounds: the model sees only the box around the mask."],
) -> Annotated[Conditioning, "Counts under the mask only."]:
    """Let a conditioning count under a mask."""
    shaped = mask[None] if mask.ndim < 3 else mask
    return conditioning.map(mask=shaped, mask_bounds=set_cond_area != BOUNDS[0], mask_strength=strength)


@node("ConditioningSetTimestepRange", category="advanced/conditioning", title="ConditioningSetTimestepRange")
def set_timestep_range(
    conditioning: Annotated[Conditioning, "What to time."],
    start: Annotated[float, PERCENT, "Share of the noise levels after which it begins to count."] = 0.0,
    end: Annotated[float, PERCENT, "And after which it no longer does."] = 1.0,
) -> Annotated[Conditioning, "Counts between the two only."]:
    """Let a conditioning count during a part of the run."""
    return conditioning.map(start_percent=start, end_percent=end)


@node("ConditioningZeroOut", category="advanced/conditioning", title="ConditioningZeroOut")
def zero_out(
    conditioning: Annotated[Conditioning, "Gives the shape."],
) -> Annotated[Conditioning, "Zeros: nothing said at all."]:
    """Replace a text by zeros, which is less than an empty prompt."""
    import torch

    return Conditioning(
        tuple(
            e.but(cond=torch.zeros_like(e.cond), pooled=None if e.pooled is None else torch.zeros_like(e.pooled))
            for e in conditioning.entries
        )
    )


@node(
    "ConditioningSetDefaultCombine", category="advanced/hooks/cond single", title="Cond Set Default Combine",
    experimental=True,
)  # fmt: skip
def set_default_combine(
    cond: Annotated[Conditioning, "With areas or masks."],
    cond_DEFAULT: Annotated[Conditioning, "Counts where those leave room."],
    hooks: Annotated[Hooks | None, "Not supported."] = None,
) -> Annotated[Conditioning, "Both."]:
    """Say what counts where no other conditioning does."""
    if hooks is not None:
        raise Unsupported("hooks on conditionings", remedy="Leave the input unconnected.")
    return Conditioning(cond.entries + cond_DEFAULT.map(default=True).entries)


def _first(conditioning: Conditioning) -> CondEntry:
    if not conditioning.entries:
        raise InputError("an empty conditioning", expected="at least one text")
    return conditioning.entries[0]
