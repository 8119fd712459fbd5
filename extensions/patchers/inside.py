"""Patches inside the network: the ecosystem's `transformer_options` read as a `Call`, and ours written into one.

`options["patches"]` has lists by place, `options["patches_replace"]["attn1" | "attn2"]` one by block. Every patch is
handed the options of the evaluation it runs in; patches at blocks may write into them for those that come later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import Unsupported
from ...models.layers.attention import attention
from ...models.layers.call import AttentionPatches, Call, Site

if TYPE_CHECKING:
    from torch import Tensor

Options = dict[str, Any]

SITE = "carrara_site"
"""Under which options carry our `Site`, for patches of ours on their way through foreign hands."""
ABOUT = "carrara_inputs"
"""Under which options carry the network's inputs: x, timesteps, context, y."""

OVERRIDDEN = "_inside_attn_wrapper"
"""Told to whoever stands in for attention; an attention that is handed it on asks for no stand-in again."""

LISTS = {
    "input_block_patch": "input_blocks", "input_block_patch_after_skip": "input_skips",
    "output_block_patch": "output_blocks", "middle_block_patch": "middle", "middle_block_after_patch": "after_middle",
    "middle_patch": "between", "emb_patch": "embedding",
}  # fmt: skip
"""The ecosystem's name of a place -> ours."""
ATTENTIONS = ("attn1", "attn2")
LAYERS = "forward_timestep_embed_patch"


@dataclass(frozen=True, eq=False)
class Ours:
    """A patch of ours among foreign ones. Called as they are: tensors, then the options."""

    patch: Callable[..., Any]

    def __call__(self, *given: Any) -> Any:
        *tensors, options = given
        return self.patch(*tensors, options[SITE])


@dataclass(frozen=True, eq=False)
class OurEmbedding(Ours):
    """The same on the time embedding, where the third thing told is a width."""

    def __call__(self, *given: Any) -> Any:
        emb, _, options = given
        return self.patch(emb, options[SITE])


@dataclass(frozen=True, eq=False)
class OurAfterMiddle(Ours):
    """The same where everything comes in one dict and goes out in one."""

    def __call__(self, *given: Any) -> Any:
        (about,) = given
        return {**about, "h": self.patch(about["h"], about["transformer_options"][SITE])}


FORMS: Mapping[str, type[Ours]] = {"emb_patch": OurEmbedding, "middle_block_after_patch": OurAfterMiddle}


def call_of(options: Options) -> Call | None:
    """The patches of these options; None where there are none, which costs nothing in the network."""
    lists: Mapping[str, Iterable[Any]] = options.get("patches", {})
    if lists.get(LAYERS):
        raise Unsupported("patches in the place of single layers", got=LAYERS, remedy="Sample without that node.")
    replaced: Mapping[str, Mapping[Any, Any]] = options.get("patches_replace", {})
    places: dict[str, Any] = {
        ours: tuple(_read(theirs, patch) for patch in lists[theirs])
        for theirs, ours in LISTS.items()
        if lists.get(theirs)
    }
    for name in ATTENTIONS:
        before, after = lists.get(f"{name}_patch", ()), lists.get(f"{name}_output_patch", ())
        at = replaced.get(name, {})
        if before or after or at:
            places[name] = AttentionPatches(
                tuple(_attention(patch) for patch in before),
                {block: _attention(patch) for block, patch in at.items()},
                tuple(_attention(patch) for patch in after),
            )
    override = options.get("optimized_attention_override")
    if override is not None:
        places["attend"] = _attend(override)
    return Call(notes=options, **places) if places else None


def _read(place: str, patch: Any) -> Callable[..., Any]:
    if isinstance(patch, Ours):
        return patch.patch
    return {"emb_patch": _embedding, "middle_block_after_patch": _after_middle, "middle_patch": _attention}.get(
        place, _block
    )(patch)


def _block(patch: Any) -> Callable[..., Any]:
    return lambda *given: patch(*given[:-1], at_block(given[-1]))


def _attention(patch: Any) -> Callable[..., Any]:
    if isinstance(patch, Ours):
        return patch.patch
    return lambda *given: patch(*given[:-1], at_attention(given[-1], given[0]))


