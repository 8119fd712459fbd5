"""Devices and the stop button."""

from __future__ import annotations

import torch

_stop = False
ASKED: list[tuple[int, torch.device]] = []
"""What was to be freed, in bytes, and where."""


class InterruptProcessingException(Exception):
    pass


def interrupt_current_processing(value: bool = True) -> None:
    global _stop
    _stop = value


def processing_interrupted() -> bool:
    return _stop


def throw_exception_if_processing_interrupted() -> None:
    global _stop
    if _stop:
        _stop = False
        raise InterruptProcessingException


def get_torch_device() -> torch.device:
    return torch.device("cpu")


def intermediate_device() -> torch.device:
    return torch.device("cpu")


def minimum_inference_memory() -> int:
    return 1000


def free_memory(memory_required: int, device: torch.device) -> None:
    """Puts models aside until so much is free there."""
    ASKED.append((memory_required, device))
