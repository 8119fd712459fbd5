"""Devices and the stop button."""

from __future__ import annotations

import torch

_stop = False


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
