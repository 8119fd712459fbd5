"""`nodes`: the reference's own node classes, made from ours, and the tables of all classes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import comfy.model_management
import comfy.utils
import folder_paths
import torch
from _core_classes import MODULES as _MODULES
from _core_classes import NODE_CLASS_MAPPINGS
from _core_classes import NODE_DISPLAY_NAME_MAPPINGS as NODE_DISPLAY_NAME_MAPPINGS
from comfy.cli_args import args

from ...errors import PathEscape
from ...nodes.store import Files

MAX_RESOLUTION = 16384
EXTENSION_WEB_DIRS: dict[str, str] = {}
"""Pack -> folder of scripts for the editor, beside those that packs say themselves."""
LOADED_MODULE_DIRS: dict[str, str] = {}


def _replace(made: type) -> None:
    """Let a class written here stand for the one made from the catalogue."""
    NODE_CLASS_MAPPINGS[made.__name__] = _MODULES["nodes"][made.__name__] = made


def before_node_execution() -> None:
    """Raises InterruptProcessingException when the run was stopped."""
    comfy.model_management.throw_exception_if_processing_interrupted()


def interrupt_processing(value: bool = True) -> None:
    comfy.model_management.interrupt_current_processing(value)


def get_module_name(module_path: str) -> str:
    """What a pack is called: its folder, or its file without suffix."""
    path = Path(module_path)
    return path.stem if path.suffix == ".py" else path.name


def common_ksampler(
    model: Any,
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Any,
    negative: Any,
    latent: Mapping[str, Any],
    denoise: float = 1.0,
    disable_noise: bool = False,
    start_step: int | None = None,
    last_step: int | None = None,
    force_full_denoise: bool = False,
) -> tuple[dict[str, Any]]:
    """Sample a latent dict. Goes through `comfy.sample`, so that what packs put there takes effect."""
    import comfy.sample
    import latent_preview

    samples = comfy.sample.fix_empty_latent_channels(model, latent["samples"])
    if disable_noise:
        noise = torch.zeros(samples.size(), dtype=samples.dtype, layout=samples.layout, device="cpu")
    else:
        noise = comfy.sample.prepare_noise(samples, seed, latent.get("batch_index"))
    made = comfy.sample.sample(
        model,
        noise,
        steps,
        cfg,
        sampler_name,
        scheduler,
        positive,
        negative,
        samples,
        denoise=denoise,
        disable_noise=disable_noise,
        start_step=start_step,
        last_step=last_step,
        force_full_denoise=force_full_denoise,
        noise_mask=latent.get("noise_mask"),
        callback=latent_preview.prepare_callback(model, steps),
        disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
        seed=seed,
    )
    return ({**latent, "samples": made},)


_saver, _viewer = _MODULES["nodes"]["SaveImage"], _MODULES["nodes"]["PreviewImage"]


class KSampler(_MODULES["nodes"]["KSampler"]):  # type: ignore[misc]
    """Sampling from full or partial noise."""

    def sample(
        self,
        model: Any,
        seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        positive: Any,
        negative: Any,
        latent_image: Any,
        denoise: float = 1.0,
    ) -> tuple[dict[str, Any]]:
        return common_ksampler(
            model, seed, steps, cfg, sampler_name, scheduler, positive, negative, latent_image, denoise=denoise
        )


class KSamplerAdvanced(_MODULES["nodes"]["KSamplerAdvanced"]):  # type: ignore[misc]
    """Sampling of some of the steps."""

    def sample(
        self,
        model: Any,
        add_noise: str,
        noise_seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        positive: Any,
        negative: Any,
        latent_image: Any,
        start_at_step: int,
        end_at_step: int,
        return_with_leftover_noise: str,
        denoise: float = 1.0,
    ) -> tuple[dict[str, Any]]:
        return common_ksampler(
            model,
            noise_seed,
            steps,
            cfg,
            sampler_name,
            scheduler,
            positive,
            negative,
            latent_image,
            denoise=denoise,
            disable_noise=add_noise == "disable",
            start_step=start_at_step,
            last_step=end_at_step,
            force_full_denoise=return_with_leftover_noise != "enable",
        )


def _told(made: type) -> dict[str, Any]:
    """What a class that saves pictures takes: of the run only what goes into the files."""
    hidden = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}
    return {"required": made.INPUT_TYPES()["required"], "hidden": hidden}  # type: ignore[attr-defined]


class SaveImage(_MODULES["nodes"]["SaveImage"]):  # type: ignore[misc]
    """Pictures as PNG files. Subclasses change the four attributes."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return _told(_saver)

    def __init__(self) -> None:
        self.output_dir = folder_paths.get_output_directory()
        self.type = "output"
        self.prefix_append = ""
        self.compress_level = 4

    def save_images(
        self,
        images: Any,
        filename_prefix: str = "ComfyUI",
        prompt: Any = None,
        extra_pnginfo: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        import json

        from ...models.picture.codec import png

        texts: dict[str, str] = {}
        if not args.disable_metadata:
            known = {**({} if prompt is None else {"prompt": prompt}), **(extra_pnginfo or {})}
            texts = {key: json.dumps(value) for key, value in known.items()}
        root = Path(self.output_dir)
        files = Files(root, root, root)
        slot = files.slot(filename_prefix + self.prefix_append, images[0].shape[1], images[0].shape[0])
        shown, counter = [], slot.counter
        for index, picture in enumerate(images):
            saved = files.save(slot, counter, "png", png(picture, texts, self.compress_level), index)
            shown.append({**saved.shown(), "type": self.type})
            counter = saved.counter + 1
        return {"ui": {"images": shown}}


class PreviewImage(SaveImage):
    """Pictures to look at."""

    CATEGORY, DESCRIPTION = "image", "Show pictures."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return _told(_viewer)

    def __init__(self) -> None:
        self.output_dir = folder_paths.get_temp_directory()
        self.type = "temp"
        self.prefix_append = "_temp_" + "".join(random.choice(ascii_lowercase) for _ in range(5))
        self.compress_level = 1


class LoadImage(_MODULES["nodes"]["LoadImage"]):  # type: ignore[misc]
    """Pictures out of the input folder. The hooks take the name by position too."""

    def load_image(self, image: str) -> tuple[Any, Any]:
        """A name, or a whole path that lies in one of the three folders. Raises PathEscape, InputError."""
        from ...models.picture.codec import read_frames

        path = folder_paths.get_annotated_filepath(image)
        roots = [folder_paths.get_directory_by_type(kind) for kind in ("input", "output", "temp")]
        if not any(folder_paths.is_within_directory(path, root) for root in roots):
            raise PathEscape("a file name leads outside its folder", got=image, remedy=f"Put the file into {roots[0]}.")
        return read_frames(Path(path))

    @classmethod
    def IS_CHANGED(cls, image: str) -> Any:
        return super().IS_CHANGED(image=image)

    @classmethod
    def VALIDATE_INPUTS(cls, image: str) -> bool | str:
        return super().VALIDATE_INPUTS(image=image)  # type: ignore[no-any-return]


class LoraLoader(_MODULES["nodes"]["LoraLoader"]):  # type: ignore[misc]
    """Files are kept by the engine; the attribute is there for those that look. Model or text encoder may be None."""

    loaded_lora: Any = None

    def load_lora(
        self, model: Any, clip: Any, lora_name: str, strength_model: float, strength_clip: float
    ) -> tuple[Any, Any]:
        if model is not None and clip is not None:
            return super().load_lora(model, clip, lora_name, strength_model, strength_clip)  # type: ignore[no-any-return]
        if not strength_model and not strength_clip:
            return model, clip
        import comfy.sd  # which imports classes from here

        tensors = comfy.utils.load_torch_file(folder_paths.get_full_path_or_raise("loras", lora_name), safe_load=True)
        return comfy.sd.load_lora_for_models(model, clip, tensors, strength_model, strength_clip)


class VAELoader(_MODULES["nodes"]["VAELoader"]):  # type: ignore[misc]
    """Autoencoders by file, or by the pair of files that make a tiny one."""

    @staticmethod
    def vae_list(s: Any = None) -> list[str]:
        """The names it takes."""
        return list(VAELoader.INPUT_TYPES()["required"]["vae_name"][0])


class EmptyLatentImage(_MODULES["nodes"]["EmptyLatentImage"]):  # type: ignore[misc]
    """Zeros where latents lie between nodes."""

    device = torch.device("cpu")


for _made in (KSampler, KSamplerAdvanced, SaveImage, PreviewImage, LoadImage, LoraLoader, VAELoader, EmptyLatentImage):
    _replace(_made)
globals().update(_MODULES["nodes"])

import comfy_extras.nodes_model_merging  # noqa: E402  # stands in the tables too
import comfy_extras.nodes_upscale_model  # noqa: E402, F401  # stands in the tables too
