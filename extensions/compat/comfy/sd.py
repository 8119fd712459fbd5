"""Loading models, and the objects for text encoders and autoencoders."""

from __future__ import annotations

import logging
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

import comfy.lora
import comfy.sd1_clip
import comfy.utils
from comfy._vae import VAE

from ....errors import BadWeights, InputError, Unsupported
from ....models import checkpoint
from ....models.families import families
from ....models.family import recognise
from ....models.layouts import canonical
from ....models.narrowed import narrowed
from ....models.residency import Residency
from ....nodes import loaders
from ...patchers import texts
from ...patchers.memory import weights_of
from ...patchers.telling import Telling

if TYPE_CHECKING:
    from ...host import Host

HOST: Host
log = logging.getLogger(__name__)


class CLIPType(Enum):
    """The family a text encoder is loaded for."""

    STABLE_DIFFUSION = 1
    STABLE_CASCADE = 2
    SD3 = 3
    STABLE_AUDIO = 4
    HUNYUAN_DIT = 5
    FLUX = 6
    MOCHI = 7
    LTXV = 8
    HUNYUAN_VIDEO = 9
    PIXART = 10
    COSMOS = 11
    LUMINA2 = 12
    WAN = 13
    HIDREAM = 14
    CHROMA = 15
    ACE = 16
    OMNIGEN2 = 17
    QWEN_IMAGE = 18
    HUNYUAN_IMAGE = 19
    HUNYUAN_VIDEO_15 = 20
    OVIS = 21
    KANDINSKY5 = 22
    KANDINSKY5_IMAGE = 23
    NEWBIE = 24
    FLUX2 = 25


class CLIP(Telling):
    """A text encoder. `layer_idx`: -1 the last layer, -2 the one before, ...; None: the model's own."""

    known_as = "comfy.sd.CLIP"
    handle = None

    def __init__(
        self, target=None, embedding_directory=None, no_init=False, tokenizer_data=None, parameters=0,
        state_dict=None, model_options=None,
    ):  # fmt: skip
        self.layer_idx = None
        self.use_clip_schedule = False
        self.apply_hooks_to_conds = None
        self.tokenizer_options = {}
        if not no_init:
            raise Unsupported("a text encoder from a pack's own classes", got=type(target).__name__)

    def clone(self):
        made = self.__class__(no_init=True)
        made.handle, made.patcher = self.handle, self.patcher.clone()
        made.cond_stage_model, made.tokenizer = self.cond_stage_model, self.tokenizer
        made.layer_idx, made.use_clip_schedule = self.layer_idx, self.use_clip_schedule
        made.apply_hooks_to_conds = self.apply_hooks_to_conds
        made.tokenizer_options = dict(self.tokenizer_options)
        return made

    def get_ram_usage(self):
        return self.patcher.model_size()

    def add_patches(self, patches, strength_patch=1.0, strength_model=1.0):
        return self.patcher.add_patches(patches, strength_patch, strength_model)

    def get_key_patches(self):
        return self.patcher.get_key_patches()

    def set_tokenizer_option(self, option_name, value):
        self.tokenizer_options[option_name] = value

    def clip_layer(self, layer_idx):
        self.layer_idx = layer_idx

    def load_model(self, *args, **kwargs):
        return self.patcher

    def get_sd(self):
        return self.cond_stage_model.state_dict()

    def load_sd(self, sd, full_model=False):
        raise Unsupported("other weights in a text encoder that is there already", remedy="Load it from a file.")

    # --- the work -----------------------------------------------------------------------------------------

    def tokenize(self, text, return_word_ids=False, **kwargs):
        return self.tokenizer.tokenize_with_weights(text, return_word_ids, **kwargs)

    def encode_from_tokens(self, tokens, return_pooled=False, return_dict=False):
        clip = texts.inward(HOST, self)
        cond, pooled = texts.states_of(HOST, clip, tokens, self.layer_idx)
        if return_dict:
            return {"cond": cond, "pooled_output": pooled}
        return (cond, pooled) if return_pooled else cond

    def encode_from_tokens_scheduled(self, tokens, unprojected=False, add_dict=None, show_pbar=True):
        cond, pooled = self.encode_from_tokens(tokens, return_pooled=True)
        return [[cond, self.add_hooks_to_dict({"pooled_output": pooled, **(add_dict or {})})]]

    def encode(self, text):
        return self.encode_from_tokens(self.tokenize(text))

    def add_hooks_to_dict(self, pooled_dict):
        if self.apply_hooks_to_conds:
            pooled_dict["hooks"] = self.apply_hooks_to_conds
        return pooled_dict


# --- LoRA ------------------------------------------------------------------------------------------------


def load_lora_for_models(model, clip, lora, strength_model, strength_clip):
    """Clones of both, changed by a file's tensors. Either may be None."""
    names = {}
    if model is not None:
        names = comfy.lora.model_lora_keys_unet(model.model, names)
    if clip is not None:
        names = comfy.lora.model_lora_keys_clip(clip.cond_stage_model, names)
    changes = comfy.lora.load_lora(lora, names)
    taken = set()
    made = []
    for target, strength in ((model, strength_model), (clip, strength_clip)):
        copy = None if target is None else target.clone()
        if copy is not None:
            taken.update(copy.add_patches(changes, strength))
        made.append(copy)
    for key in changes:
        if key not in taken:
            log.warning("not loaded: %s", key)
    return tuple(made)


