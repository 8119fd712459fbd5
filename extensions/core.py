"""Our nodes as the reference's own classes: in which module packs look for them, and what their method is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..executor.spec import Context, NodeSpec
from .calling import CURRENT
from .classes import Around, classic_class

if TYPE_CHECKING:
    from .host import Host


@dataclass(frozen=True)
class Row:
    """One class. order: inputs as the method takes them, where the editor's order differs. name: if not the id.

    otherwise: what the method takes for an input it is not given, where the node itself has no default.
    """

    id: str
    function: str
    order: tuple[str, ...] = ()
    name: str = ""
    otherwise: tuple[tuple[str, str], ...] = ()


def _rows(text: str) -> tuple[Row, ...]:
    """Lines `id[=class] method [input[=otherwise]...]`; ids with one method may share a line: `id|id method`."""
    found = []
    for line in text.strip().splitlines():
        ids, function, *inputs = line.split()
        order = tuple(word.partition("=")[0] for word in inputs)
        otherwise = tuple((word.partition("=")[0], word.partition("=")[2]) for word in inputs if "=" in word)
        for one in ids.split("|"):
            id, _, name = one.partition("=")
            found.append(Row(id.replace("~", " "), function, order, name, otherwise))
    return tuple(found)


CORE: Mapping[str, tuple[Row, ...]] = {
    "nodes": _rows("""
        CLIPTextEncode encode clip text
        CLIPSetLastLayer set_last_layer
        ConditioningCombine combine
        ConditioningAverage addWeighted
        ConditioningConcat concat
        ConditioningSetArea|ConditioningSetAreaPercentage|ConditioningSetAreaStrength append
        ConditioningSetMask append conditioning mask set_cond_area strength
        ConditioningZeroOut zero_out
        ConditioningSetTimestepRange set_range
        VAEDecode|VAEDecodeTiled decode vae samples
        VAEEncode|VAEEncodeTiled encode vae pixels
        VAEEncodeForInpaint encode vae pixels mask
        InpaintModelConditioning encode positive negative pixels vae mask
        SaveLatent save
        LoadLatent load
        CheckpointLoaderSimple|DiffusersLoader load_checkpoint
        LoraLoader load_lora
        LoraLoaderModelOnly load_lora_model_only
        VAELoader load_vae
        UNETLoader load_unet
        CLIPLoader load_clip clip_name type=stable_diffusion
        DualCLIPLoader load_clip
        ControlNetLoader load_controlnet
        CLIPVisionLoader load_clip
        CLIPVisionEncode encode clip_vision image crop
        ControlNetApply|ControlNetApplyAdvanced apply_controlnet
        EmptyLatentImage|EmptyImage generate
        LatentFromBatch frombatch
        RepeatLatentBatch repeat
        LatentUpscale|LatentUpscaleBy|ImageScale|ImageScaleBy upscale
        LatentRotate rotate
        LatentFlip flip
        LatentComposite composite
        LatentBlend blend
        LatentCrop crop
        SetLatentNoiseMask set_mask
        KSampler|KSamplerAdvanced sample
        SaveImage|PreviewImage save_images
        LoadImage|LoadImageMask|LoadImageOutput load_image
        ImageInvert invert
        ImageBatch batch
        ImagePadForOutpaint expand_image
    """),
    "comfy_extras.nodes_advanced_samplers": _rows("SamplerEulerCFGpp|SamplerLCMUpscale get_sampler"),
    "comfy_extras.nodes_align_your_steps": _rows("AlignYourStepsScheduler get_sigmas"),
    "comfy_extras.nodes_apg": _rows("APG patch"),
    "comfy_extras.nodes_attention_multiply": _rows("""
        UNetSelfAttentionMultiply|UNetCrossAttentionMultiply|UNetTemporalAttentionMultiply|CLIPAttentionMultiply patch
    """),
    "comfy_extras.nodes_canny": _rows("Canny detect_edge"),
    "comfy_extras.nodes_cfg": _rows("CFGZeroStar|CFGNorm patch"),
    "comfy_extras.nodes_chroma_radiance": _rows("EmptyChromaRadianceLatentImage execute"),
    "comfy_extras.nodes_compositing": _rows("""
        PorterDuffImageComposite composite
        SplitImageWithAlpha split_image_with_alpha
        JoinImageWithAlpha join_image_with_alpha
    """),
    "comfy_extras.nodes_cosmos": _rows("EmptyCosmosLatentVideo generate"),
    "comfy_extras.nodes_custom_sampler": _rows("""
        BasicScheduler|KarrasScheduler|ExponentialScheduler|PolyexponentialScheduler|LaplaceScheduler get_sigmas
        SDTurboScheduler|BetaSamplingScheduler|VPScheduler|SplitSigmas|SplitSigmasDenoise|FlipSigmas get_sigmas
        ManualSigmas execute
        SetFirstSigma set_first_sigma
        ExtendIntermediateSigmas extend
        SamplingPercentToSigma get_sigma
        KSamplerSelect|SamplerEulerAncestral|SamplerEulerAncestralCFGPP|SamplerLMS|SamplerER_SDE get_sampler
        SamplerDPMPP_3M_SDE|SamplerDPMPP_2M_SDE|SamplerDPMPP_SDE|SamplerDPMPP_2S_Ancestral get_sampler
        SamplerDPMAdaptative|SamplerSASolver|SamplerSEEDS2 get_sampler
        BasicGuider|CFGGuider|DualCFGGuider get_guider
        RandomNoise|DisableNoise get_noise
        AddNoise add_noise
        SamplerCustom|SamplerCustomAdvanced sample
    """),
    "comfy_extras.nodes_differential_diffusion": _rows("DifferentialDiffusion apply"),
    "comfy_extras.nodes_easycache": _rows("EasyCache|LazyCache execute"),
    "comfy_extras.nodes_eps": _rows("Epsilon~Scaling=EpsilonScaling|TemporalScoreRescaling execute"),
    "comfy_extras.nodes_flux": _rows("""
        Flux2Scheduler|EmptyFlux2LatentImage|FluxKontextImageScale execute
        FluxGuidance append
        CLIPTextEncodeFlux encode
    """),
    "comfy_extras.nodes_freelunch": _rows("FreeU|FreeU_V2 patch"),
    "comfy_extras.nodes_fresca": _rows("FreSca patch"),
    "comfy_extras.nodes_hooks": _rows("ConditioningSetDefaultCombine set_default_and_append"),
    "comfy_extras.nodes_hunyuan": _rows(
        "EmptyHunyuanImageLatent|EmptyHunyuanLatentVideo|EmptyHunyuanVideo15Latent generate"
    ),
    "comfy_extras.nodes_images": _rows("""
        SaveAnimatedWEBP|SaveAnimatedPNG save_images
        ImageScaleToMaxDimension upscale
        ResizeAndPadImage resize_and_pad
        GetImageSize get_size
        ImageCrop crop
        ImageRotate rotate
        ImageFlip flip
        ImageStitch stitch
        ImageFromBatch frombatch
        RepeatImageBatch|ImageAddNoise repeat
    """),
    "comfy_extras.nodes_latent": _rows("""
        LatentAdd|LatentSubtract|LatentMultiply|LatentInterpolate|LatentConcat|LatentCut|LatentCutToBatch op
        LatentBatch batch
        LatentBatchSeedBehavior|LatentApplyOperation|ReplaceVideoLatentFrames op
        LatentApplyOperationCFG patch
        LatentOperationTonemapReinhard|LatentOperationSharpen op
    """),
    "comfy_extras.nodes_logic": _rows("ComfySwitchNode=SwitchNode|CustomCombo=CustomComboNode execute"),
    "comfy_extras.nodes_lt": _rows("""
        LTXVScheduler get_sigmas
        ModelSamplingLTXV patch
        EmptyLTXVLatentVideo generate
    """),
    "comfy_extras.nodes_lumina2": _rows("RenormCFG patch"),
    "comfy_extras.nodes_mahiro": _rows("Mahiro patch"),
    "comfy_extras.nodes_mask": _rows("""
        LatentCompositeMasked|ImageCompositeMasked composite
        MaskPreview save_images
        MaskToImage mask_to_image
        ImageToMask|ImageColorToMask|ThresholdMask image_to_mask
        SolidMask solid
        InvertMask invert
        CropMask crop
        MaskComposite combine
        FeatherMask feather
        GrowMask expand_mask
    """),
    "comfy_extras.nodes_mochi": _rows("EmptyMochiLatentVideo generate"),
    "comfy_extras.nodes_model_advanced": _rows("""
        ModelSamplingDiscrete|ModelSamplingSD3|ModelSamplingContinuousEDM|ModelSamplingContinuousV patch
        ModelSamplingFlux|ModelSamplingStableCascade|RescaleCFG|ModelComputeDtype patch
        ModelSamplingAuraFlow patch_aura
    """),
    "comfy_extras.nodes_model_downscale": _rows("PatchModelAddDownscale patch"),
    "comfy_extras.nodes_model_merging": _rows("""
        ModelMergeSimple|ModelMergeBlocks|ModelMergeSubtract=ModelSubtract|ModelMergeAdd=ModelAdd merge
        CLIPMergeSimple|CLIPMergeSubtract|CLIPMergeAdd merge
        CheckpointSave|CLIPSave|VAESave|ModelSave save
    """),
    "comfy_extras.nodes_model_merging_model_specific": _rows("ModelMergeSD1 merge"),
    "comfy_extras.nodes_morphology": _rows("""
        Morphology process
        ImageRGBToYUV|ImageYUVToRGB execute
    """),
    "comfy_extras.nodes_optimalsteps": _rows("OptimalStepsScheduler get_sigmas"),
    "comfy_extras.nodes_gits": _rows("GITSScheduler get_sigmas"),
    "comfy_extras.nodes_hypertile": _rows("HyperTile patch"),
    "comfy_extras.nodes_tomesd": _rows("TomePatchModel patch"),
    "comfy_extras.nodes_pag": _rows("PerturbedAttentionGuidance patch"),
    "comfy_extras.nodes_perpneg": _rows("""
        PerpNeg patch
        PerpNegGuider get_guider
    """),
    "comfy_extras.nodes_post_processing": _rows("""
        ImageScaleToTotalPixels upscale
        ImageBlend=Blend blend_images
        ImageBlur=Blur blur
        ImageSharpen=Sharpen sharpen
        ImageQuantize=Quantize quantize
        BatchImagesNode|BatchMasksNode|BatchLatentsNode|ResizeImageMaskNode execute
    """),
    "comfy_extras.nodes_preview_any": _rows("PreviewAny main"),
    "comfy_extras.nodes_primitive": _rows("""
        PrimitiveString=String|PrimitiveStringMultiline=StringMultiline execute
        PrimitiveInt=Int|PrimitiveFloat=Float|PrimitiveBoolean=Boolean execute
    """),
    "comfy_extras.nodes_qwen": _rows("EmptyQwenImageLayeredLatentImage execute"),
    "comfy_extras.nodes_rebatch": _rows("RebatchLatents=LatentRebatch|RebatchImages=ImageRebatch rebatch"),
    "comfy_extras.nodes_sag": _rows("SelfAttentionGuidance patch"),
    "comfy_extras.nodes_sd3": _rows("""
        EmptySD3LatentImage generate
        SkipLayerGuidanceSD3 skip_guidance_sd3
    """),
    "comfy_extras.nodes_slg": _rows("""
        SkipLayerGuidanceDiT skip_guidance
        SkipLayerGuidanceDiTSimple skip_guidance
    """),
    "comfy_extras.nodes_stable_cascade": _rows("StableCascade_EmptyLatentImage generate"),
    "comfy_extras.nodes_string": _rows("""
        StringConcatenate|StringSubstring|StringLength|CaseConverter|StringTrim|StringReplace|StringContains execute
        StringCompare|RegexMatch|RegexExtract|RegexReplace execute
    """),
    "comfy_extras.nodes_tcfg": _rows("TCFG patch"),
    "comfy_extras.nodes_video_model": _rows("VideoLinearCFGGuidance|VideoTriangleCFGGuidance patch"),
    "comfy_extras.nodes_wan": _rows("TrimVideoLatent op"),
}
"""Module -> its classes. Those whose node this version has not are left out when they are made."""


def core_classes(host: Host, catalogue: Mapping[str, NodeSpec]) -> Iterator[tuple[str, Row, type]]:
    """(module, row, class) of every node that is here; nodes of our own come last, as the module `nodes` has them."""
    around = Around(host.border, lambda: host.services, lambda hidden: context(host, hidden))
    left = dict(catalogue)
    for module, rows in CORE.items():
        for row in rows:
            spec = left.pop(row.id, None)
            if spec is not None:
                yield module, row, _made(spec, around, row, module)
    for id, spec in left.items():
        row = Row(id, "run")
        yield "", row, _made(spec, around, row, spec.module)


def _made(spec: NodeSpec, around: Around, row: Row, module: str) -> type:
    made = classic_class(
        spec, around, name=row.name, function=row.function, order=row.order, otherwise=row.otherwise
    )
    made.__module__ = module
    return made


def context(host: Host, hidden: Mapping[str, Any]) -> Context:
    """What a node of ours runs in when foreign code calls it: the run of that code, if it is in one."""
    call = CURRENT.get()
    base = call.ctx if call is not None else Context(services=host.services)
    info = hidden.get("EXTRA_PNGINFO")
    said = {
        "node_id": hidden.get("UNIQUE_ID"),
        "prompt": hidden.get("PROMPT"),
        "workflow": info.get("workflow") if isinstance(info, Mapping) else None,
    }
    return replace(base, **{name: value for name, value in said.items() if value is not None})
