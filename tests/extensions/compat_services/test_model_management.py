"""`comfy.model_management` and `comfy.cli_args` tell the truth about the engine, and act on it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch

from carrara.errors import Interrupted, OutOfMemory
from carrara.executor.spec import Context
from carrara.extensions.calling import calling
from carrara.extensions.host import Host, Nobody
from carrara.models.compute import Compute
from carrara.models.residency import Residency, free_memory, total_memory
from carrara.models.services import Models
from carrara.nodes.store import Files

CPU = torch.device("cpu")


@pytest.fixture
def mm(host: Host) -> ModuleType:
    return host.modules.load("comfy.model_management")


def hosted(tmp_path: Path, **compute: str) -> Host:
    one = Compute(**compute)
    files = Files(tmp_path / "in", tmp_path / "out", tmp_path / "temp", metadata=False)
    return Host(
        {Compute: one, Residency: Residency(one), Models: Models.at([tmp_path]), Files: files}, base=tmp_path
    )


def test_devices_of_a_processor(mm: ModuleType) -> None:
    assert mm.get_torch_device() == mm.intermediate_device() == mm.unet_offload_device() == CPU
    assert mm.vae_device() == mm.vae_offload_device() == mm.text_encoder_device() == CPU
    assert mm.text_encoder_offload_device() == mm.unet_inital_load_device(10, torch.float32) == CPU
    assert (mm.cpu_state, mm.vram_state) == (mm.CPUState.CPU, mm.VRAMState.DISABLED)
    assert mm.cpu_mode() and not (mm.is_nvidia() or mm.is_amd() or mm.is_intel_xpu() or mm.mps_mode())
    assert mm.is_device_cpu(CPU) and mm.is_device_cuda(torch.device("cuda:1")) and not mm.is_device_mps(CPU)
    assert mm.get_torch_device_name(CPU) == mm.get_autocast_device(CPU) == "cpu"
    assert not mm.xformers_enabled() and mm.pytorch_attention_enabled()
    mm.soft_empty_cache()


def test_formats_are_the_engines(tmp_path: Path) -> None:
    half = hosted(tmp_path, dtype="bf16").modules.load("comfy.model_management")
    assert half.unet_dtype() is half.vae_dtype(CPU, [torch.bfloat16]) is torch.bfloat16
    assert half.vae_dtype() is torch.float32 and half.vae_dtype(CPU, [torch.float16]) is torch.float16
    assert half.unet_dtype(supported_dtypes=[torch.float32]) is torch.float32
    auto = hosted(tmp_path).modules.load("comfy.model_management")
    assert auto.unet_dtype() is auto.text_encoder_dtype() is torch.float32
    assert not auto.should_use_fp16() and not auto.should_use_bf16(CPU)
    assert auto.unet_manual_cast(torch.float16, CPU) is torch.float32
    assert auto.unet_manual_cast(torch.float32, CPU) is None
    # On a device that is not there now the answer follows from its sort alone.
    gpu = hosted(tmp_path, device="cuda:0", dtype="fp16").modules
    args = gpu.load("comfy.cli_args").args
    assert (args.cpu, args.cuda_device, args.force_fp16, args.fp16_unet) == (False, 0, True, True)


def test_sizes(mm: ModuleType) -> None:
    assert [mm.dtype_size(d) for d in (torch.float32, torch.float16, torch.float8_e4m3fn)] == [4, 2, 1]
    net = torch.nn.Linear(3, 5).half()
    assert mm.module_size(net) == 2 * (15 + 5)
    assert mm.get_total_memory(CPU) == total_memory(CPU) == round(mm.total_ram * 2**20)
    free = free_memory(CPU)
    assert 0 < free < total_memory(CPU) and abs(mm.get_free_memory(CPU) - free) < free / 2
    assert isinstance(mm.get_free_memory(CPU, torch_free_too=True), tuple)
    assert mm.supports_dtype(CPU, torch.float32) and not mm.supports_dtype(CPU, torch.float16)


def test_casts(mm: ModuleType) -> None:
    x = torch.ones(2)
    assert mm.cast_to_device(x, CPU, torch.float16).dtype is torch.float16
    assert mm.cast_to_device(x, CPU, torch.float32) is x
    assert mm.cast_to_device(x, CPU, torch.float32, copy=True) is not x
    assert mm.cast_to(x, torch.bfloat16).dtype is torch.bfloat16


def test_interruption(mm: ModuleType, host: Host) -> None:
    assert mm.InterruptProcessingException is Interrupted and str(mm.InterruptProcessingException())
    mm.throw_exception_if_processing_interrupted()
    with calling(Context(cancelled=lambda: True), host):
        assert mm.processing_interrupted()
        with pytest.raises(mm.InterruptProcessingException):
            mm.throw_exception_if_processing_interrupted()
    mm.interrupt_current_processing()
    assert mm.processing_interrupted()
    with pytest.raises(mm.InterruptProcessingException):
        mm.throw_exception_if_processing_interrupted()
    mm.throw_exception_if_processing_interrupted()  # once
    mm.interrupt_current_processing()
    mm.interrupt_current_processing(False)
    mm.throw_exception_if_processing_interrupted()


class Stoppable(Nobody):
    """A server that stops its runs itself."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped = False

    def interrupt(self) -> None:
        self.stopped = True


def test_a_server_stops_its_own_run_and_not_the_next(mm: ModuleType, host: Host) -> None:
    host.channel = served = Stoppable()
    mm.interrupt_current_processing()
    assert served.stopped
    with calling(Context(), host):  # the run after that
        mm.throw_exception_if_processing_interrupted()


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("no"), OutOfMemory("no")])
def test_running_out_of_memory_can_be_caught(mm: ModuleType, error: Exception) -> None:
    with pytest.raises(mm.OOM_EXCEPTION):
        raise error


def test_arguments(host: Host, tmp_path: Path) -> None:
    module = host.modules.load("comfy.cli_args")
    args = module.args
    assert (args.disable_metadata, args.cpu, args.port, args.fast) == (False, True, 8188, set())
    assert (args.base_directory, args.output_directory) == (str(tmp_path), str(tmp_path / "output"))
    assert not (args.highvram or args.gpu_only or args.use_split_cross_attention)
    args.preview_method = module.LatentPreviewMethod.from_string("none")
    assert args.preview_method is module.LatentPreviewMethod.NoPreviews
    assert hosted(tmp_path).modules.load("comfy.cli_args").args.disable_metadata is True
