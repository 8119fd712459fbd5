"""`comfy.options`: whether the program reads its arguments itself. Here the engine is told."""

from __future__ import annotations

args_parsing = False


def enable_args_parsing(enable: bool = True) -> None:
    """Remembered, and of no effect: an engine in a library has no command line of its own."""
    global args_parsing
    args_parsing = enable
