"""ControlNets: steering a model by a picture."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from ..executor.spec import Choices, Context, Range, Services, node
from ..models.handles import ControlNet, Vae
from ..models.services import Models
from ..models.values import Conditioning, ControlUse, Image

STRENGTH = Range(0.0, 10.0, step=0.01)
PERCENT = Range(0.0, 1.0, step=0.001)


def control_file(control_net_name: str, services: Services) -> str:
    return services[Models].fingerprint("controlnet", control_net_name)


@node("ControlNetLoader", category="loaders", title="Load ControlNet Model", reads=control_file)
def load_controlnet(
    control_net_name: Annotated[str, Choices.files("controlnet"), "File in the controlnet folder."], ctx: Context
) -> Annotated[ControlNet, "Steers a model by a picture."]:
    """Load a ControlNet."""
    from ..models.checkpoint import load_controlnet as read

    return ControlNet(read(ctx.service(Models).find("controlnet", control_net_name)))


@node("ControlNetSoftWeights", own=True, category="conditioning/controlnet", title="ControlNet Soft Weights")
def soft_weights(
    control_net: Annotated[ControlNet, "The net to soften."],
    base: Annotated[float, Range(0.0, 1.0, step=0.001), "Each layer counts this much of the next deeper one."] = 0.825,
) -> Annotated[ControlNet, "The softer net."]:
    """Let a ControlNet decide the layout and leave the details to the prompt."""
    return control_net.but(soft=base)


@node("ControlNetApply", category="conditioning/controlnet", title="Apply ControlNet (OLD)", deprecated=True)
def apply_controlnet(
    conditioning: Annotated[Conditioning, "What to steer; the negative side is steered along."],
    control_net: Annotated[ControlNet, "The net."],
    image: Annotated[Image, "What the net is to see: edges, depth, a pose, ..."],
    strength: Annotated[float, STRENGTH, "How much it counts."] = 1.0,
) -> Annotated[Conditioning, "The steered conditioning."]:
    """Steer a conditioning by a picture for the whole run."""
    if strength == 0:
        return conditioning
    use = ControlUse(control_net, image.movedim(-1, 1), strength)
    return _chained(conditioning, use, to_uncond=True)


class Steered(NamedTuple):
    """Both prompts, steered."""

    positive: Annotated[Conditioning, "The positive side."]
    negative: Annotated[Conditioning, "The negative side."]


@node("ControlNetApplyAdvanced", category="conditioning/controlnet", title="Apply ControlNet", aliases=("ControlNet",))
def apply_controlnet_advanced(
    positive: Annotated[Conditioning, "What to show."],
    negative: Annotated[Conditioning, "What to keep away from."],
    control_net: Annotated[ControlNet, "The net."],
    image: Annotated[Image, "What the net is to see: edges, depth, a pose, ..."],
    strength: Annotated[float, STRENGTH, "How much it counts."] = 1.0,
    start_percent: Annotated[float, PERCENT, "Share of the noise levels after which it begins."] = 0.0,
    end_percent: Annotated[float, PERCENT, "And after which it ends."] = 1.0,
    vae: Annotated[Vae | None, "For nets that see latents."] = None,
) -> Steered:
    """Steer both prompts by a picture, for a part of the run. Several may be chained."""
    if strength == 0:
        return Steered(positive, negative)
    use = ControlUse(control_net, image.movedim(-1, 1), strength, start_percent, end_percent)
    return Steered(_chained(positive, use, to_uncond=False), _chained(negative, use, to_uncond=False))


def _chained(conditioning: Conditioning, use: ControlUse, *, to_uncond: bool) -> Conditioning:
    return Conditioning(
        tuple(entry.but(control=(*entry.control, use), control_to_uncond=to_uncond) for entry in conditioning.entries)
    )
