"""Nodes that turn into a piece of graph, in a host's executor: loops."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ...executor.spec import DynPrompt, Expand, Lineage, is_link
from .sockets import ANYTHING

KEPT = {"LoopWhileEnd": ("pattern",)}
"""What a round hands on to the next one, beside its inputs."""


class AsItIs(str):
    """The id of a node class that the host has given: it is handed back unchanged."""

    __slots__ = ()


class Entries(Mapping[str, Mapping[str, Any]]):
    """A graph of the host's, its class ids marked as the host's own."""

    def __init__(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        self._entries = entries

    def __getitem__(self, id: str) -> Mapping[str, Any]:
        entry = self._entries[id]
        return {**entry, "class_type": AsItIs(entry["class_type"])}

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def graph_of(value: Any) -> Any:
    """The host's DYNPROMPT as our nodes know it."""
    home = sys.modules.get("comfy_execution.graph")
    if home is None or not isinstance(value, home.DynamicPrompt):
        return value
    lineage = Lineage()
    for id, parent in value.ephemeral_parents.items():
        lineage.add(id, parent, value.ephemeral_display.get(id))
    return DynPrompt(lambda: Entries(value.get_original_prompt()), Entries(value.ephemeral_prompt), lineage)


class Gathered:
    """What links lead to, as one list. An expansion's result may name single values only."""

    ID = "CarraraGathered"
    TITLE = "Gathered (Carrara)"
    RETURN_TYPES = (ANYTHING["*"],)
    RETURN_NAMES = ("list",)
    FUNCTION = "run"
    CATEGORY = "Carrara/logic/loops"
    DESCRIPTION = "Made by End For Each: the results of all rounds."
    DEPRECATED = True  # so that menus do not offer it
    INPUT_IS_LIST = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {}}

    def run(self, **results: list[Any]) -> tuple[list[Any]]:
        return ([one for held in results.values() for one in held],)


def in_one_piece(expand: Expand, id: str) -> Expand:
    """The same, each result that is a list of links made one link. id: of the node that turns into it."""
    nodes, results = dict(expand.nodes), list(expand.result)
    for slot, result in enumerate(results):
        if isinstance(result, list) and not is_link(result) and any(map(is_link, result)):
            gathered = f"{id}.gathered.{slot}"
            inputs = {f"result{i}": link for i, link in enumerate(result)}
            nodes[gathered] = {"class_type": AsItIs(Gathered.ID), "inputs": inputs, "override_display_id": id}
            results[slot] = [gathered, 0]
    return Expand(nodes, tuple(results), expand.ui)
