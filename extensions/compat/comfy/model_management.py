"""`comfy.model_management`: devices, number formats, memory and interruption, as this engine has them."""

from __future__ import annotations

import gc
import os
import threading
from typing import TYPE_CHECKING, Any

import torch
from comfy._devices import (
    CPUState,
    VRAMState,
    cast_to,
    cast_to_device,
    dtype_size,
    get_autocast_device,
    get_supported_float8_types,
    get_torch_device_name,
    is_device_cpu,
    is_device_cuda,
    is_device_mps,
    is_device_type,
    is_device_xpu,
    mac_version,
    module_size,
    pick_weight_dtype,
    supports_cast,
    supports_dtype,
)
from comfy._loaded import (
    LoadedModel,
    cleanup_models,
    cleanup_models_gc,
    current_loaded_models,
    extra_reserved_memory,
    free_memory,
    get_free_memory,
    get_total_memory,
    load_model_gpu,
    load_models_gpu,
    loaded_models,
    maximum_vram_for_weights,
    minimum_inference_memory,
    offloaded_memory,
    unload_all_models,
    use_more_memory,
)
from comfy.cli_args import PerformanceFeature, args
from torch import Tensor

from ....errors import Interrupted, OutOfMemory
from ....models.compute import Compute
from ...calling import CURRENT

if TYPE_CHECKING:
    from ...host import Host

HOST: Host

__all__ = [
    "CPUState", "LoadedModel", "PerformanceFeature", "VRAMState", "args", "cast_to", "cast_to_device",
    "cleanup_models", "cleanup_models_gc", "current_loaded_models", "dtype_size", "extra_reserved_memory",
    "free_memory", "get_autocast_device", "get_free_memory", "get_supported_float8_types", "get_torch_device",
    "get_torch_device_name", "get_total_memory", "is_device_cpu", "is_device_cuda", "is_device_mps", "is_device_type",
    "is_device_xpu", "load_model_gpu", "load_models_gpu", "loaded_models", "mac_version", "maximum_vram_for_weights",
    "minimum_inference_memory", "module_size", "offloaded_memory", "pick_weight_dtype", "supports_cast",
    "supports_dtype", "unload_all_models", "use_more_memory",
]  # fmt: skip

_compute: Compute = HOST.services.get(Compute) or Compute()
_CPU = torch.device("cpu")
_HALVES = {torch.float16: "fp16", torch.bfloat16: "bf16"}

cpu_state = CPUState.CPU if _compute.device == "cpu" else CPUState.GPU
vram_state = set_vram_to = VRAMState.DISABLED if _compute.device == "cpu" else VRAMState.NORMAL_VRAM
total_vram = get_total_memory(torch.device(_compute.device)) / (1 << 20)
total_ram = get_total_memory(_CPU) / (1 << 20)
"""MiB, both."""
torch_version = str(torch.__version__)
torch_version_numeric = tuple(int(part) for part in torch_version.split("+")[0].split(".")[:2])
lowvram_available = True
directml_enabled = xpu_available = npu_available = mlu_available = ixuca_available = False
XFORMERS_IS_AVAILABLE = XFORMERS_ENABLED_VAE = False
XFORMERS_VERSION = ""
ENABLE_PYTORCH_ATTENTION = True
FLOAT8_TYPES = get_supported_float8_types()
FORCE_FP32, FORCE_FP16 = _compute.dtype == "fp32", _compute.dtype == "fp16"
WINDOWS = os.name == "nt"
EXTRA_RESERVED_VRAM = 0
DISABLE_SMART_MEMORY = SUPPORT_FP8_OPS = PRIORITIZE_FP16 = False
MIN_WEIGHT_MEMORY_RATIO = 0.0
NUM_STREAMS = 0
STREAMS: dict[Any, Any] = {}
VAE_DTYPES = [torch.float32]
OOM_EXCEPTION = (torch.OutOfMemoryError, OutOfMemory)
"""What `except` takes when memory runs out: the device's error, and ours that says more."""
in_training = False


def is_oom(e: BaseException) -> bool:
    return isinstance(e, OOM_EXCEPTION)


def raise_non_oom(e: BaseException) -> None:
    """For handlers that try again with less."""
    if not is_oom(e):
        raise e


# --- devices -------------------------------------------------------------------------------------------------


def get_torch_device() -> torch.device:
    """Where networks run."""
    if _compute.device == "cuda":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device(_compute.device)


def get_all_torch_devices(exclude_current: bool = False) -> list[torch.device]:
    """This engine uses one."""
    return [] if exclude_current else [get_torch_device()]


def _rest() -> torch.device:
    """Where networks wait."""
    return get_torch_device() if vram_state in (VRAMState.HIGH_VRAM, VRAMState.SHARED) else _CPU


def intermediate_device() -> torch.device:
    """Where latents and pictures lie between nodes."""
    return get_torch_device() if args.gpu_only else _CPU


def unet_offload_device() -> torch.device:
    return _rest()


def unet_inital_load_device(parameters: int, dtype: torch.dtype) -> torch.device:
    """Where a U-Net's weights are read to: at once to where they run, if they fit there."""
    device = get_torch_device()
    return device if parameters * dtype_size(dtype) < get_free_memory(device) else _CPU


def text_encoder_device() -> torch.device:
    return get_torch_device()


def text_encoder_offload_device() -> torch.device:
    return _rest()


def text_encoder_initial_device(
    load_device: torch.device, offload_device: torch.device, model_size: int = 0
) -> torch.device:
    return offload_device


def vae_device() -> torch.device:
    return get_torch_device()


def vae_offload_device() -> torch.device:
    return _rest()


def is_nvidia() -> bool:
    return cpu_state is CPUState.GPU and bool(torch.version.cuda)


