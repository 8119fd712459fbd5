"""One door for every kind of workflow file."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import DocumentError
from ..executor.graph import Graph
from .api import prompt_to_graph
from .convert import ui_to_prompt
from .embedded import embedded_texts, is_picture
from .jsontext import parse_json, read_bytes
from .signatures import Signatures

FORMS = "a workflow in API form or editor form (JSON), or a PNG or WebP picture that carries one"


@dataclass(frozen=True)
class Document:
    """A workflow as read. form: `api` or `ui`; workflow: the editor's form, where the source has it."""

    graph: Graph
    form: str
    source: str
    workflow: Mapping[str, Any] | None = None


def read(
    source: str | os.PathLike[str] | bytes | Mapping[str, Any],
    signatures: Signatures | Mapping[str, Any],
    now: datetime | None = None,
) -> Document:
    """Read a file, its bytes, or the parsed JSON of one; the form is recognised by content. Raises DocumentError.

    signatures: what the node types' widgets are; only the editor's form needs it.
    now: the time that `%date:...%` in file names stands for.
    """
    table = signatures if isinstance(signatures, Signatures) else Signatures(signatures)
    if isinstance(source, Mapping):
        return read_value(source, table, "the workflow", now)
    if isinstance(source, bytes | bytearray):
        data = bytes(source)
        return _read_data(data, table, "the workflow", now)
    path = Path(source)
    texts = _texts_of_picture(path)
    if texts is not None:
        return _of_texts(texts, table, str(path), now)
    return _read_data(read_bytes(path), table, str(path), now)


def read_value(value: Any, signatures: Signatures, what: str = "the workflow", now: datetime | None = None) -> Document:
    """A workflow out of parsed JSON: either form, or a request body with one under `prompt`."""
    if not isinstance(value, Mapping):
        raise _unknown(what, f"a JSON {type(value).__name__}")
    if isinstance(value.get("nodes"), list | tuple):
        return Document(prompt_to_graph(ui_to_prompt(value, signatures, now)), "ui", what, value)
    if any(isinstance(node, Mapping) and "class_type" in node for node in value.values()):
        return Document(prompt_to_graph(value), "api", what)
    body = value.get("prompt")
    if isinstance(body, Mapping) and any(isinstance(n, Mapping) and "class_type" in n for n in body.values()):
        return Document(prompt_to_graph(body), "api", what, _workflow_of_body(value))
    keys = ", ".join(str(key)[:20] for key in list(value)[:8])
    raise _unknown(what, f"an object with the keys {keys}" if keys else "an empty object")


def _texts_of_picture(path: Path) -> Mapping[str, bytes] | None:
    """The texts of a picture of any size, or None if the file is none, or is for `read_bytes` to complain of."""
    try:
        with path.open("rb") as file:
            if not is_picture(file.read(12)):
                return None
            file.seek(0)
            return embedded_texts(file, str(path))
    except (OSError, ValueError):
        return None


def _read_data(data: bytes, signatures: Signatures, what: str, now: datetime | None) -> Document:
    if is_picture(data):
        return _of_texts(embedded_texts(io.BytesIO(data), what), signatures, what, now)
    if data[:4] in (b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe1", b"GIF8"):
        raise _unknown(what, "a JPEG or GIF picture")
    return read_value(parse_json(data, what), signatures, what, now)


def _of_texts(texts: Mapping[str, bytes], signatures: Signatures, what: str, now: datetime | None) -> Document:
    """Out of a picture. `prompt` is what made the picture, to the last seed; `workflow` stands in for it."""
    if not texts:
        raise DocumentError(
            f"{what} carries no workflow",
            expected="a text called prompt or workflow, as savers write it",
            remedy="Programs that shrink or convert pictures drop it; take the original.",
        )
    workflow: Any = None
    trouble: DocumentError | None = None
    if "workflow" in texts:
        try:
            workflow = parse_json(texts["workflow"], f"the workflow text in {what}")
        except DocumentError as error:
            trouble = error
    if "prompt" in texts:
        try:
            prompt = parse_json(texts["prompt"], f"the prompt text in {what}")
            found = read_value(prompt, signatures, f"the prompt text in {what}", now)
            shown = workflow if isinstance(workflow, Mapping) else None
            return Document(found.graph, found.form, what, shown)
        except DocumentError as error:
            trouble = error if trouble is None else trouble
    if workflow is None and trouble is not None:
        raise trouble
    return read_value(workflow, signatures, f"the workflow text in {what}", now)


def _workflow_of_body(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found: Any = body
    for name in ("extra_data", "extra_pnginfo", "workflow"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _unknown(what: str, got: str) -> DocumentError:
    return DocumentError(
        f"{what} is no workflow",
        got=got,
        expected=FORMS,
        remedy="In the editor, use Save or Export (API).",
    )