# --- loading ---------------------------------------------------------------------------------------------


def _given(loaded, output_vae=True, output_clip=True, output_model=True):
    """The ecosystem's four objects; None for what was not asked for or is not there."""
    out = HOST.border.outward
    model = out(loaders.model_of(loaded)) if output_model else None
    clip = out(loaders.clip_of(loaded)) if output_clip and loaded.text else None
    vae = VAE(handle=loaders.Vae(loaded.vae, loaded.latent)) if output_vae and loaded.vae is not None else None
    return model, clip, vae, None


def _kept(loaded, model_options):
    """The same with the network in the number format that the options name for its weights.

    It is also computed in, where the device can; a processor computes in what the engine chose.
    """
    options = model_options or {}
    wanted = options.get("dtype") or options.get("weight_dtype")
    if wanted is None or loaded.unet is None:
        return loaded
    name = str(wanted).removeprefix("torch.")
    runs_in = name if wanted.itemsize > 1 and HOST.services[Residency].device.type != "cpu" else loaded.unet.runs_in
    return replace(loaded, unet=replace(narrowed(loaded.unet, name), runs_in=runs_in))


def load_checkpoint_guess_config(
    ckpt_path, output_vae=True, output_clip=True, output_clipvision=False, embedding_directory=None,
    output_model=True, model_options=None, te_model_options=None, disable_dynamic=False,
):  # fmt: skip
    """(model, clip, vae, clip vision) of a file."""
    loaded = checkpoint.load_checkpoint(ckpt_path)
    return _given(_kept(loaded, model_options), output_vae, output_clip, output_model)


def load_checkpoint(
    config_path=None, ckpt_path=None, output_vae=True, output_clip=True, embedding_directory=None, state_dict=None,
    config=None,
):  # fmt: skip
    """The configuration is read off the weights."""
    return load_checkpoint_guess_config(ckpt_path, output_vae, output_clip)[:3]


def load_state_dict_guess_config(
    sd, output_vae=True, output_clip=True, output_clipvision=False, embedding_directory=None, output_model=True,
    model_options=None, te_model_options=None, metadata=None, disable_dynamic=False,
):  # fmt: skip
    """The same from tensors in memory."""
    weights = canonical(weights_of(sd, metadata))
    loaded = checkpoint.assemble(weights, recognise(weights, families()))
    return _given(_kept(loaded, model_options), output_vae, output_clip, output_model)


def load_diffusion_model_state_dict(sd, model_options=None, metadata=None, disable_dynamic=False):
    """A model from the tensors of a denoising network alone."""
    weights = canonical(weights_of(sd, metadata))
    try:
        loaded = checkpoint.assemble(weights, recognise(weights, families()))
    except BadWeights:
        return None
    return HOST.border.outward(loaders.model_of(_kept(loaded, model_options)))


def load_diffusion_model(unet_path, model_options=None, disable_dynamic=False):
    """A denoising network alone."""
    return HOST.border.outward(loaders.model_of(_kept(checkpoint.load_unet(unet_path), model_options)))


def load_unet(unet_path, dtype=None):
    return load_diffusion_model(unet_path, {"dtype": dtype})


def load_unet_state_dict(sd, dtype=None):
    return load_diffusion_model_state_dict(sd, {"dtype": dtype})


def load_clip(
    ckpt_paths, embedding_directory=None, clip_type=CLIPType.STABLE_DIFFUSION, model_options=None,
    disable_dynamic=False,
):  # fmt: skip
    """A text encoder from its file."""
    if len(ckpt_paths) != 1 or clip_type is not CLIPType.STABLE_DIFFUSION:
        raise Unsupported(f"text encoders of {clip_type.name}", got=len(ckpt_paths), expected="one of STABLE_DIFFUSION")
    return HOST.border.outward(loaders.clip_of(checkpoint.load_text(ckpt_paths[0])))


def load_text_encoder_state_dicts(
    state_dicts=(), embedding_directory=None, clip_type=CLIPType.STABLE_DIFFUSION, model_options=None,
    disable_dynamic=False,
):  # fmt: skip
    """The same from tensors in memory."""
    if len(state_dicts) != 1 or clip_type is not CLIPType.STABLE_DIFFUSION:
        kind = clip_type.name
        raise Unsupported(f"text encoders of {kind}", got=len(state_dicts), expected="one of STABLE_DIFFUSION")
    weights = canonical(weights_of(state_dicts[0]))
    family = families()[0]
    found = tuple(part.blueprint(weights) for part in family.text)
    if None in found:
        raise InputError("these tensors are no text encoder in a known layout", got=", ".join(list(state_dicts[0])[:3]))
    return HOST.border.outward(loaders.clip_of(checkpoint.Loaded(weights, family.latent, text=found)))


def save_checkpoint(output_path, model, clip=None, vae=None, clip_vision=None, metadata=None, extra_keys=None):
    """One file with all parts, patches merged in."""
    texts = None if clip is None else clip.patcher.merged()
    tensors = dict(extra_keys or {})
    tensors |= model.state_dict_for_saving(texts, None if vae is None else vae.get_sd())
    tensors = {key: value.detach().contiguous().cpu() for key, value in tensors.items()}
    comfy.utils.save_torch_file(tensors, output_path, metadata=metadata)


def model_detection_error_hint(path, state_dict):
    return ""
