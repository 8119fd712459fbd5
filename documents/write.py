"""Writing workflows in API form."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import StorageError
from ..executor.graph import Graph
from .jsontext import write_json


def api_text(graph: Graph, indent: int | None = 2) -> str:
    """The graph as the JSON text that servers and `carrara run` take."""
    return write_json(graph.to_api(), indent)


def save_api(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write the API form to a file: whole, or not at all. Raises StorageError."""
    target = Path(path)
    part = target.parent / f".{target.name[:100]}.{os.getpid()}.part"
    data = (api_text(graph) + "\n").encode()
    try:
        try:
            part.write_bytes(data)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StorageError(
            f"{target} cannot be written", got=str(error), remedy="Choose another place with -o."
        ) from error
