"""What a run needs before and after: entries, masks, models in place."""

from __future__ import annotations

import comfy.patcher_extension
import torch

from ....models.picture.batches import as_masks, fit_batch, resize_mask
from ...patchers.conds import started


def convert_cond(cond):
    """Pairs of tensor and dict as dicts."""
    return started(cond)


def prepare_mask(noise_mask, shape, device):
    """A mask at the latent's size, once for each item."""
    small = resize_mask(as_masks(noise_mask).float(), shape[-1], shape[-2])
    return fit_batch(small[:, None], shape[0]).expand(-1, shape[1], -1, -1).to(device)


def get_models_from_cond(cond, model_type):
    return [model for entry in cond if model_type in entry for model in entry[model_type].get_models()]


def get_additional_models(conds, dtype):
    """Networks that conditionings bring along."""
    found = [model for entries in conds.values() for model in get_models_from_cond(entries, "control")]
    return list(dict.fromkeys(found)), 0


def cleanup_additional_models(models):
    for model in models:
        if hasattr(model, "cleanup"):
            model.cleanup()


def prepare_sampling(model, noise_shape, conds, model_options=None, force_full_load=False):
    """The model object, the entries and further models. Ours are read where they run."""
    extension = comfy.patcher_extension
    kind = extension.WrappersMP.PREPARE_SAMPLING
    around = extension.get_all_wrappers(kind, model_options or {}, is_model_options=True)
    executor = extension.WrapperExecutor.new_executor(_prepare_sampling, around)
    return executor.execute(model, noise_shape, conds, model_options=model_options)


def _prepare_sampling(model, noise_shape, conds, model_options=None, force_full_load=False):
    models, _ = get_additional_models(conds, model.model_dtype())
    if not model.parts:
        import comfy.model_management

        comfy.model_management.load_models_gpu([model, *models])
    return model.model, conds, models


def cleanup_models(conds, models):
    cleanup_additional_models(models)
    for entries in conds.values():
        for entry in entries:
            if "control" in entry:
                entry["control"].cleanup()


def prepare_model_patcher(model, conds, model_options):
    """The patcher's own wrappers and callbacks, added to the options of the run."""
    inside = model_options.setdefault("transformer_options", {})
    for name in ("wrappers", "callbacks"):
        inside[name] = comfy.patcher_extension.merge_nested_dicts(inside.get(name, {}), getattr(model, name))


def cond_has_hooks(cond):
    return any(said.get("hooks") is not None for _, said in cond)


def get_mask_aabb(masks):
    """Boxes x0 y0 x1 y1 around what masks select: b h w -> (b 4, whether it selects nothing)."""
    boxes = torch.zeros((len(masks), 4), device=masks.device, dtype=torch.int)
    nothing = torch.zeros(len(masks), device=masks.device, dtype=torch.bool)
    for index, mask in enumerate(masks):
        y, x = torch.where(mask != 0)
        nothing[index] = len(y) == 0
        if len(y):
            boxes[index] = torch.stack([x.min(), y.min(), x.max(), y.max()])
    return boxes, nothing
