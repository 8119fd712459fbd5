"""Kinds of video files, and files that are none."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from comfy_api.latest._util.video_types import VideoContainer

from ......errors import InputError


class NoVideo(InputError, ValueError):
    """A file without pictures that can be read. Packs expect a ValueError."""


def container_to_output_format(container_format: str | None) -> str | None:
    """One name to write as: of `mov,mp4,m4a`, which is how files are described, the first."""
    return (container_format or "").partition(",")[0] or None


def get_open_write_kwargs(dest: str | BytesIO, container_format: str, to_format: str | None) -> dict[str, Any]:
    """How to open a file for writing so that its tags stay. The suffix of a path says its format, a buffer is told."""
    how: dict[str, Any] = {"mode": "w", "options": {"movflags": "use_metadata_tags"}}
    if isinstance(dest, str):
        return how
    wanted = (
        container_format if to_format in (None, VideoContainer.AUTO) else str(getattr(to_format, "value", to_format))
    )
    return {**how, "format": container_to_output_format(wanted.lower())}
