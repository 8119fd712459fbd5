"""This package as a node pack of ComfyUI: which of our nodes it offers there, under which names, and between which
sockets.

The rule: every node is offered that can do there what it says. Those that take a model only to choose noise levels,
samplers or guidance work on the host's models and on ours. Those that read weights, texts or pictures with our own
networks, or reach into one, work on what our own loaders give, under sockets of their own. Left out is only what
belongs to one executor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..executor.spec import Input, NodeSpec, Output, spec_of
from ..nodes.catalog import PREFIX, catalogue, outside
from .classes import Around, classic_class
from .inside.around import Inside, told
from .inside.rows import inside_border

EITHER = {"MODEL": "MODEL,CARRARA_MODEL"}
OWN = {kind: f"CARRARA_{kind}" for kind in ("MODEL", "CLIP", "VAE", "CONTROL_NET")}
ANYTHING = {"COMFY_MATCHTYPE_V3": "*"}
NETWORKS = frozenset(
    {
        "attention", "controlnet", "loaders", "lora", "model_sampling", "skip_layers", "unet_denoise", "unet_patches",
        "vae",
    }
)  # fmt: skip
"""Modules whose nodes reach into networks."""
LOOKS = frozenset(
    {
        "AddNoise", "ModelSamplingDiscrete", "ModelSamplingSD3", "PerpNeg", "PerturbedAttentionGuidance",
        "SelfAttentionGuidance",
    }
)  # fmt: skip
"""Single nodes of other modules that do so too."""


@dataclass(frozen=True)
class Offer:
    """One of our nodes as a host sees it. spec: with the host's sockets; works: what it works on."""

    id: str
    spec: NodeSpec
    works: str


def offered() -> tuple[Offer, ...]:
    """Everything that is offered to a host, in the catalogue's order."""
    from .inside.bridge import vae_for_other_nodes
    from .inside.workflow import run_workflow

    specs = [spec_of(run_workflow), *catalogue().specs()]
    bridge = spec_of(vae_for_other_nodes)
    return (
        *(_offer(spec) for spec in specs if not left_out(spec)),
        Offer(outside(bridge.id), _with_sockets(bridge, {}), "Carrara's own models"),
    )


def left_out(spec: NodeSpec) -> str:
    """Why a node is not offered; empty for those that are."""
    if spec.id.startswith("Loop"):
        return "loops are unrolled by Carrara's executor; run a workflow that has them with Run Workflow"
    if spec.dynamic or any(port.raw_link for port in spec.inputs):
        return "its inputs grow or change, which ComfyUI knows of its newer kind of class only"
    return ""


def _offer(spec: NodeSpec) -> Offer:
    types = {port.type for port in spec.inputs} | {port.type for port in spec.outputs}
    home = spec.module.rpartition(".")[2]
    works, sockets = "any values", ANYTHING
    if types & OWN.keys() - {"MODEL"} or ("MODEL" in types and (home in NETWORKS or spec.id in LOOKS)):
        works, sockets = "Carrara's own models", OWN
    elif "MODEL" in types:
        works, sockets = "the host's models, and Carrara's own", EITHER
    return Offer(outside(spec.id), _with_sockets(spec, sockets), works)


def category(spec: NodeSpec) -> str:
    """The menu of the host that a node stands in."""
    return f"{PREFIX}/{spec.category.strip('_') or 'other'}"


def _with_sockets(spec: NodeSpec, sockets: Mapping[str, str]) -> NodeSpec:
    def moved(port: Any) -> Any:
        return replace(port, type=sockets[port.type]) if port.type in sockets else port

    inputs: tuple[Input, ...] = tuple(map(moved, spec.inputs))
    outputs: tuple[Output, ...] = tuple(map(moved, spec.outputs))
    return replace(spec, inputs=inputs, outputs=outputs, title=f"{spec.title} (Carrara)")


def mappings(make: Callable[..., Any]) -> tuple[dict[str, type], dict[str, str]]:
    """Classes and display names by id, as a host wants them. make: an engine, from keyword arguments."""
    world = Inside(make)
    around = Around(inside_border(), lambda: world, world.context, told, rename=outside, category=category)
    offers = offered()
    classes = {one.id: classic_class(one.spec, around, name=one.id) for one in offers}
    return classes, {one.id: one.spec.title for one in offers}
