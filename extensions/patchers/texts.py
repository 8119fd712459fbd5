"""Text encoders across the border: tokens as tables of (id or vector, weight), states from such tables."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from ...errors import InputError, Unsupported
from ...models.handles import Clip
from ...models.residency import Residency
from ...models.services import Models
from ...models.text.chunks import Chunk, Marks, chunked
from .handles import changed
from .weights import entries_of

if TYPE_CHECKING:
    from torch import Tensor

    from ...models.blueprint import Blueprint
    from ...models.text.clip import CLIPText
    from ..host import Host

PREFIX = "clip_l.transformer."
NAME = "l"
Tokens = dict[str, list[list[tuple[Any, ...]]]]


def encoder_of(clip: Clip) -> Blueprint:
    """Raises Unsupported for more than one."""
    if len(clip.encoders) != 1:
        raise Unsupported("more than one text encoder", got=len(clip.encoders), expected="the single one of SD1.x")
    return clip.encoders[0]


def marks_of(host: Host, clip: Clip) -> Marks:
    encoder = encoder_of(clip)
    tokenizer = host.services[Models].tokenizer(clip.vocabulary, rows=encoder.config.vocab)
    return Marks(tokenizer.start, tokenizer.end, tokenizer.end, encoder.config.positions)


def tokens_of(host: Host, clip: Clip, text: str, word_ids: bool = False) -> Tokens:
    """Chunks of (id or vector, weight[, number of the word, 0 for marks])."""
    from ...models.text.embeddings import lookup
    from ...models.text.encode import ENCODER, segments
    from ...models.text.prompt import parse

    models: Models = host.services[Models]
    encoder, marks = encoder_of(clip), marks_of(host, clip)
    tokenizer = models.tokenizer(clip.vocabulary, rows=encoder.config.vocab)
    find = lookup(models, ENCODER, encoder.config.width)
    chunks = chunked(segments(parse(text), tokenizer, find, encoder.config.width), marks)
    number = 0
    made: list[list[tuple[Any, ...]]] = []
    for chunk in chunks:
        row: list[tuple[Any, ...]] = []
        for token, weight in zip(chunk.tokens, chunk.weights, strict=True):
            mark = isinstance(token, int) and token in (marks.start, marks.end)
            number += not mark
            row.append((token, weight, 0 if mark else number) if word_ids else (token, weight))
        made.append(row)
    return {NAME: made}


def states_of(
    host: Host, clip: Clip, tokens: Mapping[str, Any] | Sequence[Any], layer: int | None = None
) -> tuple[Tensor, Tensor]:
    """States 1 77·n w and the pooled state 1 w, on the processor."""
    from ...models.text.encode import states

    rows = tokens.get(NAME, tokens.get("g")) if isinstance(tokens, Mapping) else tokens
    if not rows:
        raise InputError("tokens of another text encoder", got=list(tokens), expected=f"a list under {NAME!r}")
    encoder, residency = encoder_of(clip), host.services[Residency]
    chunks = [Chunk([entry[0] for entry in row], [float(entry[1]) for entry in row]) for row in rows]
    with residency.use(encoder) as network:
        net = cast("CLIPText", network)
        cond, pooled = states(net, chunks, marks_of(host, clip), layer, residency.call)
    return cond.cpu(), pooled.cpu()


def outward(host: Host, clip: Clip) -> Any:
    """The CLIP object of a handle."""
    made = host.modules.load("comfy.sd").CLIP(no_init=True)
    settle(host, made, clip)
    return made


def settle(host: Host, outside: Any, clip: Clip) -> None:
    patchers = host.modules.load("comfy.model_patcher")
    management = host.modules.load("comfy.model_management")
    model = host.modules.load("comfy.sd1_clip").of_clip(clip)
    patcher = patchers.ModelPatcher(model, management.text_encoder_device(), management.text_encoder_offload_device())
    patcher.is_clip = True
    patcher.parts = tuple((PREFIX, encoder) for encoder in clip.encoders)
    for encoder in clip.encoders:
        patcher.patches |= entries_of(encoder, PREFIX)
    content = repr([encoder.content for encoder in clip.encoders])
    patcher.patches_uuid = patcher.weights_uuid = uuid.uuid5(uuid.NAMESPACE_OID, content)
    outside.handle, outside.patcher, outside.cond_stage_model = clip, patcher, model
    outside.tokenizer = model.tokenizer
    outside.layer_idx = clip.last_layer


def inward(host: Host, outside: Any) -> Any:
    """The handle; the one it came from, where nothing has changed."""
    clip: Clip | None = getattr(outside, "handle", None)
    if clip is None:
        return outside
    patcher = outside.patcher
    if patcher.patches_uuid == patcher.weights_uuid and outside.layer_idx == clip.last_layer:
        return clip
    encoders = tuple(changed(host, patcher, PREFIX, encoder) for encoder in clip.encoders)
    return replace(clip, encoders=encoders, last_layer=outside.layer_idx)
