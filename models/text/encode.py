"""Prompt to conditioning: parse, tokenise, cut into chunks, encode, weigh.

A weight w moves the state of its token along the line from the state of an empty prompt: z' = e + w (z - e).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ...errors import BadWeights, Unsupported
from ..handles import Clip
from ..values import CondEntry
from .chunks import Chunk, Marks, Segment, chunked, empty
from .clip import CLIPOut, CLIPText
from .embeddings import Lookup, lookup, warn
from .prompt import Embedding, Part, parse
from .tokenizer import Tokenizer

if TYPE_CHECKING:
    from ..residency import Residency
    from ..services import Models

ENCODER = "clip_l"
"""Under which name embedding files keep the vectors for SD1's text encoder."""


def encode(clip: Clip, text: str, models: Models, residency: Residency) -> CondEntry:
    """One entry: the states of all chunks, 1 77·n w, and the pooled state of the first. Raises TokenizerNotFound."""
    if len(clip.encoders) != 1:
        raise Unsupported("more than one text encoder", got=len(clip.encoders), expected="the single one of SD1.x")
    encoder = clip.encoders[0]
    tokenizer = models.tokenizer(clip.vocabulary, rows=encoder.config.vocab)
    marks = Marks(tokenizer.start, tokenizer.end, tokenizer.end, encoder.config.positions)
    find = lookup(models, ENCODER, encoder.config.width)
    chunks = chunked(segments(parse(text), tokenizer, find, encoder.config.width), marks)
    with residency.use(encoder) as network, torch.no_grad():
        cond, pooled = states(cast(CLIPText, network), chunks, marks, clip.last_layer, residency.call)
    return CondEntry(cond.cpu(), pooled.cpu())


def segments(parts: Sequence[Part], tokenizer: Tokenizer, find: Lookup, width: int) -> list[Segment]:
    """Tokens and vectors. An embedding that is not there, or is not of the encoder's width, leaves nothing behind."""
    out: list[Segment] = []
    for part in parts:
        rest = part.rest if isinstance(part, Embedding) else part.text
        if isinstance(part, Embedding):
            vectors, rest = _embedding(part, find)
            if vectors is not None and vectors.shape[-1] != width:
                warn(f"embedding {part.name} has vectors of width {vectors.shape[-1]}, not {width}: left out")
                vectors = None
            if vectors is not None:
                out.append(Segment(list(vectors), part.weight))
        if rest:
            out.append(Segment(tokenizer.encode(rest), part.weight))
    return out


def _embedding(part: Embedding, find: Lookup) -> tuple[Tensor | None, str]:
    """Its vectors, and the text that follows; commas that clung to the name belong to that text."""
    vectors = find(part.name)
    name = part.name.rstrip(",")
    if vectors is not None or name == part.name:
        rest = part.rest
    else:
        vectors, rest = find(name), f"{part.name[len(name):]} {part.rest}"
    if vectors is None:
        warn(f"no embedding {name!r}: left out")
    return vectors, rest


def states(
    network: CLIPText, chunks: Sequence[Chunk], marks: Marks, last_layer: int | None, call: Callable[..., CLIPOut]
) -> tuple[Tensor, Tensor]:
    """Weighted states 1 77·n w, and the pooled state 1 w. call: runs the network on what follows it."""
    weighted = any(w != 1.0 for chunk in chunks for w in chunk.weights)
    batch = [*chunks, empty(marks)] if weighted else list(chunks)
    out = run(network, batch, marks, call)
    hidden = layer(network, out, last_layer).float()
    first_end = next(i for i, token in enumerate(chunks[0].tokens) if isinstance(token, int) and token == marks.end)
    pooled = out.last[:1, first_end].float()
    if weighted:
        weights = torch.tensor([chunk.weights for chunk in chunks], device=hidden.device)[:, :, None]
        base = hidden[-1:]
        hidden = base + weights * (hidden[:-1] - base)
    return hidden.flatten(0, 1)[None], pooled


def run(network: CLIPText, chunks: Sequence[Chunk], marks: Marks, call: Callable[..., CLIPOut]) -> CLIPOut:
    """All chunks as one batch."""
    rows = network.cfg.vocab
    ids = [[token if isinstance(token, int) else marks.pad for token in chunk.tokens] for chunk in chunks]
    highest = max(max(line) for line in ids)
    if highest >= rows:
        raise BadWeights(
            "the vocabulary does not belong to the text encoder", got=f"token {highest}", expected=f"below {rows}",
            remedy="Use the tokenizer files that came with the model.",
        )
    vectors = [(i, j, t) for i, c in enumerate(chunks) for j, t in enumerate(c.tokens) if not isinstance(t, int)]
    place = network.text_model.embeddings.token_embedding.weight
    tokens = torch.tensor(ids, device=place.device)
    if not vectors:
        return call(network, tokens)
    embeds = network.embed(tokens)
    for i, j, vector in vectors:
        embeds[i, j] = vector.to(embeds)
    return call(network, embeds=embeds)


def layer(network: CLIPText, out: CLIPOut, last_layer: int | None) -> Tensor:
    """-1: after all layers; -n: after all but n-1, through the final norm too. Asking for more than there are: -1."""
    count = len(out.hidden) - 1
    if last_layer is None or last_layer >= -1 or -last_layer > count:
        return out.last
    return network.final_norm(out.hidden[last_layer])
