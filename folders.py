"""Where things lie by default: the user's data and cache folders, and what environment variables say instead."""

from __future__ import annotations

import os
from pathlib import Path


def data_folder(given: str | os.PathLike[str] | None, name: str) -> Path:
    """The folder given, or the user's one of that name."""
    if given is not None:
        return Path(given).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("carrara") / name


def own_models() -> list[Path]:
    """The user's model folder."""
    from platformdirs import user_data_path

    return [user_data_path("carrara") / "models"]


def cache_folder() -> Path:
    """Where results are kept: CARRARA_CACHE, or the user's cache folder."""
    from platformdirs import user_cache_path

    named = os.environ.get("CARRARA_CACHE")
    return Path(named).expanduser() if named else user_cache_path("carrara") / "results"


def listed(variable: str) -> list[Path]:
    """The folders that an environment variable names."""
    return [Path(part).expanduser() for part in os.environ.get(variable, "").split(os.pathsep) if part]
