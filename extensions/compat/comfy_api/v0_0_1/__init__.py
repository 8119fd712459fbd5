"""Version 0.0.1 of the interface."""

import comfy_api.v0_0_2 as below
from comfy_api.internal.async_to_sync import create_sync_class
from comfy_api.latest import ComfyExtension, io, ui

IO, UI = io, ui


class ComfyAPIAdapter_v0_0_1(below.ComfyAPIAdapter_v0_0_2):
    VERSION = "0.0.1"
    STABLE = True


class Input(below.Input): ...


class InputImpl(below.InputImpl): ...


class Types(below.Types): ...


ComfyAPI = ComfyAPIAdapter_v0_0_1
ComfyAPISync = create_sync_class(ComfyAPIAdapter_v0_0_1)

__all__ = ["ComfyAPI", "ComfyAPISync", "ComfyExtension", "Input", "InputImpl", "Types", "io", "ui"]
