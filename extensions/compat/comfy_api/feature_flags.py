"""What the server and its clients can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Sockets = Mapping[str, Mapping[str, Any]]
SERVER_FEATURE_FLAGS: dict[str, Any] = {"supports_preview_metadata": True, "max_upload_size": 100 << 20}


def get_connection_feature(sockets_metadata: Sockets, sid: str, feature_name: str, default: Any = False) -> Any:
    """What one client said about a feature."""
    return sockets_metadata.get(sid, {}).get("feature_flags", {}).get(feature_name, default)


def supports_feature(sockets_metadata: Sockets, sid: str, feature_name: str) -> bool:
    """Whether one client has a feature."""
    return get_connection_feature(sockets_metadata, sid, feature_name) is True


def get_server_features() -> dict[str, Any]:
    """What this server can do."""
    return dict(SERVER_FEATURE_FLAGS)
