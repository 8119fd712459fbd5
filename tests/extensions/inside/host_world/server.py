"""The host's server, as far as a pack could see it at import."""

from __future__ import annotations


class PromptServer:
    instance: PromptServer | None = None
