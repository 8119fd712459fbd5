"""`folder_paths`: where models and users' files lie. The tables here are live: packs write into them."""

from __future__ import annotations

import mimetypes
import os
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_data_path

from ...models.services import ALIASES, SUFFIXES, Models, Shelf
from ...nodes.store import Files, tokens

if TYPE_CHECKING:
    from ..host import Host

HOST: Host

_base = HOST.base.absolute()
_models: Models = HOST.services.get(Models) or Models.at([_base / "models"])
_files: Files = HOST.services.get(Files) or Files(_base / "input", _base / "output", _base / "temp")
_LEGACY = {"unet": ALIASES["unet"], "clip": ALIASES["clip"]}

supported_pt_extensions: set[str] = set(SUFFIXES)
_EXTENSIONS: dict[str, Any] = {
    "configs": [".yaml"], "diffusers": ["folder"], "custom_nodes": set(), "classifiers": {""},
}  # fmt: skip

models_dir = str(_models.home)
base_path = str(_base)
input_directory = str(_files.input_dir)
output_directory = str(_files.output_dir)
temp_directory = str(_files.temp_dir)
_users = user_directory = str((_files.user_dir or user_data_path("carrara") / "user").absolute())

folder_names_and_paths: dict[str, tuple[list[str], Any]] = {
    kind: ([str(folder) for folder in folders], _EXTENSIONS.get(kind, supported_pt_extensions))
    for kind, folders in _models.folders.items()
}
_packs = [str(folder.absolute()) for folder in HOST.folders] or [str(_base / "custom_nodes")]
folder_names_and_paths["custom_nodes"] = (_packs, _EXTENSIONS["custom_nodes"])
filename_list_cache: dict[str, tuple[list[str], dict[str, float], float]] = {}
extension_mimetypes_cache = {"webp": "image", "fbx": "model"}


class _Live:
    """The folders of each kind as they are now; the engine's own nodes search them too."""

    def kinds(self) -> list[str]:
        return list(folder_names_and_paths)

    def shelf(self, kind: str) -> Shelf | None:
        entry = folder_names_and_paths.get(kind)
        return None if entry is None else Shelf([Path(folder) for folder in entry[0]], frozenset(entry[1]))


_models.views.append(_Live())


# --- the three folders of files -----------------------------------------------------------------------------


def set_output_directory(output_dir: str) -> None:
    global output_directory
    output_directory = output_dir


def set_temp_directory(temp_dir: str) -> None:
    global temp_directory
    temp_directory = temp_dir


def set_input_directory(input_dir: str) -> None:
    global input_directory
    input_directory = input_dir


def set_user_directory(user_dir: str) -> None:
    global user_directory
    user_directory = user_dir


def get_output_directory() -> str:
    return output_directory


def get_temp_directory() -> str:
    return temp_directory


def get_input_directory() -> str:
    return input_directory


def get_user_directory() -> str:
    """Where users' own data lie: what was set, or what a server says, or the usual place."""
    served = getattr(HOST.channel, "user_folder", None)
    return str(served) if served is not None and user_directory == _users else user_directory


def get_system_user_directory(name: str = "system") -> str:
    """A folder of users' data that no web page may read. Raises ValueError for what is no plain name."""
    if not name or name.startswith("_") or not name.replace("_", "").isalnum():
        raise ValueError(f"no name for a system folder: {name!r}; letters and digits are")
    return os.path.join(get_user_directory(), f"__{name}")  # noqa: PTH118


def get_public_user_directory(user_id: str) -> str | None:
    """The folder of one user; None for names that are the system's."""
    return None if not user_id or user_id.startswith("__") else os.path.join(get_user_directory(), user_id)  # noqa: PTH118


def get_input_subfolders() -> list[str]:
    """Folders below the input folder, by relative name, sorted."""
    root = Path(get_input_directory())
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_dir())


def is_within_directory(path: str, directory: str) -> bool:
    """Whether a path stays in a folder once links are followed."""
    return Path(path).resolve().is_relative_to(Path(directory).resolve())


def get_directory_by_type(type_name: str) -> str | None:
    by_type = {"output": get_output_directory, "temp": get_temp_directory, "input": get_input_directory}
    return by_type[type_name]() if type_name in by_type else None


def annotated_filepath(name: str) -> tuple[str, str | None]:
    """The name without its ` [input]`, ` [output]` or ` [temp]`, and the folder this means, if it has one."""
    for kind in ("output", "input", "temp"):
        if name.endswith(f"[{kind}]"):
            return name[: -len(kind) - 3], get_directory_by_type(kind)
    return name, None


def get_annotated_filepath(name: str, default_dir: str | None = None) -> str:
    plain, folder = annotated_filepath(name)
    return os.path.join(folder or default_dir or get_input_directory(), plain)  # noqa: PTH118


def exists_annotated_filepath(name: str) -> bool:
    return Path(get_annotated_filepath(name)).exists()


def get_save_image_path(
    filename_prefix: str, output_dir: str, image_width: int = 0, image_height: int = 0
) -> tuple[str, str, int, str, str]:
    """Folder, stem, next free number, sub-folder, and the prefix with its tokens filled. Makes the folder.

    Raises PathEscape for a prefix that leads out of output_dir.
    """
    prefix = tokens(filename_prefix, image_width, image_height, time.localtime())
    root = Path(output_dir)
    slot = Files(root, root, root).slot(prefix)
    return str(slot.folder), slot.stem, slot.counter, slot.subfolder, prefix


def filter_files_content_types(files: Iterable[str], content_types: Collection[str]) -> list[str]:
    """Those whose MIME type begins with one of image, video, audio, model."""
    return [file for file in files if _content_type(file) in content_types]


