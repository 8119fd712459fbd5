"""Pictures from files and to files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from ..executor.spec import Choices, Context, Extra, Hidden, Out, Range, Services, Shown, Text, Upload, node
from ..models.values import Image, Mask
from .store import Files, Saved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

SAVED_LEVEL = 4
SHOWN_LEVEL = 1
"""zlib levels: what stays, and what is looked at once."""
Prompt = Annotated[dict | None, Hidden("PROMPT")]
PngInfo = Annotated[dict | None, Hidden("EXTRA_PNGINFO")]
_WEBP_METHODS = {"default": 4, "fastest": 0, "slowest": 6}
_EXIF_PROMPT, _EXIF_WORKFLOW = 0x0110, 0x010F
_LONGEST_KEY = 79


class Loaded(NamedTuple):
    """Colours, and where the picture is transparent."""

    image: Annotated[Image, Out("IMAGE")]
    mask: Annotated[Mask, Out("MASK")]


def _content(image: str, ctx: Context) -> str:
    return ctx.service(Files).fingerprint(image)


def destination(ctx: Context) -> str:
    """What a saver depends on beside its inputs: the folder. Files in another folder are not its result."""
    return str(ctx.service(Files).output_dir)


def faults(services: Services, what: str, find: Callable[[Files], str | None]) -> dict[str, str]:
    """{input: what is wrong with it}, if there are folders to look into."""
    files = services.get(Files)
    fault = None if files is None else find(files)
    return {} if fault is None else {what: fault}


def outside(filename_prefix: str | None, services: Services) -> dict[str, str]:
    """A saver's check, before anything runs, that its prefix stays in the output folder."""
    return faults(services, "filename_prefix", lambda files: files.prefix_fault(filename_prefix))


def _missing(image: str | None, services: Services) -> dict[str, str]:
    return faults(services, "image", lambda files: files.fault(image))


InputPicture = Annotated[str, Choices.input_images(), Upload("image")]


@node("LoadImage", category="image", title="Load Image", reads=_content, validate=_missing)
def load_image(image: InputPicture, ctx: Context) -> Loaded:
    """Read a picture file; several frames make a batch. The mask is 1 where the picture is transparent."""
    from ..models.picture.codec import read_frames

    return Loaded(*read_frames(ctx.service(Files).find(image)))


@node("LoadImageMask", category="mask", title="Load Image (as Mask)", reads=_content, validate=_missing)
def load_image_mask(
    image: InputPicture, channel: Annotated[str, Choices(("alpha", "red", "green", "blue"))], ctx: Context
) -> Mask:
    """Read one channel of a picture file as a mask; alpha is inverted."""
    from ..models.picture.codec import read_channel

    return read_channel(ctx.service(Files).find(image), channel)


_OUTPUT_FOLDER = {
    "image_folder": "output",
    "remote": {"route": "/internal/files/output", "refresh_button": True, "control_after_refresh": "first"},
}


@node(
    "LoadImageOutput",
    category="image",
    title="Load Image (from Outputs)",
    experimental=True,
    reads=_content,
    validate=_missing,
)
def load_image_output(
    image: Annotated[str, Choices.of_kind("output_images", open=True), Upload("image"), Extra(_OUTPUT_FOLDER)],
    ctx: Context,
) -> Loaded:
    """Read a picture that an earlier run saved."""
    return load_image(image, ctx)


@node("SaveImage", category="image", title="Save Image", output=True, reads=destination, validate=outside)
def save_image(
    images: Annotated[Image, "What to save."],
    filename_prefix: Annotated[str, "May hold a sub-folder and tokens such as %year%."] = "ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: PngInfo = None,
    *,
    ctx: Context,
) -> Shown:
    """Save pictures as PNG files that carry the workflow."""
    return _save_pngs(images, filename_prefix, "output", SAVED_LEVEL, extra_pnginfo, ctx)


@node("PreviewImage", category="image", title="Preview Image", output=True)
def preview_image(images: Image, prompt: Prompt = None, extra_pnginfo: PngInfo = None, *, ctx: Context) -> Shown:
    """Show pictures; the files lie in the temp folder."""
    prefix = f"ComfyUI_temp_{ctx.service(Files).session}"
    return _save_pngs(images, prefix, "temp", SHOWN_LEVEL, extra_pnginfo, ctx)


class CompareView:
    """The editor's slider between two pictures."""

    socket = "IMAGECOMPARE"


@node("ImageCompare", category="image", title="Image Compare", output=True, own=True, experimental=True)
def image_compare(
    image_a: Image | None = None,
    image_b: Image | None = None,
    compare_view: Annotated[CompareView | None, "Kept by the editor."] = None,
    extra_pnginfo: PngInfo = None,
    *,
    ctx: Context,
) -> Shown:
    """Show two pictures under a slider; the files lie in the temp folder."""
    del compare_view
    shown: dict[str, Any] = {"a_images": (), "b_images": ()}
    files: tuple[str, ...] = ()
    for side, images in (("a", image_a), ("b", image_b)):
        if images is not None and len(images):
            prefix = f"comfy.compare.{side}_{ctx.service(Files).session}"
            saved = _save_pngs(images, prefix, "temp", SHOWN_LEVEL, extra_pnginfo, ctx)
            shown[f"{side}_images"], files = saved.ui["images"], (*files, *saved.files)
    return Shown(ui=shown, files=files)


