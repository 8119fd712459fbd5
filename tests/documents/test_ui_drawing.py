"""Drawing aids of packs: links by name, reroutes, labels and switches."""

from __future__ import annotations

from typing import Any

import pytest
from drawings import INFO, Drawing, entry, text_to_image

from carrara.documents.convert import ui_to_prompt
from carrara.documents.signatures import Signatures
from carrara.errors import DocumentError


def convert(d: Drawing, **more: Any) -> dict[str, Any]:
    return ui_to_prompt(d.as_json(), Signatures({**INFO, **more}))


def by_name(d: Drawing, setter: int, getter: int, name: str, kinds: tuple[str, str] = ("SetNode", "GetNode")) -> None:
    d.node(setter, kinds[0], [name])
    d.node(getter, kinds[1], [name])


@pytest.mark.parametrize("kinds", [("SetNode", "GetNode"), ("easy setNode", "easy getNode")])
@pytest.mark.parametrize("mode", [0, 2, 4])
def test_a_link_by_name(kinds: tuple[str, str], mode: int) -> None:
    d = Drawing()
    d.node(1, "Load", ["a.bin"])
    by_name(d, 2, 3, "text side", kinds)
    d.node(4, kinds[0], ["another"])
    d.node(5, "Encode", ["words"])
    d.nodes[1]["mode"] = mode
    d.link(1, 1, 2, "CLIP", "CLIP")
    d.link(1, 0, 4, "MODEL", "MODEL")
    d.link(3, 0, 5, "clip", "CLIP")
    prompt = convert(d)
    assert set(prompt) == {"1", "5"}
    assert prompt["5"]["inputs"] == {"text": "words", "clip": ["1", 1]}


def test_the_beginning_hands_on_too_and_names_lead_to_names() -> None:
    d = Drawing()
    d.node(1, "Decode")
    by_name(d, 2, 3, "first")
    by_name(d, 4, 5, "second")
    d.node(6, "Show")
    d.node(7, "Show")
    d.link(1, 0, 2, "IMAGE")
    d.link(3, 0, 4, "IMAGE")
    d.link(5, 0, 6, "source")
    d.link(4, 0, 7, "source")
    prompt = convert(d)
    assert prompt["6"]["inputs"] == prompt["7"]["inputs"] == {"source": ["1", 0]}


def test_a_name_nobody_gives_and_a_bypassed_end_give_nothing() -> None:
    d = text_to_image()
    d.node(8, "GetNode", ["of nobody"])
    by_name(d, 9, 10, "latent")
    d.nodes[-1]["mode"] = 4
    d.node(11, "GetNode", [])
    d.link(3, 0, 9, "LATENT")
    for at, source in enumerate((8, 10, 11), 20):
        d.node(at, "Show")
        d.link(source, 0, at, "source")
    prompt = convert(d)
    assert [prompt[str(at)]["inputs"] for at in (20, 21, 22)] == [{}, {}, {}]


def nested(*names_inside: str) -> Drawing:
    """A subgraph that takes a picture by the name `picture`; names_inside: what is set in there as well."""
    inner = Drawing("inner", [], ["IMAGE"])
    inner.node(11, "GetNode", ["picture"])
    inner.node(12, "Show")
    inner.link(11, 0, 12, "source")
    inner.out(11, 0, 0)
    for at, name in enumerate(names_inside, 13):
        inner.node(f"p{at}", "Picture")
        inner.node(at, "SetNode", [name])
        inner.link(f"p{at}", 0, at, "IMAGE")
    d = Drawing()
    d.node(1, "Picture")
    d.node(2, "SetNode", ["picture"])
    d.link(1, 0, 2, "IMAGE")
    d.node(3, "inner")
    d.node(4, "Show")
    d.link(3, 0, 4, "source")
    d.subgraphs.append(inner)
    return d


def test_names_are_seen_from_subgraphs() -> None:
    prompt = convert(nested("other"))
    assert prompt["3:12"]["inputs"] == prompt["4"]["inputs"] == {"source": ["1", 0]}


def test_the_nearest_name_counts() -> None:
    prompt = convert(nested("picture"))
    assert prompt["3:12"]["inputs"] == prompt["4"]["inputs"] == {"source": ["3:p13", 0]}


def test_names_in_a_subgraph_are_not_seen_outside() -> None:
    d = nested("hidden")
    d.node(5, "GetNode", ["hidden"])
    d.node(6, "Show")
    d.link(5, 0, 6, "source")
    assert convert(d)["6"]["inputs"] == {}


def test_names_in_a_circle_are_refused() -> None:
    d = Drawing()
    by_name(d, 1, 2, "round")
    d.node(3, "Show")
    d.link(2, 0, 1, "*")
    d.link(2, 0, 3, "source")
    with pytest.raises(DocumentError, match="circle"):
        convert(d)


def test_a_class_of_that_name_is_a_node() -> None:
    d = Drawing()
    d.node(1, "GetNode", ["where"])
    d.node(2, "Label (rgthree)")
    d.node(3, "Show")
    d.link(1, 0, 3, "source")
    own = entry({"key": ["STRING", {}]}, output=["IMAGE"])
    prompt = convert(d, GetNode=own)
    assert set(prompt) == {"1", "3"} and prompt["3"]["inputs"] == {"source": ["1", 0]}
    assert prompt["1"]["inputs"] == {"key": "where"}


def test_labels_switches_and_reroutes_of_packs_are_only_drawn() -> None:
    d = text_to_image()
    d.node(8, "Reroute (rgthree)")
    d.link(4, 0, 8, "", "*")
    d.nodes[4]["inputs"] = []
    d.link(8, 0, 5, "images", "IMAGE")
    for at, name in enumerate(("Label", "Fast Groups Bypasser", "Mute / Bypass Repeater"), 9):
        d.node(at, f"{name} (rgthree)")
    d.link(4, 0, 11, "Decode", "*")
    prompt = convert(d)
    assert set(prompt) == {"1", "2", "3", "4", "5"}
    assert prompt["5"]["inputs"]["images"] == ["4", 0]