def _content_type(file: str) -> str | None:
    extension = file.rpartition(".")[2]
    if extension not in extension_mimetypes_cache:
        mime, _ = mimetypes.guess_type(file, strict=False)
        if not mime:
            return None
        extension_mimetypes_cache[extension] = mime.partition("/")[0]
    return extension_mimetypes_cache[extension]


# --- models --------------------------------------------------------------------------------------------------


def map_legacy(folder_name: str) -> str:
    return _LEGACY.get(folder_name, folder_name)


def add_model_folder_path(folder_name: str, full_folder_path: str, is_default: bool = False) -> None:
    """Search one more folder for a kind, first when is_default. A new kind takes files of every suffix."""
    folders, _ = folder_names_and_paths.setdefault(map_legacy(folder_name), ([], set()))
    if full_folder_path in folders:
        if not is_default or folders[0] == full_folder_path:
            return
        folders.remove(full_folder_path)
    folders.insert(0 if is_default else len(folders), full_folder_path)


def get_folder_paths(folder_name: str) -> list[str]:
    return list(folder_names_and_paths[map_legacy(folder_name)][0])


def get_full_path(folder_name: str, filename: str) -> str | None:
    """The first existing file of that name, else None. `..` cannot lead above the folder."""
    folders, _ = folder_names_and_paths.get(map_legacy(folder_name), ((), ()))
    inside = os.path.relpath(os.path.join("/", filename), "/")  # noqa: PTH118
    candidates = (os.path.join(folder, inside) for folder in folders)  # noqa: PTH118
    return next((path for path in candidates if os.path.isfile(path)), None)  # noqa: PTH113


def get_full_path_or_raise(folder_name: str, filename: str) -> str:
    path = get_full_path(folder_name, filename)
    if path is None:
        raise FileNotFoundError(f"there is no file {filename!r} among the {folder_name}")
    return path


def invalidate_cache(folder_name: str) -> None:
    """List that kind anew next time."""
    filename_list_cache.pop(map_legacy(folder_name), None)


def get_filename_list(folder_name: str) -> list[str]:
    """Names of a kind's files, folders below included, sorted. Raises KeyError for an unknown kind."""
    found = cached_filename_list_(folder_name)
    if found is None:
        kind = map_legacy(folder_name)
        _listed[kind] = _about(kind)
        found = filename_list_cache[kind] = get_filename_list_(kind)
    cache_helper.set(folder_name, found)
    return list(found[0])


def get_filename_list_(folder_name: str) -> tuple[list[str], dict[str, float], float]:
    """The names, the folders looked into with their times of change, and when that was."""
    folders, extensions = folder_names_and_paths[map_legacy(folder_name)]
    names: set[str] = set()
    times: dict[str, float] = {}
    for folder in folders:
        files, seen = recursive_search(folder, [".git"])
        names.update(filter_files_extensions(files, extensions))
        times |= seen
    return sorted(names), times, time.perf_counter()


def cached_filename_list_(folder_name: str) -> tuple[list[str], dict[str, float], float] | None:
    """The last listing, unless a folder has changed, gone, or come since."""
    held = cache_helper.get(folder_name)
    if held is not None:
        return held
    kind = map_legacy(folder_name)
    known = filename_list_cache.get(kind)
    if known is None or _listed.get(kind) != _about(kind):
        return None
    return known if all(_mtime(folder) == then for folder, then in known[1].items()) else None


_listed: dict[str, tuple[Any, ...]] = {}
"""What the cached listing of a kind is of."""


def _about(kind: str) -> tuple[Any, ...]:
    folders, extensions = folder_names_and_paths[kind]
    return tuple(folder for folder in folders if os.path.isdir(folder)), frozenset(extensions)  # noqa: PTH112


def _mtime(path: str) -> float | None:
    try:
        return Path(path).stat().st_mtime
    except OSError:
        return None


def recursive_search(
    directory: str, excluded_dir_names: Collection[str] | None = None
) -> tuple[list[str], dict[str, float]]:
    """Files below a folder, relative to it, links followed; and the time of change of every folder seen."""
    files: list[str] = []
    times: dict[str, float] = {}
    real: set[str] = set()
    for path, below, names in os.walk(directory, followlinks=True):
        below[:] = [name for name in below if name not in (excluded_dir_names or ())]
        if os.path.realpath(path) in real:  # a link that leads back up
            below.clear()
            continue
        real.add(os.path.realpath(path))
        changed = _mtime(path)
        if changed is not None:
            times[path] = changed
        files += [os.path.relpath(os.path.join(path, name), directory) for name in names]  # noqa: PTH118
    return files, times


def filter_files_extensions(files: Iterable[str], extensions: Collection[str]) -> list[str]:
    """Those with one of the suffixes, sorted; no suffixes mean all."""
    return sorted(f for f in files if not extensions or Path(f).suffix.lower() in extensions)


class CacheHelper:
    """Keeps listings as they are while it is entered, so that one request sees one state."""

    def __init__(self) -> None:
        self.cache: dict[str, tuple[list[str], dict[str, float], float]] = {}
        self.active = False

    def get(self, key: str, default: Any = None) -> Any:
        return self.cache.get(key, default) if self.active else default

    def set(self, key: str, value: tuple[list[str], dict[str, float], float]) -> None:
        if self.active:
            self.cache[key] = value

    def clear(self) -> None:
        self.cache.clear()

    def __enter__(self) -> CacheHelper:
        self.active = True
        return self

    def __exit__(self, *_: object) -> None:
        self.active = False
        self.clear()


cache_helper = CacheHelper()