@node("MaskPreview", category="mask", title="Preview Mask", output=True)
def mask_preview(mask: Mask, prompt: Prompt = None, extra_pnginfo: PngInfo = None, *, ctx: Context) -> Shown:
    """Show masks as grey pictures."""
    from ..models.picture.batches import as_masks

    return preview_image(as_masks(mask)[..., None].expand(-1, -1, -1, 3), None, extra_pnginfo, ctx=ctx)


@node("SaveAnimatedWEBP", category="image/animation", output=True, reads=destination, validate=outside)
def save_animated_webp(
    images: Image,
    filename_prefix: Annotated[str, Text()] = "ComfyUI",
    fps: Annotated[float, Range(0.01, 1000.0, step=0.01)] = 6.0,
    lossless: bool = True,
    quality: Annotated[int, Range(0, 100)] = 80,
    *,
    method: Annotated[str, Choices(tuple(_WEBP_METHODS))],
    prompt: Prompt = None,
    extra_pnginfo: PngInfo = None,
    ctx: Context,
) -> Shown:
    """Save a batch of pictures as one animated WebP."""
    from ..models.picture.codec import animated_webp

    texts = workflow_texts(ctx, extra_pnginfo)
    others = (key for key in texts if key not in ("prompt", "workflow"))
    tags = {"prompt": _EXIF_PROMPT, "workflow": _EXIF_WORKFLOW}
    tags |= {key: _EXIF_WORKFLOW - place for place, key in enumerate(others, 1)}
    exif = {tags[key]: f"{key}:{text}" for key, text in texts.items()}
    data = animated_webp(images, exif, fps, lossless, quality, _WEBP_METHODS[method])
    return _save_animation(images, filename_prefix, "webp", data, ctx, moves=images.shape[0] > 1)


@node("SaveAnimatedPNG", category="image/animation", output=True, reads=destination, validate=outside)
def save_animated_png(
    images: Image,
    filename_prefix: Annotated[str, Text()] = "ComfyUI",
    fps: Annotated[float, Range(0.01, 1000.0, step=0.01)] = 6.0,
    compress_level: Annotated[int, Range(0, 9)] = SAVED_LEVEL,
    prompt: Prompt = None,
    extra_pnginfo: PngInfo = None,
    *,
    ctx: Context,
) -> Shown:
    """Save a batch of pictures as one animated PNG."""
    from ..models.picture.codec import animated_png

    data = animated_png(images, workflow_texts(ctx, extra_pnginfo), fps, compress_level)
    return _save_animation(images, filename_prefix, "png", data, ctx, moves=True)


def workflow_texts(ctx: Context, extra: Mapping[str, Any] | None = None) -> dict[str, str]:
    """What a saved file says of its making: `prompt` (API form), `workflow` (UI form) and what a client adds, as JSON.

    Keys that no file format has room for are left out.
    """
    if not ctx.service(Files).metadata:
        return {}
    known: dict[str, Any] = {"prompt": ctx.prompt, "workflow": ctx.workflow, **(extra or {})}
    return {
        key: json.dumps(value)
        for key, value in known.items()
        if value is not None and key.isascii() and key.isprintable() and 0 < len(key) <= _LONGEST_KEY
    }


def _save_pngs(
    images: Tensor, prefix: str, kind: str, level: int, extra: Mapping[str, Any] | None, ctx: Context
) -> Shown:
    from ..models.picture.codec import png

    texts = workflow_texts(ctx, extra)
    return save_each(images, prefix, kind, "png", lambda picture: png(picture, texts, level), ctx)


def save_each(
    images: Tensor, prefix: str, kind: str, suffix: str, encode: Callable[[Tensor], bytes], ctx: Context
) -> Shown:
    """One numbered file per picture. images: b h w c."""
    files = ctx.service(Files)
    slot = files.slot(prefix, images.shape[2], images.shape[1], kind)
    saved: list[Saved] = []
    counter = slot.counter
    for index, picture in enumerate(images):
        ctx.check()
        saved.append(files.save(slot, counter, suffix, encode(picture), index))
        counter = saved[-1].counter + 1
    return shown_images(saved)


def _save_animation(images: Tensor, prefix: str, suffix: str, data: bytes, ctx: Context, *, moves: bool) -> Shown:
    """moves: what editors are told; of a PNG they are told so even if it has one picture."""
    files = ctx.service(Files)
    slot = files.slot(prefix, images.shape[2], images.shape[1])
    return shown_images([files.save(slot, slot.counter, suffix, data)], animated=(moves,))


def shown_images(saved: list[Saved], **more: Any) -> Shown:
    """What an editor shows of written pictures."""
    return Shown(ui={"images": [one.shown() for one in saved], **more}, files=tuple(str(one.path) for one in saved))
