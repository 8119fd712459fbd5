"""`from comfy_api.latest import io`: everything of `_io`."""

from comfy_api.latest._io import *  # noqa: F403
from comfy_api.latest._io import _UIOutput  # noqa: F401
