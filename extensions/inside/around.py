"""What our nodes run in inside a host: its folders, its progress bar, its stop button. Looked up when first needed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from ...executor.spec import Context, Listing
from ...models.compute import Compute
from ...models.residency import Residency
from ...models.services import EMBEDDED, Models, Shelf
from ...nodes.store import Files, Names
from .given import Given, given_pictures


class Engine(Protocol):
    """What is used of an engine here; the package's root hands in what makes one."""

    services: Mapping[type, Any]
    models: Models
    catalogue: Mapping[str, Any]

    def read(self, workflow: Any, overrides: Mapping[str, Any] | None = None) -> Any: ...

    def run(self, workflow: Any, overrides: Mapping[str, Any] | None = None, **how: Any) -> Any: ...


class Inside(Mapping[type, Any]):
    """The services of nodes inside a host, each made when asked for. make: an engine from keyword arguments."""

    def __init__(self, make: Callable[..., Engine]) -> None:
        self.given = Given()
        self._make = make
        self._engine: Engine | None = None
        self._found: dict[type, Any] = {}
        self._makers: dict[type, Callable[[], Any]] = {
            Inside: lambda: self,
            Files: self._files,
            Models: self._models,
            Listing: lambda: Names(self[Models], self[Files]),
            Compute: lambda: self.engine.services[Compute],
            Residency: lambda: self.engine.services[Residency],
        }

    def __getitem__(self, kind: type) -> Any:
        if kind not in self._found:
            self._found[kind] = self._makers[kind]()
        return self._found[kind]

    def __iter__(self) -> Iterator[type]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    @property
    def engine(self) -> Engine:
        """One for the process, on the host's device, with the host's folders."""
        if self._engine is None:
            nodes = [given_pictures(self.given)]
            paths = host("folder_paths")
            if paths is None:
                self._engine = self._make(nodes=nodes)
            else:
                places = {"input_dir": paths.get_input_directory(), "output_dir": paths.get_output_directory()}
                self._engine = self._make(nodes=nodes, device=device(), **places)
                self._engine.models.views.append(HostFolders())
                self._engine.services[Residency].before.append(make_room)
        return self._engine

    def _files(self) -> Files:
        paths = host("folder_paths")
        if paths is None:
            return self.engine.services[Files]  # type: ignore[no-any-return]
        arguments = getattr(host("comfy.cli_args"), "args", None)
        return Files(
            Path(paths.get_input_directory()),
            Path(paths.get_output_directory()),
            Path(paths.get_temp_directory()),
            metadata=not getattr(arguments, "disable_metadata", False),
        )

    def _models(self) -> Models:
        if host("folder_paths") is None:
            return self.engine.services[Models]  # type: ignore[no-any-return]
        found = Models.at([])
        found.views.append(HostFolders())
        return found

    def context(self, hidden: Mapping[str, Any]) -> Context:
        """From the hidden inputs that the node was given."""
        about = hidden.get("EXTRA_PNGINFO")
        return Context(
            node_id=str(hidden.get("UNIQUE_ID") or ""),
            prompt=hidden.get("PROMPT"),
            workflow=about.get("workflow") if isinstance(about, Mapping) else None,
            services=self,
            report=Progress().report,
            cancelled=stopped,
        )


def host(name: str) -> Any:
    """A module of the host's, or None where there is none."""
    return sys.modules.get(name)


class HostFolders:
    """Where the host keeps files of each kind, now; the embedded model comes last."""

    def kinds(self) -> list[str]:
        paths = host("folder_paths")
        return [] if paths is None else list(paths.folder_names_and_paths)

    def shelf(self, kind: str) -> Shelf | None:
        paths = host("folder_paths")
        if paths is not None and kind == "tokenizers":
            return Shelf(vocabularies())
        if paths is None or kind not in paths.folder_names_and_paths:
            return None
        own = [EMBEDDED] if kind == "checkpoints" else []
        suffixes = frozenset(paths.folder_names_and_paths[kind][1])
        return Shelf([*map(Path, paths.get_folder_paths(kind)), *own], suffixes)


def vocabularies() -> list[Path]:
    """Where the host has those that its own text encoders use; CLIP's lies beside its modules."""
    paths, management = host("folder_paths"), host("comfy.model_management")
    own = [] if management is None else [Path(management.__file__).resolve().parent / "sd1_tokenizer"]
    return [Path(paths.models_dir) / "tokenizers", *own]


def device() -> str:
    """The host's, if our networks run there."""
    management = host("comfy.model_management")
    found = "auto" if management is None else str(management.get_torch_device())
    return found if found.partition(":")[0] in ("auto", "cpu", "cuda") else "cpu"


def make_room(size: int) -> None:
    """On a GPU the host puts its own models aside where there is too little memory for ours. size: in bytes."""
    management = host("comfy.model_management")
    if management is not None and device() != "cpu":
        management.free_memory(size + management.minimum_inference_memory(), management.get_torch_device())


def stopped() -> bool:
    """Raises the host's own exception, which passes through our code to the host's executor."""
    management = host("comfy.model_management")
    if management is not None:
        management.throw_exception_if_processing_interrupted()
    return False


class Progress:
    """The host's bar under a node, made anew when the total changes."""

    def __init__(self) -> None:
        self._total: float | None = None
        self._bar: Any = None

    def report(self, value: float, total: float, preview: Any) -> None:
        utils = host("comfy.utils")
        if utils is None:
            return
        if self._total != total:
            self._total, self._bar = total, utils.ProgressBar(total)
        self._bar.update_absolute(value, total, _picture(preview) if previews() else None)


def previews() -> bool:
    """Whether the host is set to show pictures on the way."""
    arguments = getattr(host("comfy.cli_args"), "args", None)
    return getattr(getattr(arguments, "preview_method", None), "value", "auto") != "none"


def _picture(preview: Any) -> tuple[str, Any, int] | None:
    """As the host's bars take it: file format, picture, longest side."""
    from ...models.preview import Preview

    if not isinstance(preview, Preview):
        return None
    from PIL import Image

    pixels = (preview.picture() * 255).round().byte().numpy()
    return "JPEG", Image.fromarray(pixels), 512


@contextmanager
def told() -> Iterator[None]:
    """A package that the host may lack is named with what to do."""
    try:
        yield
    except ImportError as error:
        if error.name != "cv2":
            raise
        raise ImportError("this node needs OpenCV: pip install opencv-python-headless", name="cv2") from error
