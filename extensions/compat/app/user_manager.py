"""`app.user_manager`: whose request it is, and where that user's files lie."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import folder_paths
from app.app_settings import AppSettings

from ....errors import CarraraError, InputError, PathEscape
from ....nodes.store import inside

if TYPE_CHECKING:
    from ...host import Host

HOST: Host

default_user = "default"


class FileInfo(TypedDict):
    """path: below the folder that was named. size: bytes. modified, created: seconds."""

    path: str
    size: int
    modified: float
    created: float


def get_file_info(path: str, relative_to: str) -> FileInfo:
    about = Path(path).stat()
    name = os.path.relpath(path, relative_to).replace(os.sep, "/")
    return {"path": name, "size": about.st_size, "modified": about.st_mtime, "created": about.st_ctime}


class UserManager:
    """The users of the server; without one that knows more there is one."""

    def __init__(self) -> None:
        self.settings = AppSettings(self)

    @property
    def users(self) -> dict[str, str]:
        """Names by id."""
        ask = getattr(HOST.channel, "users", None)
        return {default_user: default_user} if ask is None else dict(ask())

    def get_users_file(self) -> str:
        return os.path.join(folder_paths.get_user_directory(), "users.json")  # noqa: PTH118

    def get_request_user_id(self, request: Any) -> str:
        """Raises KeyError for somebody whom the server does not know."""
        return self._of(request)[0]

    def get_request_user_filepath(
        self, request: Any, file: str | None, type: str = "userdata", create_dir: bool = True
    ) -> str | None:
        """Where a file of the user's lies; None for names that lead elsewhere. Raises KeyError for unknown users."""
        if type != "userdata":
            raise KeyError(f"there is no such type of file: {type}")
        id, root = self._of(request)
        if folder_paths.get_public_user_directory(id) is None:
            return None
        try:
            path = inside(root, file or "")
        except PathEscape:
            return None
        if create_dir:
            (path.parent if file else path).mkdir(parents=True, exist_ok=True)
        return str(path)

    def add_user(self, name: str) -> str:
        """The new user's id. Raises ValueError for a name that cannot be."""
        add = getattr(HOST.channel, "add_user", None)
        if add is None:
            raise ValueError("there is no server that takes more users")
        try:
            return str(add(name or ""))
        except InputError as error:
            raise ValueError(error.message) from error

    def _of(self, request: Any) -> tuple[str, Path]:
        ask = getattr(HOST.channel, "user", None)
        if ask is None:
            return default_user, Path(folder_paths.get_user_directory()) / default_user
        try:
            id, folder = ask(request)
        except CarraraError as error:
            raise KeyError(error.message) from error
        return id, folder
