"""The model folders of one engine: kinds, names, files. Imports neither torch nor yaml until asked.

A folder given to the engine is laid out as the ecosystem's (`checkpoints/ loras/ vae/ ...`), or is a file
`extra_model_paths.yaml` that says where each kind lies.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from ..errors import DocumentError, ModelNotFound, PathEscape

if TYPE_CHECKING:
    from .handles import Vocabulary
    from .text.tokenizer import Tokenizer

SUFFIXES = (".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft")

KINDS: Mapping[str, tuple[str, ...]] = {
    "checkpoints": ("checkpoints",),
    "configs": ("configs",),
    "loras": ("loras",),
    "vae": ("vae",),
    "text_encoders": ("text_encoders", "clip"),
    "diffusion_models": ("unet", "diffusion_models"),
    "clip_vision": ("clip_vision",),
    "style_models": ("style_models",),
    "embeddings": ("embeddings",),
    "diffusers": ("diffusers",),
    "vae_approx": ("vae_approx",),
    "controlnet": ("controlnet", "t2i_adapter"),
    "gligen": ("gligen",),
    "upscale_models": ("upscale_models",),
    "latent_upscale_models": ("latent_upscale_models",),
    "custom_nodes": ("custom_nodes",),
    "hypernetworks": ("hypernetworks",),
    "photomaker": ("photomaker",),
    "classifiers": ("classifiers",),
    "model_patches": ("model_patches",),
    "audio_encoders": ("audio_encoders",),
}
"""Kind -> the folders below a model folder that hold it."""

SAVED = {
    "checkpoints": "checkpoints", "text_encoders": "clip", "vae": "vae", "diffusion_models": "diffusion_models",
    "loras": "loras",
}  # fmt: skip
"""Kind -> the folder below the output folder that nodes save such models into."""

ALIASES = {"clip": "text_encoders", "unet": "diffusion_models", "t2i_adapter": "controlnet"}

EMBEDDED = Path(__file__).parent / "embedded"
"""The model that comes with the package; always found, last."""


@dataclass(frozen=True)
class Shelf:
    """Where files of a kind lie, first folder first. suffixes: how their names end; none: in any way."""

    folders: Sequence[Path] = ()
    suffixes: Collection[str] = SUFFIXES

    def holds(self, name: str) -> bool:
        return not self.suffixes or Path(name).suffix.lower() in self.suffixes


class View(Protocol):
    """A live table of folders, such as foreign packs write into."""

    def kinds(self) -> Iterable[str]: ...

    def shelf(self, kind: str) -> Shelf | None: ...


@dataclass(frozen=True)
class Models:
    """Where the files of each kind lie, first folder first.

    roots: the model folders themselves. tokenizers: folders named for vocabularies. views: the first that knows a kind
    speaks for it.
    """

    folders: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    roots: tuple[Path, ...] = ()
    tokenizers: tuple[Path, ...] = ()
    allow_download: bool = False
    views: list[View] = field(default_factory=list, repr=False, compare=False)
    _vocabularies: dict[tuple[object, ...], Tokenizer] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def at(
        cls, places: Iterable[Path | str] = (), *, tokenizers: Iterable[Path | str] = (),
        allow_download: bool = False, output: Path | None = None,
    ) -> Models:  # fmt: skip
        """From model folders and `extra_model_paths.yaml` files; what nodes save below `output`, the embedded model."""
        folders: dict[str, list[Path]] = {kind: [] for kind in KINDS}
        roots: list[Path] = []
        for place in (Path(p).expanduser() for p in places):
            if place.suffix in (".yaml", ".yml"):
                for kind, folder, first in read_yaml(place):
                    folders.setdefault(kind, []).insert(0 if first else len(folders[kind]), folder)
            else:
                roots.append(place)
                for kind, names in KINDS.items():
                    folders[kind].extend(place / name for name in names)
        if output is not None:
            for kind, name in SAVED.items():
                folders[kind].append(output / name)
        folders["checkpoints"].append(EMBEDDED)
        named = tuple(Path(t).expanduser() for t in tokenizers)
        return cls({k: tuple(dict.fromkeys(v)) for k, v in folders.items()}, tuple(roots), named, allow_download)

    @property
    def home(self) -> Path:
        """The first model folder."""
        return self.roots[0].absolute() if self.roots else Path("models").absolute()

    def kinds(self) -> tuple[str, ...]:
        """All kinds that there are now."""
        return tuple(dict.fromkeys([*self.folders, *(kind for view in self.views for kind in view.kinds())]))

    def shelf(self, kind: str) -> Shelf:
        """Where files of a kind lie now, and how their names end."""
        kind = ALIASES.get(kind, kind)
        seen = (view.shelf(kind) for view in self.views)
        own = Shelf(self.folders.get(kind, ()), (*SUFFIXES, ".yaml") if kind == "configs" else SUFFIXES)
        return next((found for found in seen if found is not None), own)

    def places(self, kind: str) -> Sequence[Path]:
        """Where files of a kind lie now, first folder first."""
        return self.shelf(kind).folders

    def find(self, kind: str, name: str) -> Path:
        """The file (or Diffusers folder) of that name. Raises ModelNotFound, PathEscape."""
        kind = ALIASES.get(kind, kind)
        if "\\" in name and os.sep != "\\":
            name = name.replace("\\", "/")
        relative = PurePosixPath(name)
        if not name or relative.is_absolute() or ".." in relative.parts or Path(name).is_absolute():
            raise PathEscape("a model name leads outside its folder", got=name, expected="a name as the list shows it")
        for folder in self.places(kind):
            found = folder / name
            if _is_there(found, kind):
                return found
        known = self.list(kind)
        raise ModelNotFound(
            f"no file {name!r} among the {kind}",
            expected=", ".join(known[:8]) + (", ..." if len(known) > 8 else "") if known else None,
            remedy=f"Put it into {self._home(kind)}, or add its folder with --models.",
        )

    def list(self, kind: str) -> tuple[str, ...]:
        """Names of a kind, folders below included, sorted. Unknown kinds are empty."""
        kind = ALIASES.get(kind, kind)
        shelf = self.shelf(kind)
        found = (name for folder in shelf.folders for name in _names(folder, kind, shelf))
        return tuple(sorted(dict.fromkeys(found), key=str.lower))

    def fingerprint(self, kind: str, name: str) -> str:
        """Changes when the file does; without reading all of it."""
        from .header import fingerprint

        path = self.find(kind, name)
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file())
            return repr([(str(p.relative_to(path)), p.stat().st_size, p.stat().st_mtime_ns) for p in files])
        with path.open("rb") as file:
            return fingerprint(file, path.stat().st_size)

    def tokenizer(self, own: Vocabulary, rows: int) -> Tokenizer:
        """The tokenizer of a text encoder with that many rows. Raises TokenizerNotFound."""
        from .text.vocabulary import MERGES, VOCAB, find

        key = (own.metadata.get(VOCAB), own.metadata.get(MERGES), own.folder, rows)
        if key not in self._vocabularies:
            named = (*self.tokenizers, *self.places("tokenizers"))
            self._vocabularies[key] = find(own, rows, named, self.roots, allow_download=self.allow_download)
        return self._vocabularies[key]

    def _home(self, kind: str) -> Path:
        places = [f for f in self.places(kind) if f != EMBEDDED]
        return places[0] if places else Path("MODELS") / kind


def _is_there(path: Path, kind: str) -> bool:
    try:
        return path.is_dir() if kind == "diffusers" else path.is_file()
    except OSError:  # a name too long, for example
        return False


def _names(folder: Path, kind: str, shelf: Shelf) -> Iterator[str]:
    if kind == "custom_nodes":  # packs, and no models
        return
    if kind == "diffusers":
        for index in folder.rglob("model_index.json"):
            yield index.parent.relative_to(folder).as_posix()
        return
    seen: set[str] = set()
    for path, below, files in os.walk(folder, followlinks=True):
        below[:] = [name for name in below if name != ".git"]
        real = os.path.realpath(path)
        if real in seen:  # a link that leads back up
            below.clear()
            continue
        seen.add(real)
        for file in files:
            if shelf.holds(file) and _is_there(Path(path) / file, "file"):  # no pipes, no links to nowhere
                yield (Path(path) / file).relative_to(folder).as_posix()


def read_yaml(path: Path) -> Iterator[tuple[str, Path, bool]]:
    """(kind, folder, whether it goes first) of an `extra_model_paths.yaml`. Raises DocumentError."""
    import yaml

    try:
        loaded = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as e:
        raise DocumentError(f"{path} cannot be read", got=str(e), expected="YAML: name, then kinds and folders") from e
    for name, section in (loaded or {}).items():
        if section is None:
            continue
        if not isinstance(section, dict):
            raise DocumentError(f"{path}: {name} is no group of folders", got=section, expected="kind: folder")
        base = (path.parent / Path(os.path.expandvars(str(section.get("base_path") or "."))).expanduser()).resolve()
        first = section.get("is_default") is True
        for kind, value in section.items():
            if kind in ("base_path", "is_default") or value is None:
                continue
            for line in str(value).splitlines():
                if line.strip():
                    folder = Path(os.path.expandvars(line.strip())).expanduser()
                    yield ALIASES.get(str(kind), str(kind)), base / folder, first
