"""Models mixed in a proportion for each of their blocks."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

from ..executor.spec import Port, node
from ..models.handles import Model
from .merging import RATIO

SD1 = (
    "time_embed.", "label_emb.", *(f"input_blocks.{i}." for i in range(12)), *(f"middle_block.{i}." for i in range(3)),
    *(f"output_blocks.{i}." for i in range(12)), "out.",
)  # fmt: skip
"""How the weights of SD1's U-Net begin; the first also counts for what begins otherwise."""


def _with_ratios(parts: tuple[str, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Gives a function of two models one ratio for each part: names with dots cannot be written as parameters."""

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        hints: dict[str, Any] = {"model1": Model, "model2": Model}
        hints |= {_parameter(part): Annotated[float, RATIO, Port(name=part)] for part in parts}
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        function.__annotations__ = {**hints, "return": Annotated[Model, "Sampled as model1 is."]}
        function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(name, kind, default=inspect.Parameter.empty if hint is Model else 1.0)
                for name, hint in hints.items()
            ]
        )
        return function

    return declare


def _parameter(part: str) -> str:
    return part.rstrip(".").replace(".", "_")


@node("ModelMergeSD1", category="advanced/model_merging/model_specific")
@_with_ratios(SD1)
def merge_sd1(model1: Model, model2: Model, **ratios: float) -> Model:
    """Mix two models of the SD1 family; each ratio is the share of model1 in one block."""
    from ..models.merging import by_prefix, merge

    shares = by_prefix({part: ratios.get(_parameter(part), 1.0) for part in SD1})
    return model1.but(unet=merge(model1.unet, model2.unet, shares))
