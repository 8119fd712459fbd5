"""Socket types that are nothing but links: a name, and what Python object travels under it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

import torch

from comfy_api.latest._io_base import ComfyTypeIO, _ComfyType, comfytype
from comfy_api.latest._util import MESH, VOXEL, File3D
from comfy_api.latest._util import SVG as SVGData


class LatentDict(TypedDict, total=False):
    """samples: b c h w or b c t h w, as the VAE gives them; noise_mask: 1 where to paint."""

    samples: torch.Tensor
    noise_mask: torch.Tensor
    batch_index: list[int]
    type: str


class AudioDict(TypedDict):
    """waveform: b channels n."""

    waveform: torch.Tensor
    sample_rate: int


class LossMapDict(TypedDict):
    loss: list[torch.Tensor]


class AccumulationDict(TypedDict):
    accum: list[Any]


class TrackDict(TypedDict):
    track_path: torch.Tensor
    track_visibility: torch.Tensor


class CameraInfo(TypedDict):
    position: dict[str, float]
    target: dict[str, float]
    zoom: int
    cameraType: str


class Model3DDict(TypedDict, total=False):
    image: str
    mask: str
    normal: str
    camera_info: CameraInfo
    recording: str


def link(class_name: str, socket: str, travels: Any = Any, **members: Any) -> Any:
    """A type without a widget."""
    body = {"Type": travels, "__module__": __name__, "__qualname__": class_name, **members}
    made: type[_ComfyType] = type(class_name, (ComfyTypeIO,), body)
    return comfytype(io_type=socket)(made)


Image = link("Image", "IMAGE", torch.Tensor)
Mask = link("Mask", "MASK", torch.Tensor)
Latent = link("Latent", "LATENT", LatentDict, LatentDict=LatentDict)
Conditioning = link(
    "Conditioning", "CONDITIONING", list[tuple[torch.Tensor, dict[str, Any]]], PooledDict=dict[str, Any], CondList=list
)
Sampler = link("Sampler", "SAMPLER")
Sigmas = link("Sigmas", "SIGMAS", torch.Tensor)
Noise = link("Noise", "NOISE")
Guider = link("Guider", "GUIDER")
Clip = link("Clip", "CLIP")
ControlNet = link("ControlNet", "CONTROL_NET")
Vae = link("Vae", "VAE")
Model = link("Model", "MODEL")
ClipVision = link("ClipVision", "CLIP_VISION")
ClipVisionOutput = link("ClipVisionOutput", "CLIP_VISION_OUTPUT")
StyleModel = link("StyleModel", "STYLE_MODEL")
Gligen = link("Gligen", "GLIGEN")
UpscaleModel = link("UpscaleModel", "UPSCALE_MODEL")
LatentUpscaleModel = link("LatentUpscaleModel", "LATENT_UPSCALE_MODEL")
ModelPatch = link("ModelPatch", "MODEL_PATCH")
MODEL_PATCH = ModelPatch
Audio = link("Audio", "AUDIO", AudioDict, AudioDict=AudioDict)
AudioEncoder = link("AudioEncoder", "AUDIO_ENCODER")
AudioEncoderOutput = link("AudioEncoderOutput", "AUDIO_ENCODER_OUTPUT")
Video = link("Video", "VIDEO")
SVG = link("SVG", "SVG", SVGData)
LoraModel = link("LoraModel", "LORA_MODEL", dict[str, torch.Tensor])
LossMap = link("LossMap", "LOSS_MAP", LossMapDict, LossMapDict=LossMapDict)
Voxel = link("Voxel", "VOXEL", VOXEL)
Mesh = link("Mesh", "MESH", MESH)
Splat = link("Splat", "SPLAT")
File3DAny = link("File3DAny", "FILE_3D", File3D)
File3DGLB = link("File3DGLB", "FILE_3D_GLB", File3D)
File3DGLTF = link("File3DGLTF", "FILE_3D_GLTF", File3D)
File3DFBX = link("File3DFBX", "FILE_3D_FBX", File3D)
File3DOBJ = link("File3DOBJ", "FILE_3D_OBJ", File3D)
File3DSTL = link("File3DSTL", "FILE_3D_STL", File3D)
File3DUSDZ = link("File3DUSDZ", "FILE_3D_USDZ", File3D)
Hooks = link("Hooks", "HOOKS")
HookKeyframes = link("HookKeyframes", "HOOK_KEYFRAMES")
TimestepsRange = link("TimestepsRange", "TIMESTEPS_RANGE", tuple[float, float])
LatentOperation = link("LatentOperation", "LATENT_OPERATION", Callable[[torch.Tensor], torch.Tensor])
FlowControl = link("FlowControl", "FLOW_CONTROL", tuple[str, Any])
Accumulation = link("Accumulation", "ACCUMULATION", AccumulationDict, AccumulationDict=AccumulationDict)
Load3DCamera = link("Load3DCamera", "LOAD3D_CAMERA", CameraInfo, CameraInfo=CameraInfo)
Load3D = link("Load3D", "LOAD_3D", Model3DDict, Model3DDict=Model3DDict)
Load3DAnimation = link("Load3DAnimation", "LOAD_3D_ANIMATION", Model3DDict, Model3DDict=Model3DDict)
Photomaker = link("Photomaker", "PHOTOMAKER")
Point = link("Point", "POINT")
FaceAnalysis = link("FaceAnalysis", "FACE_ANALYSIS")
BBOX = link("BBOX", "BBOX")
SEGS = link("SEGS", "SEGS")
WanCameraEmbedding = link("WanCameraEmbedding", "WAN_CAMERA_EMBEDDING", torch.Tensor)
Tracks = link("Tracks", "TRACKS", TrackDict, TrackDict=TrackDict)
AnyType = link("AnyType", "*")

__all__ = [
    "BBOX",
    "MODEL_PATCH",
    "SEGS",
    "SVG",
    "Accumulation",
    "AnyType",
    "Audio",
    "AudioEncoder",
    "AudioEncoderOutput",
    "Clip",
    "ClipVision",
    "ClipVisionOutput",
    "Conditioning",
    "ControlNet",
    "FaceAnalysis",
    "File3DAny",
    "File3DFBX",
    "File3DGLB",
    "File3DGLTF",
    "File3DOBJ",
    "File3DSTL",
    "File3DUSDZ",
    "FlowControl",
    "Gligen",
    "Guider",
    "HookKeyframes",
    "Hooks",
    "Image",
    "Latent",
    "LatentOperation",
    "LatentUpscaleModel",
    "Load3D",
    "Load3DAnimation",
    "Load3DCamera",
    "LoraModel",
    "LossMap",
    "Mask",
    "Mesh",
    "Model",
    "ModelPatch",
    "Noise",
    "Photomaker",
    "Point",
    "Sampler",
    "Sigmas",
    "Splat",
    "StyleModel",
    "TimestepsRange",
    "Tracks",
    "UpscaleModel",
    "Vae",
    "Video",
    "Voxel",
    "WanCameraEmbedding",
]
