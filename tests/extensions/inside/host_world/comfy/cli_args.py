"""How the host was started."""

from __future__ import annotations

from enum import Enum
from types import SimpleNamespace


class LatentPreviewMethod(Enum):
    NoPreviews = "none"
    Auto = "auto"


args = SimpleNamespace(preview_method=LatentPreviewMethod.Auto, disable_metadata=False)
