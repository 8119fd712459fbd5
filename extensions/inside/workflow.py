"""A saved workflow as one node of a host: Carrara's own engine runs it, whatever nodes the host has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from ...errors import InputError, Interrupted, PathEscape
from ...executor.spec import Context, Optional, Out, Services, Text, node
from ...models.values import Image, Mask
from ...nodes.store import Files, inside
from .around import Inside, host, stopped
from .given import GIVEN

if TYPE_CHECKING:
    from .around import Engine

LOADERS = ("LoadImage", "LoadImageMask")
EXAMPLES = Path(__file__).resolve().parents[2] / "workflows"


class Made(NamedTuple):
    """What the workflow made."""

    images: Annotated[list[Image], Out("images"), "One batch for each node that saves or shows pictures, in order."]
    report: Annotated[str, Out("report"), "What ran, for how long, and what was written, as JSON."]


def stamp(workflow: str | None, services: Services) -> tuple[Any, ...]:
    """Changes when the file does."""
    if workflow is None or written(workflow):
        return ()
    about = find(workflow, services[Files]).stat()
    return about.st_mtime_ns, about.st_size


def fault(workflow: str | None, services: Services) -> str | None:
    """Why the workflow cannot be read, if that is so."""
    if workflow is None:
        return None
    try:
        source(workflow, services[Files])
    except InputError as error:
        return str(error)
    return None


@node("RunWorkflow", category="workflow", title="Run Workflow", reads=stamp, validate=fault)
def run_workflow(
    workflow: Annotated[
        str, Text(multiline=True), "The name of a workflow file or of a picture that carries one, or JSON itself."
    ] = "hello.json",
    changes: Annotated[
        str, Text(multiline=True), Optional(), "One a line: NODE.input = value, the node by id or title."
    ] = "",
    image: Annotated[Image | None, "Goes into the workflow in the place of the picture that it loads."] = None,
    mask: Annotated[Mask | None, "Goes in with the picture."] = None,
    image_node: Annotated[str, Optional(), "Which node is meant, by id or title, if several load pictures."] = "",
    save_files: Annotated[bool, Optional(), "Whether the workflow's own savers write their files."] = False,
    *,
    ctx: Context,
) -> Made:
    """Run a saved workflow with Carrara's own engine, as one node: pictures in, pictures out."""
    world = ctx.service(Inside)
    engine = world.engine
    graph = engine.read(source(workflow, ctx.service(Files)), assigned(changes)).graph
    if image is not None:
        graph = with_pictures(graph, image_node, world.given.put(image, _mask(image, mask)))
    ends = pictures_of(engine, graph)
    if not ends:
        raise InputError("the workflow makes no picture", expected="a node that saves or shows one")

    def on_event(event: Any) -> None:
        if hasattr(event, "value"):  # of all events only a node's progress has one
            ctx.report(event.value, event.total, event.preview)

    targets = None if save_files else list(dict.fromkeys(link.node for link in ends))
    try:
        result = engine.run(graph, targets=targets, on_event=on_event, cancel=Stop())
    except Interrupted:
        stopped()
        raise
    found = [result.values[link.node][link.slot] for link in ends]
    told = {
        "seconds": round(result.seconds, 3),
        "executed": list(result.executed),
        "cached": list(result.cached),
        "files": [str(file) for file in result.files],
    }
    return Made([batch for one in found for batch in (one if isinstance(one, list) else [one])], json.dumps(told))


class Stop:
    """The host's stop button, as runs of ours look at it."""

    def is_set(self) -> bool:
        management = host("comfy.model_management")
        return management is not None and bool(management.processing_interrupted())


def written(workflow: str) -> bool:
    """Whether the text is the workflow itself and no name."""
    return workflow.lstrip().startswith("{")


def source(workflow: str, files: Files) -> Any:
    """What engines read: the file of that name, or the document that the text is. Raises InputError."""
    if not written(workflow):
        return find(workflow, files)
    try:
        return json.loads(workflow)
    except ValueError as error:
        raise InputError("the workflow is no JSON", got=str(error), remedy="Paste the whole file.") from error


def find(name: str, files: Files) -> Path:
    """The file of that name among the user's workflows, in the input folder or among the examples.

    Raises InputError; PathEscape for a name that leads outside.
    """
    paths = host("folder_paths")
    user = [] if paths is None else [Path(paths.get_user_directory()) / "default" / "workflows"]
    places = [*user, files.input_dir, EXAMPLES]
    name = name.strip()
    for place in places:
        for spelt in (name, f"{name}.json"):
            try:
                found = inside(place, spelt)
            except PathEscape as error:
                raise InputError("a workflow's name leads outside its folder", got=name) from error
            if found.is_file():
                return found
    raise InputError("no such workflow", got=name, remedy=f"Put it into {places[0]}, or paste its JSON.")


def assigned(changes: str) -> dict[str, Any]:
    """`3.seed = 7`, a line each. Values are JSON; what is none is a text."""
    out: dict[str, Any] = {}
    for line in filter(None, map(str.strip, changes.splitlines())):
        target, equals, value = line.partition("=")
        if not equals:
            raise InputError("this line changes nothing", got=line, expected="NODE.input = value")
        try:
            out[target.strip()] = json.loads(value)
        except ValueError:
            out[target.strip()] = value.strip()
    return out


def with_pictures(graph: Any, which: str, key: str) -> Any:
    """The graph with the node that loads a picture replaced by the pictures given."""
    found = [which] if which in graph else graph.find(which) if which else []
    if not which:
        found = [id for id, one in graph.items() if one.type in LOADERS]
    if len(found) != 1 or graph[found[0]].type not in LOADERS:
        raise InputError(
            "it is not clear where the picture goes", got=which or f"{len(found)} nodes that load pictures",
            expected="the id or title of one node that loads a picture", remedy="Name it in image_node.",
        )  # fmt: skip
    one = graph[found[0]]
    if one.type == "LoadImageMask":
        for id, user in graph.items():
            links = {n: v for n, v in user.inputs.items() if getattr(v, "node", None) == one.id}
            if links:
                moved = {n: replace(v, slot=1) for n, v in links.items()}
                graph = graph.with_node(replace(graph[id], inputs={**user.inputs, **moved}))
    return graph.with_node(replace(one, type=GIVEN, inputs={"key": key}))


def pictures_of(engine: Engine, graph: Any) -> list[Any]:
    """The links that bring pictures to output nodes."""
    catalogue: Mapping[str, Any] = engine.catalogue
    links = []
    for one in graph.values():
        spec = catalogue.get(one.type)
        for port in spec.inputs if spec is not None and spec.output else ():
            link = one.inputs.get(port.name)
            if "IMAGE" in port.type.split(",") and hasattr(link, "slot"):
                links.append(link)
    return links


def _mask(image: Any, mask: Any) -> Any:
    import torch

    if mask is None:
        return 1.0 - image[..., 3] if image.shape[-1] == 4 else torch.zeros(image.shape[:-1])
    return mask[None] if mask.ndim == 2 else mask
