"""`app.app_settings`: what the editor keeps for a user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_NAME = "comfy.settings.json"


class AppSettings:
    """Settings of the users that a user manager knows."""

    def __init__(self, user_manager: Any) -> None:
        self.user_manager = user_manager

    def get_settings(self, request: Any) -> dict[str, Any]:
        """All settings of whoever asks; a damaged file counts as none. Raises KeyError for unknown users."""
        path = Path(self.user_manager.get_request_user_filepath(request, _NAME))
        try:
            found = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def save_settings(self, request: Any, settings: dict[str, Any]) -> None:
        """Put these in the place of all that there were."""
        path = Path(self.user_manager.get_request_user_filepath(request, _NAME))
        path.write_text(json.dumps(settings, indent=4), "utf-8")
