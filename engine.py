"""The engine: catalogue, model folders and executor behind one object. Several may live in one process.

engine = carrara.Engine(models=["~/models"], output_dir="out")
result = engine.run("workflow.json", {"3.seed": 7})
result.files, result.values["9"], result.node_seconds
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .builder import Graph as Builder
from .documents.read import Document, read
from .documents.signatures import Signatures
from .documents.write import api_text
from .errors import CarraraError, InputError, Problem, UnknownNode
from .executor.cache import Bounded, Cache
from .executor.events import RunFinished, Sink
from .executor.graph import Graph, Node
from .executor.run import Cancel, Executor, RunResult
from .executor.spec import Catalog, Listing
from .executor.store import Store
from .executor.validate import Checked
from .executor.views import object_info
from .extensions.packs import Absent, Pack, entries, installed
from .folders import cache_folder, data_folder, listed, own_models
from .models.codec import TensorCodec, sizeof
from .models.compute import Compute
from .models.menus import Menus
from .models.residency import Residency
from .models.services import KINDS, Models
from .nodes.catalog import catalogue
from .nodes.store import Files, Names
from .result import Pulled, Result, unreadable

if TYPE_CHECKING:
    from .extensions.host import Host
    from .running import Running

Workflow = str | os.PathLike[str] | Mapping[str, Any] | Builder | Graph
MEMORY_CACHE = 2 << 30
RESULTS_VERSION = "1"
"""Raised when a change of the engine itself changes results; stored ones are then not used."""


class Infos(Mapping[str, Any]):
    """/object_info of a catalogue, each entry made when asked for."""

    def __init__(self, catalog: Catalog, services: Mapping[type, Any], more: Mapping[str, Any]) -> None:
        self._catalog = catalog
        self._services = services
        self._more = more

    def __getitem__(self, id: str) -> Any:
        """Raises KeyError also where a pack's class cannot say what it is now."""
        if id not in self._catalog:
            return self._more[id]
        spec = self._catalog[id]
        if spec.info is None:
            return object_info(spec, self._services, id)
        try:
            return object_info(spec, self._services, id)
        except Exception as error:  # a pack's code may raise anything
            raise KeyError(id) from error

    def __iter__(self) -> Iterator[str]:
        yield from self._catalog
        yield from (id for id in self._more if id not in self._catalog)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def whole(self) -> dict[str, Any]:
        """All entries; a pack's node whose declaration raises now is left out."""
        found: dict[str, Any] = {}
        for id in self:
            with suppress(KeyError):
                found[id] = self[id]
        return found


