"""Which enlarging network a file holds, from names and shapes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

from ...errors import BadWeights, UnknownFamily
from ..blueprint import Blueprint
from ..load import open_weights
from ..weights import Weights
from .compact import Compact, CompactConfig
from .rrdb import RRDBConfig, RRDBNet

WRAPPINGS = ("params_ema.", "params.", "module.", "netG.")
ESRGAN: Mapping[str, str] = {
    r"RRDB_trunk\.(\d+)\.RDB(\d)\.": r"body.\1.rdb\2.",
    r"trunk_conv\.": "conv_body.",
    r"upconv(\d)\.": r"conv_up\1.",
    r"HRconv\.": "conv_hr.",
}
"""Names of the first RRDBNet -> BasicSR's."""
NUMBERED = re.compile(r"model\.(\d+)\.(weight|bias)")
REMEDY = "ESRGAN, Real-ESRGAN and compact Real-ESRGAN files are read; many others have a version of these kinds."


def load_upscaler(path: Path | str) -> Blueprint:
    """The network of a file. Raises ModelNotFound, BadWeights, or UnknownFamily where it is none of these."""
    weights = canonical(open_weights(path))
    if "body.0.rdb1.conv1.weight" in weights:
        return Blueprint("upscale", RRDBNet, rrdb_config(weights), weights)
    if "body.0.weight" in weights and "body.1.weight" in weights and len(weights.shape("body.1.weight")) == 1:
        return Blueprint("upscale", Compact, compact_config(weights), weights)
    raise UnknownFamily(
        f"{Path(path).name} holds no network that enlarges pictures and that is known here",
        got=", ".join(sorted(weights)[:3]) or "no tensors",
        expected="body.0.rdb1.conv1.weight, or body.0.weight and body.1.weight",
        remedy=REMEDY,
    )


def canonical(weights: Weights) -> Weights:
    """Under BasicSR's names, without what training wrapped around them."""
    for wrapping in WRAPPINGS:
        if weights.pieces and all(key.startswith(wrapping) for key in weights):
            weights = weights.under(wrapping)
    if "model.0.weight" in weights:
        weights = weights.renamed(_numbers(weights))
    return weights.renamed(_renamed)


def _renamed(key: str) -> str:
    for old, new in ESRGAN.items():
        key = re.sub("^" + old, new, key)
    return key


def _numbers(weights: Weights) -> _Names:
    """The oldest files number their layers, activations and enlargements included."""
    ends = sorted({int(found[1]) for key in weights if (found := NUMBERED.fullmatch(key))})
    inner = [found for key in weights if (found := re.match(r"model\.1\.sub\.(\d+)\.(weight|RDB)", key))]
    if len(ends) < 3 or not inner:
        raise BadWeights("the enlarging network lacks layers", got=f"{len(ends)} of them", expected="at least 3")
    names = {0: "conv_first", ends[-2]: "conv_hr", ends[-1]: "conv_last"}
    names |= {number: f"conv_up{place}" for place, number in enumerate(ends[1:-2], 1)}
    return _Names(names, max(int(found[1]) for found in inner))


class _Names:
    """model.<number>.… -> BasicSR's names. last: the number of the convolution after the blocks."""

    def __init__(self, names: Mapping[int, str], last: int) -> None:
        self.names, self.last = names, last

    def __call__(self, key: str) -> str:
        if found := NUMBERED.fullmatch(key):
            return f"{self.names.get(int(found[1]), key)}.{found[2]}"
        key = re.sub(rf"^model\.1\.sub\.{self.last}\.(weight|bias)$", r"conv_body.\1", key)
        key = re.sub(r"^model\.1\.sub\.(\d+)\.RDB(\d)\.", r"body.\1.rdb\2.", key)
        return re.sub(r"(\.conv\d)\.0\.", r"\1.", key)


def rrdb_config(weights: Weights) -> RRDBConfig:
    blocks = 1 + max(int(found[1]) for key in weights if (found := re.match(r"body\.(\d+)\.", key)))
    ups = sum(f"conv_up{place}.weight" in weights for place in range(1, 8))
    try:
        width, seen = weights.shape("conv_first.weight")[:2]
        out = weights.shape("conv_last.weight")[0]
        growth = weights.shape("body.0.rdb1.conv1.weight")[0]
    except KeyError as error:
        raise BadWeights("the enlarging network lacks a layer", got=error.args[0], remedy=REMEDY) from error
    fold = math.isqrt(seen // out) if seen % out == 0 else 1
    if fold**2 * out != seen or 2**ups % fold:
        fold = 1
    return RRDBConfig(
        seen // fold**2, out, width, growth, blocks, ups, fold, plus="body.0.rdb1.conv1x1.weight" in weights
    )


def compact_config(weights: Weights) -> CompactConfig:
    last = max(int(found[1]) for key in weights if (found := re.fullmatch(r"body\.(\d+)\.weight", key)))
    width, channels = weights.shape("body.0.weight")[:2]
    scale = math.isqrt(weights.shape(f"body.{last}.weight")[0] // channels)
    return CompactConfig(channels, width, last // 2 - 1, max(scale, 1))
