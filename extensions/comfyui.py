"""This package as a node pack of ComfyUI: which of our nodes it offers there, under which names, and between which
sockets.

Every node is offered. Those that take a model only to choose noise levels,
samplers or guidance work on the host's models and on ours. Those that read weights, texts or pictures with our own
networks, or reach into one, work on what our own loaders give, under sockets of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..executor.spec import NodeSpec, spec_of
from ..nodes.catalog import PREFIX, catalogue, outside
from .classes import Around, classic_class
from .inside.around import Inside, told
from .inside.growth import KEPT, AsItIs, Gathered, graph_of, in_one_piece
from .inside.rows import inside_border
from .inside.sockets import ANYTHING, laid_out, with_sockets

EITHER = {**ANYTHING, "MODEL": "MODEL,CARRARA_MODEL"}
OURS = ("MODEL", "CLIP", "VAE", "CONTROL_NET", "UPSCALE_MODEL", "CLIP_VISION", "CLIP_VISION_OUTPUT")
OWN = {**ANYTHING, **{kind: f"CARRARA_{kind}" for kind in OURS}}
NETWORKS = frozenset(
    {
        "attention", "controlnet", "loaders", "lora", "merging", "merging_parts", "model_sampling", "reuse",
        "skip_layers", "unet_denoise", "unet_patches", "vae",
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
    """One of our nodes as a host sees it. spec: with the host's sockets; works: what it works on.

    sockets: the host's names of ours, where they differ.
    """

    id: str
    spec: NodeSpec
    works: str
    sockets: Mapping[str, str]


def offered() -> tuple[Offer, ...]:
    """Everything that is offered to a host, in the catalogue's order."""
    from .inside.bridge import vae_for_other_nodes
    from .inside.workflow import run_workflow

    specs = [spec_of(run_workflow), *catalogue().specs()]
    bridge = spec_of(vae_for_other_nodes)
    return (
        *map(_offer, specs),
        Offer(outside(bridge.id), _named(bridge, ANYTHING), "Carrara's own models", ANYTHING),
    )


def _offer(spec: NodeSpec) -> Offer:
    types = {port.type for port in spec.plain} | {port.type for port in spec.outputs}
    home = spec.module.rpartition(".")[2]
    works, sockets = "any values", ANYTHING
    if types & {*OURS} - {"MODEL"} or ("MODEL" in types and (home in NETWORKS or spec.id in LOOKS)):
        works, sockets = "Carrara's own models", OWN
    elif "MODEL" in types:
        works, sockets = "the host's models, and Carrara's own", EITHER
    return Offer(outside(spec.id), _named(spec, sockets), works, sockets)


def category(spec: NodeSpec) -> str:
    """The menu of the host that a node stands in."""
    return f"{PREFIX}/{spec.category.strip('_') or 'other'}"


def _named(spec: NodeSpec, sockets: Mapping[str, str]) -> NodeSpec:
    return replace(with_sockets(spec, sockets), title=f"{spec.title} (Carrara)")


def mappings(make: Callable[..., Any]) -> tuple[dict[str, type], dict[str, str]]:
    """Classes and display names by id, as a host wants them. make: an engine, from keyword arguments."""
    world = Inside(make)
    around = Around(
        inside_border(), lambda: world, world.context, told, category=category, graph=graph_of, grown=in_one_piece,
        rename=lambda id: str(id) if isinstance(id, AsItIs) else outside(id), kept=KEPT,
    )  # fmt: skip
    offers = offered()
    laid = {id(one): replace(around, lay_out=partial(laid_out, sockets=one)) for one in (ANYTHING, EITHER, OWN)}
    classes = {one.id: classic_class(one.spec, laid[id(one.sockets)], name=one.id) for one in offers}
    titles = {one.id: one.spec.title for one in offers}
    return {**classes, Gathered.ID: Gathered}, {**titles, Gathered.ID: Gathered.TITLE}
