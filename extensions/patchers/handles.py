"""From a `Model` of ours to a patcher, and back.

A patcher nobody touched is the model it was made from. A touched one becomes that model, steered: the same handle with
a copy of the patcher, so that nodes of ours may change it further, and it goes out again with both.
"""

from __future__ import annotations

import uuid
from collections.abc import MutableMapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from ...errors import Unsupported
from ...models.blueprint import Blueprint, LatentFormat
from ...models.handles import Model
from ...models.layers.call import AttentionPatches, Call
from ...models.weights import Weights
from ...samplers.guides import Guiding, Plain
from .guiding import CFG, OurMasking, guided
from .inside import written
from .network import INSIDE
from .options import signature
from .sampling import sampling_of
from .weights import TheirPatch, entries_of

if TYPE_CHECKING:
    from types import ModuleType

    import torch

    from ..host import Host

SAMPLING = "model_sampling"
FORMAT = "manual_cast_dtype"
"""Where packs say in which number format a network shall run."""


def outward(host: Host, model: Model) -> Any:
    """The patcher of a model."""
    from .runs import Steered

    if isinstance(model.steered, Steered):
        return again(host, model, model.steered)
    module = host.modules.load("comfy.model_patcher")
    made = new(host, module, model)
    made.model_options = guided({"transformer_options": written(model.call, {})}, model.guiding, model.looks)
    _masking(host, made, model)
    remember(made, model)
    return made


def new(host: Host, module: ModuleType, model: Model) -> Any:
    """A patcher with the model's own weights and levels, and no hooks."""
    from ...models.residency import Residency

    place: torch.device = host.services[Residency].device
    rest = host.modules.load("comfy.model_management").unet_offload_device()
    made = module.ModelPatcher(view_of(host, module.VIEWS, model), place, rest)
    settle(host, made, model)
    return made


def settle(host: Host, patcher: Any, model: Model) -> None:
    """Give the patcher the model's weights and levels."""
    patcher.given = model.but(steered=None)
    patcher.parts = ((INSIDE, model.unet),)
    patcher.patches = entries_of(model.unet, INSIDE)
    patcher.patches_uuid = patcher.weights_uuid = uuid.uuid5(uuid.NAMESPACE_OID, repr(model.unet.content))
    patcher.object_patches.pop(SAMPLING, None)
    if model.sampling is not patcher.model.handle.sampling:
        patcher.object_patches[SAMPLING] = host.modules.load("comfy.model_sampling").of_sampling(model.sampling)


def view_of(host: Host, views: MutableMapping[Any, Any], model: Model) -> Any:
    """The model object of a network: one for each, whatever patches handles have."""
    key = model.unet.config, model.unet.weights.content
    found = views.get(key)
    if found is None:
        bare = replace(model.unet, patches=())
        handle = Model(bare, model.latent, model.sampling, Guiding())
        found = views[key] = host.modules.load("comfy.model_base").BaseModel.of_handle(handle)
    return found


def remember(patcher: Any, model: Model) -> None:
    """As it is now, the patcher is the model."""
    patcher.first = model, _state(patcher)


def _state(patcher: Any) -> Any:
    stores = patcher.object_patches, patcher.stores, patcher.model_options
    return patcher.patches_uuid, *(signature(store, _name) for store in stores)


def _name(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str | tuple | None) else id(value)


def inward(host: Host, patcher: Any) -> Any:
    """The model of a patcher; a patcher of a pack's own module that is no denoiser stays what it is."""
    from .runs import Steered

    if patcher.given is None:
        return own(host, patcher) if hasattr(patcher.model, "model_sampling") else patcher
    if patcher.first is not None:
        model, state = patcher.first
        if state == _state(patcher) and not getattr(patcher.model, "reached", False):
            return model
    kept = patcher.copy()
    sampling = effective(host, kept).sampling
    return patcher.given.but(steered=Steered(host, kept, sampling), sampling=sampling)


def own(host: Host, patcher: Any) -> Model:
    """A model whose network is a pack's own. It can be sampled and guided; its weights are the pack's business."""
    from .runs import Steered

    kept = patcher.copy()
    form = kept.get_model_object("latent_format")
    scale, shift = getattr(form, "scale_factor", 1.0), getattr(form, "shift_factor", 0.0)
    plain = isinstance(scale, int | float) and isinstance(shift, int | float)
    latent = LatentFormat(form.latent_channels, scale if plain else 1.0, shift if plain else 0.0)
    sampling = sampling_of(kept.get_model_object(SAMPLING), host.modules.load("comfy.model_sampling").CONST)
    nothing = Blueprint("unet", _nobody, None, Weights({}))
    kept.given = Model(nothing, latent, sampling, Guiding())
    return kept.given.but(steered=Steered(host, kept, sampling))  # type: ignore[no-any-return]


def _nobody(*_: Any, **__: Any) -> Any:
    raise Unsupported("a network of a pack's own outside of a run", remedy="Use the pack's own nodes for that.")


