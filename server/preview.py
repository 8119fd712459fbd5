"""Looks at unfinished pictures, made beside the run: it never waits for them while it has work."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import Any

from ..models.preview import Preview, Previewer
from ..models.services import Models
from .hub import Picture

SIDE = 512
QUALITY = 95
PATIENCE = 0.25
"""Seconds a node's end waits for its last preview."""


def developed(preview: Any, previewer: Previewer | None = None, method: str = "auto") -> Picture | None:
    """What a node passed to ctx.progress, no side longer than 512 pixels; None if it is no picture.

    Foreign nodes say the format, and the longest side or None for the size it has.
    """
    from PIL import Image, ImageOps

    out = io.BytesIO()
    if isinstance(preview, Preview):
        values, factor = (previewer or Previewer(Models())).picture(preview, method)
        whole = Image.fromarray((values * 255).byte().numpy())
        picture = whole.resize((whole.width * factor, whole.height * factor), Image.Resampling.BICUBIC)
    elif isinstance(preview, Image.Image):
        picture = preview.copy()
    elif isinstance(preview, tuple) and len(preview) == 3 and isinstance(preview[1], Image.Image):
        form, picture, longest = preview
        if longest is not None:
            picture = ImageOps.contain(picture, (longest, longest), Image.Resampling.BILINEAR)
        if form == "PNG":
            picture.save(out, "PNG", compress_level=1)
            return Picture(out.getvalue(), png=True)
        picture.convert("RGB").save(out, "JPEG", quality=QUALITY)
        return Picture(out.getvalue())
    else:
        return None
    picture.thumbnail((SIDE, SIDE))
    picture.convert("RGB").save(out, "JPEG", quality=QUALITY)
    return Picture(out.getvalue())


class Studio:
    """A thread that develops the newest preview; those that come while it is busy replace each other.

    method: how, where a job does not say it.
    """

    def __init__(self, previewer: Previewer | None = None, method: str = "auto") -> None:
        self.method = method
        self._previewer = previewer
        self._lock = threading.Condition()
        self._waiting: tuple[Any, str, Callable[[Picture], None]] | None = None
        self._busy = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def develop(self, preview: Any, method: str, show: Callable[[Picture], None]) -> None:
        """Call `show` with the picture, unless a newer one comes first."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="carrara-preview", daemon=True)
                self._thread.start()
            self._waiting = (preview, method, show)
            self._lock.notify_all()

    def settle(self) -> None:
        """Wait a moment for the last one, so that it does not come after what it is a preview of."""
        with self._lock:
            self._lock.wait_for(lambda: self._waiting is None and not self._busy, PATIENCE)
            self._waiting = None

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._lock.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(PATIENCE * 20)

    def _work(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._waiting is not None or self._closed)
                if self._waiting is None:
                    return
                preview, method, show = self._waiting
                self._waiting = None
                self._busy = True
            try:
                picture = developed(preview, self._previewer, method)
                if picture is not None:
                    show(picture)
            except (ValueError, TypeError, RuntimeError, OSError):
                pass  # a picture that cannot be made is a picture not shown
            finally:
                with self._lock:
                    self._busy = False
                    self._lock.notify_all()
