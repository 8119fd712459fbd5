"""The projections of attention times factors: experiments on what queries, keys, values and results each do."""

from __future__ import annotations

from typing import Annotated

from ..executor.spec import Range, node
from ..models.handles import Clip, Model

CATEGORY = "_for_testing/attention_experiments"
FACTOR = Range(0.0, 10.0, step=0.01)
CHANGED = "The model to change."

Queries = Annotated[float, FACTOR, "Of the queries."]
Keys = Annotated[float, FACTOR, "Of the keys."]
Values = Annotated[float, FACTOR, "Of the values."]
Results = Annotated[float, FACTOR, "Of what attention gives."]


def multiplied(model: Model, attention: str, q: float, k: float, v: float, out: float) -> Model:
    from ..models.scaled import with_scaled

    ends = {f"{attention}.to_q": q, f"{attention}.to_k": k, f"{attention}.to_v": v, f"{attention}.to_out.0": out}
    return model.but(unet=with_scaled(model.unet, ends))


@node("UNetSelfAttentionMultiply", category=CATEGORY, experimental=True)
def unet_self_attention_multiply(
    model: Annotated[Model, CHANGED], q: Queries = 1.0, k: Keys = 1.0, v: Values = 1.0, out: Results = 1.0
) -> Model:
    """Weigh the attention of the picture to itself."""
    return multiplied(model, "attn1", q, k, v, out)


@node("UNetCrossAttentionMultiply", category=CATEGORY, experimental=True)
def unet_cross_attention_multiply(
    model: Annotated[Model, CHANGED], q: Queries = 1.0, k: Keys = 1.0, v: Values = 1.0, out: Results = 1.0
) -> Model:
    """Weigh the attention of the picture to the text."""
    return multiplied(model, "attn2", q, k, v, out)


@node("UNetTemporalAttentionMultiply", category=CATEGORY, experimental=True)
def unet_temporal_attention_multiply(
    model: Annotated[Model, CHANGED],
    self_structural: Annotated[float, FACTOR, "Self-attention within a frame."] = 1.0,
    self_temporal: Annotated[float, FACTOR, "Self-attention across frames."] = 1.0,
    cross_structural: Annotated[float, FACTOR, "Attention to the text within a frame."] = 1.0,
    cross_temporal: Annotated[float, FACTOR, "Attention to the text across frames."] = 1.0,
) -> Model:
    """Weigh what attention gives, within frames and across them. A picture model has no attention across frames."""
    from ..models.scaled import with_scaled

    within, across = "transformer_blocks.{}.{}.to_out.0", "time_stack.{}.{}.to_out.0"
    ends: dict[str, float] = {}
    for depth in range(16):
        for attention, here, there in (
            ("attn1", self_structural, self_temporal), ("attn2", cross_structural, cross_temporal)
        ):  # fmt: skip
            ends[within.format(depth, attention)] = here
            ends[across.format(depth, attention)] = there
    return model.but(unet=with_scaled(model.unet, ends))


@node("CLIPAttentionMultiply", category=CATEGORY, experimental=True)
def clip_attention_multiply(
    clip: Annotated[Clip, "The text encoder to change."],
    q: Queries = 1.0,
    k: Keys = 1.0,
    v: Values = 1.0,
    out: Results = 1.0,
) -> Clip:
    """Weigh the attention of a text encoder."""
    from ..models.scaled import with_scaled

    ends = {"self_attn.q_proj": q, "self_attn.k_proj": k, "self_attn.v_proj": v, "self_attn.out_proj": out}
    return clip.but(encoders=tuple(with_scaled(encoder, ends) for encoder in clip.encoders))
