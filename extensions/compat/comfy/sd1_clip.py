"""Text encoders and tokenizers under the names of the ecosystem, each a view of a handle of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ....errors import Unsupported
from ....models.residency import Residency
from ....models.services import Models
from ....models.text.prompt import weighted
from ...patchers import network, texts
from ...patchers.weights import tensors_of

if TYPE_CHECKING:
    from ...host import Host

HOST: Host


def parse_parentheses(string):
    """The groups in parentheses, and what stands between them."""
    from ....models.text.prompt import _top_level

    return _top_level(string)


def token_weights(string, current_weight):
    """Runs of text with their weights. Escaped parentheses must be hidden first (`escape_important`)."""
    return [(words.text, words.weight * current_weight) for words in weighted(string)]


def escape_important(text):
    return text.replace("\\)", "\0\1").replace("\\(", "\0\2")


def unescape_important(text):
    return text.replace("\0\1", ")").replace("\0\2", "(")


def gen_empty_tokens(special_tokens, length):
    """A chunk without words."""
    found = [special_tokens[name] for name in ("start", "end") if special_tokens.get(name) is not None]
    pad = special_tokens.get("pad")
    return found + [pad] * (length - len(found))


class ClipTokenWeightEncoder:
    """Chunks of (token, weight) -> states and pooled state."""

    def encode_token_weights(self, token_weight_pairs):
        if getattr(self, "handle", None) is None:
            raise Unsupported("a text encoder of a pack's own", got=type(self).__name__)
        return texts.states_of(HOST, self.handle, token_weight_pairs, self.layer_idx)


class _Encoder(torch.nn.Module, ClipTokenWeightEncoder):
    """The network itself (`transformer`) is read when somebody asks for it."""

    LAYERS = ("last", "pooled", "hidden")
    handle = None
    layer_idx = None

    def __init__(self, *args, **kwargs):
        super().__init__()
        self.given = args, kwargs

    def set_clip_options(self, options):
        self.layer_idx = options.get("layer", self.layer_idx)

    def reset_clip_options(self):
        self.layer_idx = None if self.handle is None else self.handle.last_layer

    def clip_layer(self, layer_idx):
        self.layer_idx = layer_idx

    def __getattr__(self, name):
        if name == "transformer" and self.handle is not None:
            held = network.Held(self, self.handle.encoders[0], HOST.services[Residency], type(None))
            self.transformer = held.net
            return held.net
        return super().__getattr__(name)


class SDClipModel(_Encoder):
    """One encoder."""

    def encode(self, tokens):
        return self.encode_token_weights([[(token, 1.0) for token in row] for row in tokens])


class SD1ClipModel(_Encoder):
    """The encoders of a family; of SD1.x one, `clip_l`."""

    clip_name = "l"
    clip = "clip_l"

    @property
    def parts(self):
        return [(encoder, texts.PREFIX) for encoder in self.handle.encoders]

    def state_dict(self, *args, **kwargs):
        if self.handle is None:
            return super().state_dict(*args, **kwargs)
        return {key: value for blueprint, prefix in self.parts for key, value in tensors_of(blueprint, prefix)}

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        """The weights to read; a change of theirs reaches nothing."""
        if self.handle is None:
            yield from super().named_parameters(prefix, recurse, remove_duplicate)
            return
        for key, value in self.state_dict().items():
            yield f"{prefix}.{key}" if prefix else key, torch.nn.Parameter(value, requires_grad=False)


class SD1CheckpointClipModel(SDClipModel):
    """The encoder of a checkpoint."""


class SDTokenizer:
    """Text -> chunks of (token, weight)."""

    handle = None

    def __init__(self, *args, **kwargs):
        raise Unsupported("a tokenizer of a pack's own", got=type(self).__name__)

    def tokenize_with_weights(self, text, return_word_ids=False, **kwargs):
        return texts.tokens_of(HOST, self.handle, text, return_word_ids)[texts.NAME]

    def untokenize(self, token_weight_pair):
        return [(pair, self.inv_vocab.get(pair[0], "")) for pair in token_weight_pair]

    def state_dict(self):
        return {}


class SD1Tokenizer(SDTokenizer):
    """The tokenizers of a family; of SD1.x one, `clip_l`."""

    clip_name = "l"
    clip = "clip_l"

    def tokenize_with_weights(self, text, return_word_ids=False, **kwargs):
        return texts.tokens_of(HOST, self.handle, text, return_word_ids)

    def untokenize(self, token_weight_pair):
        return self.clip_l.untokenize(token_weight_pair)


def _tokenizer(kind, clip):
    made = kind.__new__(kind)
    made.handle = clip
    marks = texts.marks_of(HOST, clip)
    found = HOST.services[Models].tokenizer(clip.vocabulary, rows=clip.encoders[0].config.vocab)
    made.start_token, made.end_token, made.pad_token = marks.start, marks.end, marks.pad
    made.max_length, made.min_length, made.max_word_length = marks.length, None, 8
    made.pad_with_end, made.pad_to_max_length = True, True
    made.embedding_identifier, made.embedding_key = "embedding:", "clip_l"
    made.embedding_size = clip.encoders[0].config.width
    made.embedding_directory = [str(place) for place in HOST.services[Models].folders.get("embeddings", ())]
    made.tokenizer = found
    made.inv_vocab = {number: word for word, number in found.vocab.items()}
    return made


class _Late:
    """A tokenizer made when first asked: its vocabulary may have to be found."""

    def __init__(self, clip):
        self.__dict__["_clip"] = clip

    def __getattr__(self, name):
        made = _tokenizer(SD1Tokenizer, self._clip)
        made.clip_l = _tokenizer(SDTokenizer, self._clip)
        self.__dict__.update(made.__dict__)
        self.__class__ = SD1Tokenizer
        return getattr(self, name)


def of_clip(clip):
    """The model object of a handle, with its tokenizer."""
    made = SD1ClipModel()
    made.handle = clip
    made.clip_l = SDClipModel()
    made.clip_l.handle = clip
    made.device = HOST.services[Residency].device
    made.reset_clip_options()
    made.clip_l.reset_clip_options()
    made.tokenizer = _Late(clip)
    return made