def is_amd() -> bool:
    return cpu_state is CPUState.GPU and bool(torch.version.hip)


def amd_min_version(device: Any = None, min_rdna_version: int = 0) -> bool:
    return False


def _no() -> bool:
    return False


is_intel_xpu = is_ascend_npu = is_mlu = is_ixuca = is_directml_enabled = is_wsl = mps_mode = _no


def cpu_mode() -> bool:
    return cpu_state is CPUState.CPU


# --- number formats ------------------------------------------------------------------------------------------


def _format(role: str, weight_dtype: torch.dtype | None, allowed: Any) -> torch.dtype:
    """This engine's for a role, or the first of the allowed ones it can be replaced by."""
    stored = {torch.float16: "F16", torch.bfloat16: "BF16"}.get(weight_dtype or torch.float32, "F32")
    wanted: torch.dtype = getattr(torch, _compute.format_for(role, stored))
    if wanted in allowed or torch.float32 not in allowed:
        return wanted
    halves = [kind for kind in allowed if kind in _HALVES]
    return halves[0] if wanted in _HALVES and halves else torch.float32


def intermediate_dtype() -> torch.dtype:
    """What latents and pictures between nodes are in."""
    return torch.float32


def unet_dtype(
    device: torch.device | None = None,
    model_params: int = 0,
    supported_dtypes: Any = (torch.float16, torch.bfloat16, torch.float32),
    weight_dtype: torch.dtype | None = None,
) -> torch.dtype:
    return _format("unet", weight_dtype, supported_dtypes)


def unet_manual_cast(
    weight_dtype: torch.dtype | None,
    inference_device: torch.device | None,
    supported_dtypes: Any = (torch.float16, torch.bfloat16, torch.float32),
) -> torch.dtype | None:
    """What weights of that format are computed in; None: in their own."""
    if weight_dtype in (torch.float32, torch.float64):
        return None
    wanted = _format("unet", weight_dtype, supported_dtypes)
    return None if wanted == weight_dtype else wanted


def text_encoder_dtype(device: torch.device | None = None) -> torch.dtype:
    return _format("text", None, (torch.float32, torch.float16, torch.bfloat16, torch.float64))


def vae_dtype(device: torch.device | None = None, allowed_dtypes: Any = ()) -> torch.dtype:
    return _format("vae", None, (*allowed_dtypes, torch.float32))


def should_use_fp16(
    device: torch.device | None = None,
    model_params: int = 0,
    prioritize_performance: bool = True,
    manual_cast: bool = False,
) -> bool:
    """Whether float16 is the format to take on that device."""
    return _half(device, torch.float16)


def should_use_bf16(
    device: torch.device | None = None,
    model_params: int = 0,
    prioritize_performance: bool = True,
    manual_cast: bool = False,
) -> bool:
    return _half(device, torch.bfloat16)


def _half(device: torch.device | None, dtype: torch.dtype) -> bool:
    place = torch.device(device) if device is not None else get_torch_device()
    if place.type != "cuda" or _compute.dtype not in ("auto", _HALVES[dtype]):
        return False
    return dtype is torch.float16 or torch.cuda.is_bf16_supported()


def lora_compute_dtype(device: torch.device) -> torch.dtype:
    """Patches are added in float32 here, on every device."""
    return torch.float32


def supports_fp8_compute(device: torch.device | None = None) -> bool:
    """Whether 8-bit formats are multiplied as they are: not by this engine."""
    return False


def device_supports_non_blocking(device: torch.device) -> bool:
    return is_device_cuda(device)


def device_should_use_non_blocking(device: torch.device) -> bool:
    return False


def force_channels_last() -> bool:
    return False


def force_upcast_attention_dtype() -> dict[torch.dtype, torch.dtype] | None:
    return {torch.float16: torch.float32} if args.force_upcast_attention else None


def pytorch_attention_enabled() -> bool:
    return True


def pytorch_attention_enabled_vae() -> bool:
    return True


def pytorch_attention_flash_attention() -> bool:
    return is_nvidia()


def xformers_enabled() -> bool:
    return XFORMERS_IS_AVAILABLE


xformers_enabled_vae = sage_attention_enabled = flash_attention_enabled = _no


def get_offload_stream(device: torch.device) -> None:
    """Weights are not moved while others compute."""
    return None


def sync_stream(device: torch.device, stream: Any) -> None:
    return None


def soft_empty_cache(force: bool = False) -> None:
    """Give memory that PyTorch keeps for later back to the device."""
    gc.collect()
    if torch.device(_compute.device).type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.ipc_collect()


def pin_memory(tensor: Tensor) -> bool:
    """Whether the tensor was put where a GPU can fetch it: never."""
    return False


unpin_memory = pin_memory


def resolve_lowvram_weight(weight: Tensor, model: Any = None, key: str | None = None) -> Tensor:
    return weight


# --- interruption --------------------------------------------------------------------------------------------

InterruptProcessingException = Interrupted
interrupt_processing_mutex = threading.RLock()
interrupt_processing = False


def interrupt_current_processing(value: bool = True) -> None:
    """Stop the run at its next step; False takes it back. A server stops its own; else the next check does."""
    global interrupt_processing
    stop = getattr(HOST.channel, "interrupt", None)
    interrupt_processing = value and stop is None
    if value and stop is not None:
        stop()


def processing_interrupted() -> bool:
    call = CURRENT.get()
    return interrupt_processing or (call is not None and call.ctx.cancelled())


def throw_exception_if_processing_interrupted() -> None:
    """Raises InterruptProcessingException when the run is to stop; a stop asked for by a node counts once."""
    global interrupt_processing
    if interrupt_processing:
        interrupt_processing = False
        raise InterruptProcessingException("stopped by a node")
    call = CURRENT.get()
    if call is not None:
        call.ctx.check()
