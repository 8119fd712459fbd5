"""The host of foreign packs: one for each engine that has any, and the home of all their state."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import Unsupported
from ..executor.spec import Catalog, Context, NodeSpec, Services
from .border import Border
from .modules import Modules
from .packs import Pack
from .plain import plain_border

if TYPE_CHECKING:
    from .imports import Space


class Channel(Protocol):
    """The way to whoever watches: the server's sockets and routes, or nobody."""

    client_id: str | None
    last_node_id: str | None
    last_prompt_id: str | None
    routes: list[tuple[str, str, Callable[..., Any]]]
    """Method, path and handler, as packs registered them."""
    prompt_handlers: list[Callable[[dict[str, Any]], dict[str, Any]]]

    def send(self, event: str | int, data: Any, client: str | None = None) -> None:
        """Tell one client, or all."""
        ...

    def queue_remaining(self) -> int:
        """Jobs that run or wait."""
        ...


class Nobody:
    """No server: routes are collected, messages dropped."""

    def __init__(self) -> None:
        self.client_id: str | None = None
        self.last_node_id: str | None = None
        self.last_prompt_id: str | None = None
        self.routes: list[tuple[str, str, Callable[..., Any]]] = []
        self.prompt_handlers: list[Callable[[dict[str, Any]], dict[str, Any]]] = []

    def send(self, event: str | int, data: Any, client: str | None = None) -> None:
        return None

    def queue_remaining(self) -> int:
        return 0


class Host:
    """What foreign packs of one engine share.

    services: the engine's. catalogue: gives the engine's nodes once all packs are in. base: the folder that stands for
    the program's own, where packs look for `custom_nodes` and `models`. Raises Unsupported where a real ComfyUI runs
    in this process already, unless `beside` it.
    """

    def __init__(
        self,
        services: Services | None = None,
        catalogue: Callable[[], Mapping[str, NodeSpec]] = Catalog,
        *,
        base: Path | None = None,
        channel: Channel | None = None,
        border: Border | None = None,
        beside: bool = False,
    ) -> None:
        if not beside and any(name in sys.modules for name in ("folder_paths", "comfy.model_management")):
            raise Unsupported(
                "this process runs ComfyUI already, which has the packs' modules itself",
                remedy="Load packs there, or start Carrara in a process of its own.",
            )
        self.services: Services = services or {}
        self.catalogue = catalogue
        self.base = base or Path.cwd()
        self.channel: Channel = channel or Nobody()
        if border is not None:
            self.border = border
        self.modules = Modules(self)
        self.packs: list[Pack] = []
        self.folders: list[Path] = []
        """Those that hold packs."""
        self.instances = Instances()
        self.classes: dict[str, type] = {}
        self.titles: dict[str, str] = {}
        self.spaces: dict[str, Space] = {}  # file or folder name of a pack -> its names
        self._webs: set[str] = set()
        self._core: frozenset[str] = frozenset()

    @cached_property
    def border(self) -> Border:
        """Made when the first value crosses: its rows need torch."""
        from .patchers.rows import rows

        return plain_border().plus(rows(self))

    def publish(self, classes: Mapping[str, type], titles: Mapping[str, str]) -> None:
        """Let packs that ask for all node classes find these too."""
        self.classes.update(classes)
        self.titles.update({id: title for id, title in titles.items() if id in classes})
        nodes = self.modules.loaded().get("nodes")
        if nodes is not None:
            self.executed("nodes", nodes)

    def executed(self, name: str, module: ModuleType) -> None:
        """A compat module is there: the one that lists all node classes gets those of the packs."""
        if name == "nodes":
            self._core = self._core or frozenset(vars(module).setdefault("NODE_CLASS_MAPPINGS", {}))
            vars(module)["NODE_CLASS_MAPPINGS"].update(self.classes)
            vars(module).setdefault("NODE_DISPLAY_NAME_MAPPINGS", {}).update(self.titles)

    def web_folders(self) -> dict[str, Path]:
        """Folders of editor files that packs named since the last call, in the list of all of them."""
        nodes = self.modules.loaded().get("nodes")
        listed = {} if nodes is None else vars(nodes).get("EXTENSION_WEB_DIRS", {})
        new = {name: Path(folder) for name, folder in listed.items() if name not in self._webs}
        self._webs |= set(new)
        return {name: folder for name, folder in new.items() if folder.is_dir()}

    def core(self) -> dict[str, type]:
        """The core's node classes, once a pack has asked for their list."""
        nodes = self.modules.loaded().get("nodes")
        listed = {} if nodes is None else vars(nodes).get("NODE_CLASS_MAPPINGS", {})
        return {id: listed[id] for id in sorted(self._core) if id in listed}

    def planted(self) -> dict[str, type]:
        """Node classes that packs put into the list of all node classes themselves."""
        nodes = self.modules.loaded().get("nodes")
        listed = {} if nodes is None else vars(nodes).get("NODE_CLASS_MAPPINGS", {})
        return {id: kind for id, kind in listed.items() if id not in self._core and id not in self.classes}


class Instances:
    """The objects of foreign node classes: one for each node, kept while successive prompts have that node."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, type], Any] = {}

    def begin(self, graph: Mapping[str, Any]) -> None:
        """A prompt starts: objects of nodes that it does not have are dropped, with those of nodes they grew into."""
        for key in list(self._made):
            if key[0] not in graph and key[0].partition(".")[0] not in graph:
                self._made.pop(key, None)

    def of(self, kind: type, ctx: Context) -> Any:
        key = (ctx.node_id, kind)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = kind()
        return found
