"""Taking files in."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from aiohttp import BodyPartReader, web

from ...documents.jsontext import parse_json
from ...errors import InputError, PathEscape
from ...nodes.store import KINDS, add_file, inside, write_file
from ..pictures import masked
from ..shapes import MASK, UPLOAD
from ..web import Route, of, problem

FIELDS = 16
FIELD_LIMIT = 1 << 20


@dataclass
class Upload:
    """A form with one file."""

    name: str = ""
    data: bytes | None = None
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def overwrite(self) -> bool:
        return self.fields.get("overwrite", "").lower() in ("true", "1")


async def receive(request: web.Request) -> Upload:
    """The form of a request, within the upload limit."""
    if not request.content_type.startswith("multipart/"):
        raise problem(400, "invalid_request", "The body must be multipart/form-data.")
    found, left = Upload(), of(request).upload_limit
    reader = await request.multipart()
    for _ in range(FIELDS):
        part = await reader.next()
        if part is None:
            break
        if not isinstance(part, BodyPartReader):
            raise problem(400, "invalid_request", "A form within a form cannot be read.")
        chunks: list[bytes] = []
        limit = left if part.filename else FIELD_LIMIT
        size = 0
        while chunk := await part.read_chunk(1 << 16):
            size += len(chunk)
            if size > limit:
                raise problem(413, "too_large", f"The file is longer than {of(request).upload_limit} bytes.")
            chunks.append(chunk)
        if part.filename and part.name == "image":
            found.name, found.data = part.filename, b"".join(chunks)
        elif part.name:
            found.fields[part.name] = b"".join(chunks).decode("utf-8", "replace")
    return found


def place(request: web.Request, upload: Upload) -> tuple[Path, str, str, str]:
    """Folder, file name, sub-folder and kind that an upload is meant for."""
    kind = upload.fields.get("type") or "input"
    if kind not in KINDS:
        raise problem(400, "invalid_request", f"type is one of {', '.join(KINDS)}.")
    name = upload.name
    if not name or upload.data is None:
        raise problem(400, "invalid_request", "There is no file named `image` in the form.")
    if name in (".", "..") or any(letter in "/\\\0" or not letter.isprintable() for letter in name):
        raise problem(400, "invalid_request", "That is no file name.")
    subfolder = upload.fields.get("subfolder", "")
    try:
        folder = inside(of(request).engine.files.root(kind), subfolder)
        inside(folder, name)
    except PathEscape:
        raise problem(400, "invalid_request", "That lies outside the folder.") from None
    return folder, name, subfolder, kind


def store(folder: Path, name: str, data: bytes, overwrite: bool) -> str:
    """Keep a file; what it is called now. The same content under the same name is there already."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if overwrite:
        if path.is_symlink():
            raise InputError("a link is not written over", got=name)
        write_file(path, data)
        return name
    stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix

    def called(number: int) -> str:
        return name if number == 0 else f"{stem} ({number}){suffix}"

    number = 0
    while (folder / called(number)).exists():
        if same(folder / called(number), data):
            return called(number)
        number += 1
    return add_file(folder, called, number, data)[0].name


def same(path: Path, data: bytes) -> bool:
    if path.stat().st_size != len(data):
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest() == hashlib.sha256(data).digest()


async def upload_image(request: web.Request) -> web.Response:
    """Take a file in."""
    upload = await receive(request)
    folder, name, subfolder, kind = place(request, upload)
    assert upload.data is not None
    name = await asyncio.to_thread(store, folder, name, upload.data, upload.overwrite)
    return web.json_response({"name": name, "subfolder": subfolder, "type": kind})


async def upload_mask(request: web.Request) -> web.Response:
    """Take a mask in: stored as the original picture with the mask's alpha."""
    upload = await receive(request)
    folder, name, subfolder, kind = place(request, upload)
    reference = parse_json(upload.fields.get("original_ref", "{}"), "original_ref")
    if not isinstance(reference, dict) or not isinstance(reference.get("filename"), str):
        raise problem(400, "invalid_request", "original_ref must name a file.")
    files, below = of(request).engine.files, str(reference.get("subfolder") or "")
    original = PurePosixPath(below) / reference["filename"]
    try:
        path = files.find(str(original), str(reference.get("type") or "output"))
    except InputError as error:
        raise problem(400, "invalid_request", "There is no such original.") from error
    assert upload.data is not None
    data = await asyncio.to_thread(masked, path, upload.data)
    name = await asyncio.to_thread(store, folder, str(Path(name).with_suffix(".png")), data, upload.overwrite)
    return web.json_response({"name": name, "subfolder": subfolder, "type": kind})


def routes() -> list[Route]:
    form = "multipart/form-data"
    return [
        Route("POST", "/upload/image", upload_image, body="A file.", form=form, shape=UPLOAD),
        Route("POST", "/upload/mask", upload_mask, body="A mask, and whose.", form=form, shape=MASK),
    ]
