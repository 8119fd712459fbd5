"""`utils.extra_config`: model folders out of a file."""

from __future__ import annotations

from pathlib import Path

import folder_paths

from ....models.services import read_yaml


def load_extra_path_config(yaml_path: str | Path) -> None:
    """Search the folders that an `extra_model_paths.yaml` names. Raises DocumentError."""
    for kind, folder, first in read_yaml(Path(yaml_path)):
        folder_paths.add_model_folder_path(kind, str(folder), first)