def again(host: Host, model: Model, steered: Any) -> Any:
    """The patcher of a steered model, with what nodes of ours have changed since."""
    made = steered.patcher.copy()
    old: Model = made.given
    _weights(host, made, old, model)
    if model.sampling is not steered.sampling:
        made.object_patches[SAMPLING] = host.modules.load("comfy.model_sampling").of_sampling(model.sampling)
    inside = written(_more_patches(old.call, model.call), made.model_options.get("transformer_options", {}))
    made.model_options = {**made.model_options, "transformer_options": inside}
    guiding, now = old.guiding, model.guiding
    replaced = now.combine is not guiding.combine
    before, after = now.before[len(guiding.before) :], now.after[len(guiding.after) :]
    more = Guiding(before, now.combine if replaced else Plain(), after, now.both)
    if replaced:
        made.model_options.pop(CFG, None)
    made.model_options = guided(made.model_options, more, model.looks[len(old.looks) :])
    if model.masking is not old.masking:
        _masking(host, made, model)
    made.given = model.but(steered=None)
    if made.parts:
        made.parts = ((INSIDE, model.unet),)
    remember(made, model)
    return made


def _masking(host: Host, patcher: Any, model: Model) -> None:
    if model.masking is not None:
        masking = OurMasking(model.masking, host.modules.load("comfy.model_sampling").CONST)
        patcher.set_model_denoise_mask_function(masking)


def _weights(host: Host, patcher: Any, old: Model, model: Model) -> None:
    """What became of the weights in nodes of ours, added to what foreign ones did."""
    if model.unet is old.unet:
        return
    if not patcher.parts:
        raise Unsupported("changes of the weights of a pack's own network", remedy="Use the pack's own nodes for that.")
    same = model.unet.weights.content == old.unet.weights.content
    count = len(old.unet.patches)
    if not same or model.unet.patches[:count] != old.unet.patches:
        patcher.model = view_of(host, host.modules.load("comfy.model_patcher").VIEWS, model)
        settle(host, patcher, model)
        return
    untouched = patcher.patches_uuid == patcher.weights_uuid
    for key, entries in entries_of(replace(model.unet, patches=model.unet.patches[count:]), INSIDE).items():
        patcher.patches.setdefault(key, []).extend(entries)
    patcher.patches_uuid = uuid.uuid5(patcher.patches_uuid, repr(model.unet.content))
    if untouched:
        patcher.weights_uuid = patcher.patches_uuid


def _more_patches(old: Call | None, now: Call | None) -> Call | None:
    """The patches of `now` that `old` has not."""
    if now is None or old is None or now is old:
        return None if now is old else now
    changes: dict[str, Any] = {}
    for field in fields(Call):
        mine, theirs = getattr(now, field.name), getattr(old, field.name)
        if isinstance(mine, AttentionPatches):
            changes[field.name] = AttentionPatches(
                mine.before[len(theirs.before) :],
                {at: patch for at, patch in mine.replace.items() if theirs.replace.get(at) is not patch},
                mine.after[len(theirs.after) :],
            )
        elif isinstance(mine, tuple) and field.name not in ("rows", "shape"):
            changes[field.name] = mine[len(theirs) :]
    return replace(now, **changes)


def effective(host: Host, patcher: Any) -> Model:
    """The handle with all that changes weights and levels; hooks are not told."""
    sampling, wanted = (patcher.object_patches.get(name) for name in (SAMPLING, FORMAT))
    key = patcher.patches_uuid, id(sampling), wanted
    if patcher.made is not None and patcher.made[0] == key:
        return patcher.made[1]  # type: ignore[no-any-return]
    given: Model = patcher.given
    unet = changed(host, patcher, INSIDE, given.unet)
    if wanted is not None:
        unet = replace(unet, runs_in=str(wanted).removeprefix("torch."))
    straight = host.modules.load("comfy.model_sampling").CONST
    levels = patcher.model.handle.sampling if sampling is None else sampling_of(sampling, straight)
    model = Model(unet, given.latent, levels, Guiding())
    patcher.made = key, model
    return model


def changed(host: Host, patcher: Any, prefix: str, blueprint: Blueprint) -> Blueprint:
    """A network with the patcher's changes of its weights."""
    if patcher.patches_uuid == patcher.weights_uuid:
        return blueprint
    deltas = {
        name.removeprefix(prefix): list(entries)
        for name, entries in patcher.patches.items()
        if name.startswith(prefix)
    }
    lora = host.modules.load("comfy.lora")
    patch = TheirPatch(deltas, prefix, str(patcher.patches_uuid), lambda: lora.calculate_weight)
    return replace(blueprint, patches=(patch,) if deltas else ())  # type: ignore[arg-type]


def size_of(host: Host, patcher: Any) -> int:
    """Bytes of the weights, as they are kept."""
    if not patcher.parts:
        return sum(value.nelement() * value.element_size() for value in patcher.model.state_dict().values())
    from ...models.materialise import weight_bytes
    from ...models.residency import Residency

    residency: Residency = host.services[Residency]
    return sum(weight_bytes(blueprint, residency.format(blueprint)) for _, blueprint in patcher.parts)
