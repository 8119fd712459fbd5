"""`comfy.cli_args`: how the program was started, in the ecosystem's words. Packs may assign."""

from __future__ import annotations

import enum
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from ....models.compute import Compute
from ....nodes.store import Files

if TYPE_CHECKING:
    from ...host import Host

HOST: Host


class LatentPreviewMethod(enum.Enum):
    """How unfinished pictures are shown."""

    NoPreviews = "none"
    Auto = "auto"
    Latent2RGB = "latent2rgb"
    TAESD = "taesd"

    @classmethod
    def from_string(cls, value: str) -> LatentPreviewMethod | None:
        return next((method for method in cls if method.value == value), None)


class PerformanceFeature(enum.Enum):
    """Shortcuts that change numbers. None is taken here."""

    Fp16Accumulation = "fp16_accumulation"
    Fp8MatrixMultiplication = "fp8_matrix_mult"
    CublasOps = "cublas_ops"
    AutoTune = "autotune"


def _truth(compute: Compute, files: Files | None) -> dict[str, Any]:
    """What is so in this engine."""
    kind, _, index = compute.device.partition(":")
    return {
        "cpu": kind == "cpu",
        "cuda_device": int(index) if index else None,
        "force_fp32": compute.dtype == "fp32",
        "force_fp16": compute.dtype == "fp16",
        "fp32_unet": compute.dtype == "fp32",
        "fp16_unet": compute.dtype == "fp16",
        "bf16_unet": compute.dtype == "bf16",
        "fp64_unet": compute.dtype == "fp64",
        "fp32_vae": compute.dtype == "fp32",
        "fp16_vae": compute.dtype == "fp16",
        "bf16_vae": compute.dtype == "bf16",
        "fp32_text_enc": True,
        "output_directory": None if files is None else str(files.output_dir),
        "input_directory": None if files is None else str(files.input_dir),
        "temp_directory": None if files is None else str(files.temp_dir),
        "base_directory": str(HOST.base),
        "disable_metadata": files is not None and not files.metadata,
        "preview_method": LatentPreviewMethod.Auto,
        "preview_size": 512,
        "use_pytorch_cross_attention": True,
        "disable_xformers": True,
        "default_hashing_function": "sha256",
        "fast": set(),
        "verbose": "INFO",
        "max_upload_size": 100,
        "whitelist_custom_nodes": [],
        "cache_lru": 0,
        "cache_ram": 0,
        "reserve_vram": None,
        "front_end_version": "",
        "comfy_api_base": "",
        "disable_auto_launch": True,
        "disable_api_nodes": True,
    }


_OFF = """
    auto_launch cache_classic cache_none bf16_text_enc fp16_text_enc fp8_e4m3fn_unet fp8_e5m2_unet fp8_e8m0fnu_unet
    fp8_e4m3fn_text_enc fp8_e5m2_text_enc cpu_vae cuda_malloc disable_cuda_malloc deterministic disable_all_custom_nodes
    disable_ipex_optimize disable_mmap disable_pinned_memory disable_smart_memory dont_print_server
    dont_upcast_attention enable_compress_response_body enable_manager force_channels_last force_non_blocking
    force_upcast_attention gpu_only highvram log_stdout lowvram mmap_torch_files multi_user normalvram novram
    quick_test_for_ci supports_fp8_compute use_flash_attention use_quad_cross_attention use_sage_attention
    use_split_cross_attention windows_standalone_build
"""
_UNSET = """
    async_offload database_url directml enable_cors_header extra_model_paths_config front_end_root
    oneapi_device_selector tls_certfile tls_keyfile user_directory default_device
"""



class Arguments(Namespace):
    """Where the server listens is known once it runs; all else when the engine is made."""

    @property
    def listen(self) -> str:
        return str(self.__dict__.get("listen") or getattr(HOST.channel, "listen", None) or "127.0.0.1")

    @listen.setter
    def listen(self, value: str) -> None:
        self.__dict__["listen"] = value

    @property
    def port(self) -> int:
        return int(self.__dict__.get("port") or getattr(HOST.channel, "port", None) or 8188)

    @port.setter
    def port(self, value: int) -> None:
        self.__dict__["port"] = value


args = Arguments(
    **dict.fromkeys(_OFF.split(), False),
    **dict.fromkeys(_UNSET.split()),
    **_truth(HOST.services.get(Compute) or Compute(), HOST.services.get(Files)),
)
parser = ArgumentParser("carrara", add_help=False)
parser.set_defaults(**vars(args))


def enables_dynamic_vram() -> bool:
    return False