class Engine:
    """Runs workflows. Nothing is loaded before a node needs it.

    models: folders laid out as the ecosystem's, or extra_model_paths.yaml files. nodes: own node functions.
    custom_nodes: folders of node packs. device: auto, cpu, cuda or cuda:N. dtype: auto, fp32, bf16, fp16.
    cache: folder of stored results, None for the user's cache folder, "off" for none. memory: bytes of results kept
    in memory; keep: another rule for what stays there. workers: branches that may run side by side. object_info:
    signatures of other nodes, for reading files.
    """

    def __init__(
        self,
        models: Iterable[str | os.PathLike[str]] = (),
        *,
        device: str = "auto",
        dtype: str = "auto",
        nodes: Iterable[Callable[..., Any]] = (),
        custom_nodes: Iterable[str | os.PathLike[str]] = (),
        input_dir: str | os.PathLike[str] | None = None,
        output_dir: str | os.PathLike[str] | None = None,
        user_dir: str | os.PathLike[str] | None = None,
        cache: str | os.PathLike[str] | None = None,
        memory: int = MEMORY_CACHE,
        keep: Cache | None = None,
        workers: int = 1,
        metadata: bool = True,
        allow_download: bool = False,
        object_info: str | os.PathLike[str] | None = None,
    ) -> None:
        self.catalogue = catalogue().plus(nodes)
        temp = Path(tempfile.gettempdir()) / f"carrara-{os.getpid()}-{os.urandom(4).hex()}"
        user = None if user_dir is None else Path(user_dir).expanduser()
        self.files = Files(data_folder(input_dir, "input"), data_folder(output_dir, "output"), temp, metadata, user)
        self.models = Models.at(
            [*map(Path, models), *listed("CARRARA_MODELS"), *own_models()],
            tokenizers=listed("CARRARA_TOKENIZERS"),
            allow_download=allow_download,
            output=self.files.output_dir,
        )
        self.compute = Compute.resolve(device, dtype)
        self.residency = Residency(self.compute)
        self.services: Mapping[type, Any] = {
            Files: self.files,
            Models: self.models,
            Compute: self.compute,
            Residency: self.residency,
            Listing: Names(self.models, self.files),
        }
        self.packs: list[Pack] = []
        self.host: Host | None = None
        self._load_packs([Path(folder).expanduser() for folder in custom_nodes])
        more = Signatures.load(Path(object_info)).info if object_info is not None else {}
        self._signatures = Signatures(Infos(self.catalogue, self.services, more))
        self._store = None if str(cache) == "off" else Store(cache or cache_folder(), TensorCodec())
        self._executor = Executor(
            self.catalogue,
            self.services,
            Bounded(bytes=memory, sizeof=sizeof) if keep is None else keep,
            self._store,
            workers,
            salt=f"{RESULTS_VERSION}|{self.compute.device.partition(':')[0]}|{self.compute.dtype}".encode(),
            output_salt=str(self.files.output_dir).encode(),
            scope=_no_grad,
            begun=None if self.host is None else self.host.instances.begin,
        )
        self._close = weakref.finalize(self, _clean, temp, self._store)

    def _load_packs(self, folders: list[Path]) -> None:
        """Packs of these folders and installed ones join the catalogue. Their machinery is imported only for some."""
        points, found = installed(), any(entries(folders))
        if not points and not found:
            return
        from .extensions.installed import Roll, load_installed

        roll = Roll(self.catalogue)
        self.packs = load_installed(points, roll)
        if found:
            from .extensions.loader import load
            from .extensions.menus import TheirMenus

            self.host, packs = load(folders, roll, self.services, lambda: self.catalogue, self.files.temp_dir)
            self.packs = [*map(roll.kept, self.packs), *packs]
            self.services = self.host.services = {**self.services, Menus: TheirMenus(self.host)}
        left = self.catalogue.yielding(roll.displaced)
        self.catalogue = left.plus(roll.nodes.values(), Absent(self.packs, {*left, *roll.nodes}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits to be stored, drop networks and temporary files. The engine is of no use afterwards."""
        self.residency.release()
        self._close()

    # --- reading -------------------------------------------------------------------------------------------

    def read(self, workflow: Workflow, overrides: Mapping[str, Any] | None = None) -> Document:
        """A workflow in any form, with inputs changed: `{"3.seed": 7}`; the node by id, title or class."""
        if isinstance(workflow, Builder):
            workflow = workflow.to_api()
        if isinstance(workflow, Graph):
            document = Document(workflow, "api", "a graph")
        else:
            document = read(workflow, self._signatures)
        if not overrides:
            return document
        changes: dict[str, dict[str, Any]] = {}
        for target, value in overrides.items():
            node, name = _locate(document.graph, target)
            self._known(document.graph[node], name)
            changes.setdefault(node, {})[name] = value
        graph = document.graph.with_inputs(changes)
        return Document(graph, document.form, document.source, document.workflow)

    def _known(self, node: Node, name: str) -> None:
        """An override of an input that the node does not have would change nothing. Raises InputError."""
        spec = self.catalogue.get(node.type)
        if spec is None or spec.variadic or name in node.inputs or spec.input(name.partition(".")[0]):
            return
        raise InputError(
            f"node {node.id} ({node.type}) has no such input", got=name, expected=[port.name for port in spec.inputs]
        )

    def convert(self, workflow: Workflow) -> str:
        """The workflow in API form, as JSON text."""
        return api_text(self.read(workflow).graph)

    def check(self, workflow: Workflow, overrides: Mapping[str, Any] | None = None) -> tuple[Problem, ...]:
        """Everything that keeps a workflow from running; empty when nothing does."""
        try:
            document = self.read(workflow, overrides)
        except CarraraError as error:
            return (unreadable(error),)
        return self._executor.check(document.graph).problems

    def examine(self, graph: Graph, targets: Iterable[str] | None = None) -> Checked:
        """The same of a graph, with what could run of it."""
        return self._executor.check(graph, targets)

    def free(self, *, networks: bool = True, results: bool = False) -> None:
        """Give memory back: networks, and results kept in memory. Not while something runs."""
        if networks:
            self.residency.release()
        if results:
            self._executor.cache.clear()

    def object_info(self, name: str | None = None) -> dict[str, Any]:
        """The catalogue, or one node, as editors read it. Raises UnknownNode."""
        infos = Infos(self.catalogue, self.services, {})
        if name is None:
            return infos.whole()
        if name not in self.catalogue:
            near = self.catalogue.similar(name)
            why = self.catalogue.absent.get(name) or (f"Did you mean {' or '.join(near)}?" if near else "")
            raise UnknownNode(f"no node is called {name}", remedy=why)
        try:
            return {name: infos[name]}
        except KeyError as error:
            raise UnknownNode(f"{name} cannot say what its inputs are", got=error.__cause__) from error

    def model_files(self) -> dict[str, list[str]]:
        """Names of the model files of every kind, in the order the folders are searched."""
        return {kind: list(self.models.list(kind)) for kind in KINDS}

    # --- running -------------------------------------------------------------------------------------------

    def run(
        self,
        workflow: Workflow,
        overrides: Mapping[str, Any] | None = None,
        *,
        targets: Iterable[str] | None = None,
        partial: bool = False,
        on_event: Sink | None = None,
        cancel: Cancel | None = None,
    ) -> Result:
        """Run a workflow and hand back what it made. Raises GraphError, NodeFailed, Interrupted, DocumentError.

        targets: node ids to compute, instead of the output nodes. partial: run what is valid although the rest is not.
        """
        result = self.attempt(workflow, overrides, targets=targets, partial=partial, on_event=on_event, cancel=cancel)
        if result.error is not None:
            raise result.error
        return result

    def attempt(
        self,
        workflow: Workflow,
        overrides: Mapping[str, Any] | None = None,
        *,
        targets: Iterable[str] | None = None,
        partial: bool = False,
        on_event: Sink | None = None,
        cancel: Cancel | None = None,
        hidden: Mapping[str, Any] | None = None,
    ) -> Result:
        """As `run`, but what goes wrong is told in the result's status, problems and error.

        hidden: values of nodes' hidden parameters, by what they are (EXTRA_PNGINFO, API_KEY_COMFY_ORG, ...).
        """
        try:
            document = self.read(workflow, overrides)
        except CarraraError as error:
            if on_event is not None:
                on_event(RunFinished("invalid", 0.0))
            return Result("invalid", problems=(unreadable(error),), error=error)
        ran = self._executor.run(
            document.graph,
            targets=targets,
            cancel=cancel,
            sink=on_event,
            partial=partial,
            workflow=document.workflow,
            hidden=hidden,
        )
        return self._result(document.graph, ran)

    def arun(
        self,
        workflow: Workflow,
        overrides: Mapping[str, Any] | None = None,
        *,
        targets: Iterable[str] | None = None,
        partial: bool = False,
    ) -> Running:
        """The same without blocking: `result = await engine.arun(w)`, or `async for event in engine.arun(w)`."""
        from .running import Running

        return Running(
            lambda sink, cancel: self.attempt(
                workflow, overrides, targets=targets, partial=partial, on_event=sink, cancel=cancel
            )
        )

    def _result(self, graph: Graph, ran: RunResult) -> Result:
        outputs = {
            id: {**ran.ui.get(id, {}), "files": list(ran.files.get(id, ()))}
            for id in graph
            if id in ran.ui or id in ran.files
        }
        files = tuple(dict.fromkeys(Path(file) for names in ran.files.values() for file in names))
        return Result(
            status=ran.status,
            values=Pulled(graph, ran.values, lambda id: self._executor.run(graph, targets=[id])),
            outputs=outputs,
            files=files,
            executed=ran.executed,
            cached=ran.cached,
            node_seconds=ran.node_seconds,
            reasons=ran.reasons,
            problems=ran.problems,
            seconds=ran.seconds,
            error=ran.error,
        )


def _no_grad() -> AbstractContextManager[Any]:
    """Nodes compute, they do not train. Without torch in the process there is nothing to switch off."""
    torch = sys.modules.get("torch")
    return nullcontext() if torch is None else torch.no_grad()


def _clean(temp: Path, store: Store | None) -> None:
    if store is not None:
        store.close()
    shutil.rmtree(temp, ignore_errors=True)


def _locate(graph: Graph, target: str) -> tuple[str, str]:
    """`3.seed`, `My sampler.seed` or `KSampler.seed` to node id and input name."""
    dots = [i for i, letter in enumerate(target) if letter == "."]
    for dot in reversed(dots):
        name, port = target[:dot], target[dot + 1 :]
        found = graph.find(name) or [id for id, node in graph.items() if node.type == name]
        if len(found) == 1:
            return found[0], port
        if found:
            raise InputError("several nodes have that name", got=name, expected=found, remedy="Use an id.")
    raise InputError(
        "no node of this workflow is meant",
        got=target,
        expected="NODE.input, NODE an id or a title",
        remedy="Ids here: " + ", ".join(list(graph)[:20]),
    )


def inspect_model(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a model file is, from its header alone. Raises ModelError."""
    from .models.inspection import inspect

    return inspect(Path(path).expanduser())
