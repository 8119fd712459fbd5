"""`from comfy_api.latest import ui`: everything of `_ui`."""

from comfy_api.latest._ui import *  # noqa: F403
