"""Faster runs: steps whose answer can be guessed are not computed."""

from __future__ import annotations

from typing import Annotated

from ..executor.spec import Range, node
from ..models.handles import Model

CATEGORY = "advanced/debug/model"
SHARE = Range(0.0, 1.0, step=0.01)

Changed = Annotated[Model, "The model to change."]
Threshold = Annotated[float, Range(0.0, 3.0, step=0.01), "Guess until the guessed changes add up to this."]
From = Annotated[float, SHARE, "Guess from this share of the run."]
Until = Annotated[float, SHARE, "Guess until this share of the run."]
Verbose = Annotated[bool, "Of no effect here: what a run does is told by its progress."]


@node("EasyCache", category=CATEGORY, experimental=True)
def easy_cache(
    model: Changed, reuse_threshold: Threshold = 0.2, start_percent: From = 0.15, end_percent: Until = 0.95,
    verbose: Verbose = False,
) -> Model:  # fmt: skip
    """Skip network calls while little changes: Zhou et al. 2025, arXiv:2507.02860."""
    from ..models.reuse import OfNetwork

    return model.but(reuse=OfNetwork(reuse_threshold, start_percent, end_percent))


@node("LazyCache", category=CATEGORY, experimental=True)
def lazy_cache(
    model: Changed, reuse_threshold: Threshold = 0.2, start_percent: From = 0.15, end_percent: Until = 0.95,
    verbose: Verbose = False,
) -> Model:  # fmt: skip
    """Skip whole guided evaluations while little changes; simpler than EasyCache, and fit for every network."""
    from ..models.reuse import OfGuidance

    return model.but(reuse=OfGuidance(reuse_threshold, start_percent, end_percent))