def _embedding(patch: Any) -> Callable[[Tensor, Site], Tensor]:
    def changed(emb: Tensor, site: Site) -> Tensor:
        return patch(emb, emb.shape[1] // 4, at_block(site))  # type: ignore[no-any-return]

    return changed


def _after_middle(patch: Any) -> Callable[[Tensor, Site], Tensor]:
    def changed(h: Tensor, site: Site) -> Tensor:
        options = at_block(site)
        about = {"emb": None, **options.get(ABOUT, {}), "h": h, "transformer_options": options}
        return patch(about)["h"]  # type: ignore[no-any-return]

    return changed


def _attend(override: Any) -> Callable[..., Tensor]:
    def usual(
        q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Any = None, attn_precision: Any = None,
        skip_reshape: bool = False, skip_output_reshape: bool = False, **_: Any,
    ) -> Tensor:  # fmt: skip
        return attend(q, k, v, heads, mask, skip_reshape, skip_output_reshape)

    def overridden(q: Tensor, k: Tensor, v: Tensor, heads: int, site: Site) -> Tensor:
        options = at_block(site)
        options["block_index"] = site.depth
        told = {"attn_precision": None, "transformer_options": options, OVERRIDDEN: True}
        return override(usual, q, k, v, heads, **told)  # type: ignore[no-any-return]

    return overridden


def attend(
    q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Tensor | None = None, skip_reshape: bool = False,
    skip_output_reshape: bool = False,
) -> Tensor:  # fmt: skip
    """The ecosystem's attention. q, k, v: b n heads·d, or b heads n d where `skip_reshape`; so is what comes out.

    mask: added to the scores, or boolean; n m, b n m or b heads n m.
    """
    import torch.nn.functional as F

    if mask is None and not skip_reshape and not skip_output_reshape:
        return attention(q, k, v, heads)
    if not skip_reshape:
        q, k, v = (t.view(t.shape[0], t.shape[1], heads, -1).transpose(1, 2) for t in (q, k, v))
    if mask is not None:
        mask = mask[None] if mask.ndim == 2 else mask
        mask = mask[:, None] if mask.ndim == 3 else mask
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out if skip_output_reshape else out.transpose(1, 2).flatten(2)


def at_block(site: Site) -> Options:
    """The options of the evaluation, themselves, saying where it is."""
    options: Options = site.call.notes if site.call.notes is not None else {}
    options[SITE] = site
    if site.part:
        options["block"] = site.block
    return options


def at_attention(site: Site, tokens: Tensor) -> Options:
    """What a patch at attention is told: the options without the patches, and the attention's own shape."""
    options = at_block(site)
    told = {key: value for key, value in options.items() if key not in ("patches", "patches_replace")}
    width = site.heads * site.head_dim
    return told | {
        "block_index": site.depth, "n_heads": site.heads, "dim_head": site.head_dim, "attn_precision": None,
        "activations_shape": [tokens.shape[0], width, *site.size],
    }  # fmt: skip


def written(call: Call | None, options: Options) -> Options:
    """The options with our patches added after theirs; a place of attention goes to the later one."""
    if call is None:
        return options
    lists = {name: list(patches) for name, patches in options.get("patches", {}).items()}
    replaced = {name: dict(at) for name, at in options.get("patches_replace", {}).items()}
    for theirs, ours in LISTS.items():
        for patch in getattr(call, ours):
            lists.setdefault(theirs, []).append(FORMS.get(theirs, Ours)(patch))
    for name in ATTENTIONS:
        patches: AttentionPatches = getattr(call, name)
        for theirs, found in ((f"{name}_patch", patches.before), (f"{name}_output_patch", patches.after)):
            for patch in found:
                lists.setdefault(theirs, []).append(Ours(patch))
        for block, patch in patches.replace.items():
            replaced.setdefault(name, {})[block] = Ours(patch)
    made = dict(options)
    if lists:
        made["patches"] = lists
    if replaced:
        made["patches_replace"] = replaced
    return made


def only_ours(options: Options) -> bool:
    """Whether nothing foreign is in these options."""
    if options.keys() - {"patches", "patches_replace"}:
        return False
    if options.get("patches_replace", {}).keys() - set(ATTENTIONS):
        return False
    found = [patch for patches in options.get("patches", {}).values() for patch in patches]
    found += [patch for at in options.get("patches_replace", {}).values() for patch in at.values()]
    return all(isinstance(patch, Ours) for patch in found)
