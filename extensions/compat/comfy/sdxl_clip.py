"""Names of SDXL's text encoders. None is here yet; packs ask whether an encoder is one of them."""

from __future__ import annotations

import comfy.sd1_clip


class SDXLClipG(comfy.sd1_clip.SDClipModel):
    """The larger encoder."""


class SDXLClipModel(comfy.sd1_clip._Encoder):
    """Both encoders."""


class SDXLRefinerClipModel(comfy.sd1_clip.SD1ClipModel):
    """The larger one alone."""


class SDXLClipGTokenizer(comfy.sd1_clip.SDTokenizer):
    """The larger encoder's tokenizer."""


class SDXLTokenizer(comfy.sd1_clip.SD1Tokenizer):
    """Both tokenizers."""
