"""Our guidance nodes as patches of the host's model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from host import call
from pairs import GUIDANCE, Pair, both, close


@pytest.mark.parametrize("id", GUIDANCE)
@pytest.mark.parametrize("cfg", [3.0, 1.0])
def test_guidance_on_the_hosts_model(world: Any, pair: Pair, latent: dict[str, Any], id: str, cfg: float) -> None:
    (theirs,) = call(world, f"Carrara{id.replace(' ', '')}", model=pair.theirs, **GUIDANCE[id])
    assert theirs is not pair.theirs and "sampler_cfg_function" not in pair.theirs.model_options
    ours = pair.node(id, model=pair.ours, **GUIDANCE[id])
    grey = torch.linspace(0, 1, 64).expand(1, 1, 64, 64) if id == "DifferentialDiffusion" else None
    given = latent if grey is None else {**latent, "noise_mask": grey}
    there, here = both(world, pair, given, theirs, ours, cfg=cfg)
    close(there["samples"], here.samples)
    if cfg != 1.0:
        plain, _ = both(world, pair, given, cfg=cfg)
        assert not torch.allclose(plain["samples"], there["samples"], rtol=1e-3), "the node changed nothing"


def test_guidance_adds_up_and_starts_anew_with_each_run(world: Any, pair: Pair, latent: dict[str, Any]) -> None:
    theirs, ours = pair.theirs, pair.ours
    for id, how in {"APG": {"momentum": -0.4}, "RescaleCFG": {"multiplier": 0.5}, "CFGZeroStar": {}}.items():
        (theirs,) = call(world, f"Carrara{id}", model=theirs, **how)
        ours = pair.node(id, model=ours, **how)
    first, here = both(world, pair, latent, theirs, ours)
    second, _ = both(world, pair, latent, theirs, ours)
    close(first["samples"], here.samples, 1e-4)
    assert torch.equal(first["samples"], second["samples"])


def test_guidance_between_two_levels_keeps_what_the_host_put_there(
    world: Any, pair: Pair, latent: dict[str, Any]
) -> None:
    """The host's combination inside the interval, none outside."""
    theirs = pair.theirs.clone()
    theirs.set_model_sampler_cfg_function(
        lambda args: args["input"] - (args["uncond_denoised"] + 2.0 * args["cond_scale"] * (
            args["cond_denoised"] - args["uncond_denoised"]
        ))
    )  # fmt: skip
    (limited,) = call(world, "CarraraGuidanceInterval", model=theirs, start_percent=0.0, end_percent=1.0)
    there, _ = both(world, pair, latent, limited)
    doubled, _ = both(world, pair, latent, cfg=6.0)
    close(there["samples"], doubled["samples"])


def test_operations_on_latents_as_guidance(world: Any, pair: Pair, latent: dict[str, Any]) -> None:
    (operation,) = call(world, "CarraraLatentOperationTonemapReinhard", multiplier=0.8)
    assert operation(latent=latent["samples"]).shape == latent["samples"].shape
    (theirs,) = call(world, "CarraraLatentApplyOperationCFG", model=pair.theirs, operation=operation)
    ours = pair.node(
        "LatentApplyOperationCFG", model=pair.ours,
        operation=pair.node("LatentOperationTonemapReinhard", multiplier=0.8),
    )  # fmt: skip
    there, here = both(world, pair, latent, theirs, ours)
    close(there["samples"], here.samples)
