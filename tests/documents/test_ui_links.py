"""Links of editor files, through muted, bypassed and drawn nodes."""

from __future__ import annotations

from typing import Any

import pytest
from drawings import INFO, Drawing, text_to_image

from carrara.documents.convert import ui_to_prompt
from carrara.documents.links import compatible
from carrara.documents.signatures import Signatures
from carrara.errors import DocumentError


def convert(d: Drawing) -> dict[str, Any]:
    return ui_to_prompt(d.as_json(), Signatures(INFO))


def test_an_ordinary_workflow() -> None:
    prompt = convert(text_to_image())
    assert prompt["3"] == {
        "class_type": "Sample",
        "inputs": {"seed": 7, "steps": 4, "cfg": 5.5, "sampler": "heun", "model": ["1", 0], "positive": ["2", 0]},
        "_meta": {"title": "Sample"},
    }
    assert prompt["5"]["inputs"] == {"filename_prefix": "boats/one", "images": ["4", 0]}
    assert "6" not in prompt


@pytest.mark.parametrize("mode", [0, 1, 3])
def test_modes_that_run(mode: int) -> None:
    d = Drawing()
    d.node(1, "Load", ["a.bin"], mode=mode)
    assert convert(d)["1"]["inputs"] == {"name": "a.bin"}


def test_what_a_muted_node_would_give_is_missing() -> None:
    d = text_to_image()
    d.nodes[0]["mode"] = 2
    prompt = convert(d)
    assert "1" not in prompt
    assert prompt["2"]["inputs"] == {"text": "a red boat"}
    assert "model" not in prompt["3"]["inputs"]


def test_a_linked_widget_keeps_its_place_and_the_link_wins() -> None:
    d = text_to_image()
    d.node(8, "Number", [3, "fixed"])
    d.link(8, 0, 3, "steps", "INT", widget=True)
    inputs = convert(d)["3"]["inputs"]
    assert (inputs["steps"], inputs["cfg"]) == (["8", 0], 5.5)


def test_a_widget_whose_link_leads_nowhere_keeps_its_value() -> None:
    d = text_to_image()
    d.node(8, "Number", [3, "fixed"], mode=2)
    d.link(8, 0, 3, "steps", "INT", widget=True)
    d.nodes[1]["inputs"].append({"name": "text", "type": "STRING", "link": 999})
    prompt = convert(d)
    assert (prompt["3"]["inputs"]["steps"], prompt["2"]["inputs"]["text"]) == (4, "a red boat")


class TestBypass:
    def blend(self, slot: int, **links: int) -> Any:
        """What a bypassed Blend hands on as output `slot`; links: inputs and their source slots."""
        d = Drawing()
        d.node(1, "Picture")
        d.node(2, "Picture")
        outputs = [{"name": "IMAGE", "type": "IMAGE"}, {"name": "MASK", "type": "MASK"}]
        listed = [{"name": n, "type": t, "link": None} for n, t in (("image", "IMAGE"), ("mask", "MASK"))]
        d.node(3, "Blend", mode=4, outputs=outputs, inputs=[*listed, {"name": "other", "type": "IMAGE", "link": None}])
        d.node(4, "Show")
        for name, source in links.items():
            d.link(source, 1 if name == "mask" else 0, 3, name)
        d.link(3, slot, 4, "source")
        prompt = convert(d)
        assert "3" not in prompt
        return prompt["4"]["inputs"].get("source")

    def test_the_input_beside_the_output(self) -> None:
        assert self.blend(0, image=1, other=2) == ["1", 0]
        assert self.blend(1, mask=2) == ["2", 1]

    def test_no_further_search_when_that_one_is_unlinked(self) -> None:
        assert self.blend(0, other=2) is None

    def test_the_first_that_fits_when_the_one_beside_does_not(self) -> None:
        d = Drawing()
        d.node(1, "Load")
        d.node(2, "Words", ["hi"])
        d.node(3, "Encode", mode=4, outputs=[{"type": "CONDITIONING"}, {"type": "STRING"}])
        d.node(4, "Show")
        d.link(1, 1, 3, "clip", "CLIP")
        d.link(2, 0, 3, "text", "STRING", widget=True)
        d.link(3, 0, 4, "source")
        assert convert(d)["4"]["inputs"] == {}
        d.nodes[2]["outputs"][0]["type"] = "STRING"
        assert convert(d)["4"]["inputs"] == {"source": ["2", 0]}

    def test_inputs_that_the_file_leaves_out_count(self) -> None:
        """Join's first text is not listed in the file, but it is the input beside the output."""
        d = Drawing()
        d.node(1, "Words", ["hi"])
        d.node(2, "Join", ["x", "y"], mode=4, outputs=[{"type": "STRING"}])
        d.node(3, "Show")
        d.link(1, 0, 2, "b", "STRING", widget=True)
        d.link(2, 0, 3, "source")
        assert convert(d)["3"]["inputs"] == {}

    def test_several_in_a_row_and_a_mute_at_the_end(self) -> None:
        d = text_to_image()
        for id, source in ((10, 4), (11, 10)):
            d.node(id, "Resize", ["by factor"], mode=4, outputs=[{"type": "IMAGE"}])
            d.link(source, 0, id, "image", "IMAGE")
        d.nodes[4]["inputs"] = []
        d.link(11, 0, 5, "images", "IMAGE")
        assert convert(d)["5"]["inputs"]["images"] == ["4", 0]
        d.nodes[3]["mode"] = 2
        assert "images" not in convert(d)["5"]["inputs"]

    @pytest.mark.parametrize(
        ("a", "b", "fits"),
        [
            ("IMAGE", "image", True), ("IMAGE", "MASK", False), ("*", "MASK", True), ("IMAGE,MASK", "MASK", True),
            ("IMAGE, MASK", "MASK,LATENT", True), ("IMAGE,MASK", "LATENT", False), ("IMAGE", "IMAGES", False),
        ],
    )  # fmt: skip
    def test_types(self, a: str, b: str, fits: bool) -> None:
        assert compatible(a, b) is compatible(b, a) is fits


class TestReroute:
    @pytest.mark.parametrize("mode", [0, 2, 4])
    def test_passes_whatever_its_mode(self, mode: int) -> None:
        d = text_to_image()
        d.node(8, "Reroute", mode=mode)
        d.node(9, "Reroute")
        d.link(4, 0, 8, "", "*")
        d.link(8, 0, 9, "", "*")
        d.nodes[4]["inputs"] = []
        d.link(9, 0, 5, "images", "IMAGE")
        assert convert(d)["5"]["inputs"]["images"] == ["4", 0]

    def test_unlinked_gives_nothing(self) -> None:
        d = Drawing()
        d.node(1, "Reroute")
        d.node(2, "Show")
        d.link(1, 0, 2, "source")
        assert convert(d)["2"]["inputs"] == {}

    def test_a_circle_is_refused(self) -> None:
        d = Drawing()
        d.node(1, "Reroute")
        d.node(2, "Reroute")
        d.node(3, "Show")
        d.link(1, 0, 2, "")
        d.link(2, 0, 1, "")
        d.link(2, 0, 3, "source")
        with pytest.raises(DocumentError, match="circle"):
            convert(d)

    def test_native_reroutes_are_only_drawn(self) -> None:
        form = text_to_image().as_json()
        form["extra"] = {
            "reroutes": [{"id": 1, "pos": [0, 0], "linkIds": [4]}],
            "linkExtensions": [{"id": 4, "parentId": 1}],
        }
        assert ui_to_prompt(form, Signatures(INFO))["4"]["inputs"] == {"latent": ["3", 0]}


class TestPrimitive:
    def drawing(self, mode: int = 0) -> Drawing:
        d = text_to_image()
        d.node(8, "PrimitiveNode", [99, "fixed"], mode=mode)
        return d

    @pytest.mark.parametrize("mode", [0, 2, 4])
    def test_writes_its_value_into_the_widget(self, mode: int) -> None:
        d = self.drawing(mode)
        d.link(8, 0, 3, "steps", "INT", widget=True)
        prompt = convert(d)
        assert prompt["3"]["inputs"]["steps"] == 99
        assert "8" not in prompt

    def test_not_through_a_reroute(self) -> None:
        d = self.drawing()
        d.node(9, "Reroute")
        d.link(8, 0, 9, "")
        d.link(9, 0, 3, "steps", "INT", widget=True)
        assert convert(d)["3"]["inputs"]["steps"] == 4

    def test_not_into_a_plain_socket(self) -> None:
        d = self.drawing()
        d.node(9, "Show")
        d.link(8, 0, 9, "source")
        assert convert(d)["9"]["inputs"] == {}


def test_autogrow_inputs_keep_the_names_of_the_file() -> None:
    d = Drawing()
    d.node(1, "Picture")
    d.node(2, "Batch", [3], inputs=[{"name": "images.image0", "type": "IMAGE", "link": None}])
    d.link(1, 0, 2, "images.image1", "IMAGE")
    assert convert(d)["2"]["inputs"] == {"count": 3, "images.image1": ["1", 0]}


def test_links_may_be_objects_and_ids_texts() -> None:
    form = text_to_image().as_json()
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    form["links"] = [
        None,
        *(dict(zip(keys, [str(link[0]), str(link[1]), *link[2:]], strict=True)) for link in form["links"]),
    ]
    for node in form["nodes"]:
        node["id"] = str(node["id"])
    assert ui_to_prompt(form, Signatures(INFO)) == convert(text_to_image())


def test_ten_thousand_nodes() -> None:
    """A chain of bypassed nodes and one of running ones; no recursion, and every link is followed once."""
    d = Drawing()
    d.node(1, "Picture")
    for id in range(2, 10_002):
        mode = 0 if id > 5_000 else 4
        d.nodes.append(
            {
                "id": id, "type": "Resize", "mode": mode, "widgets_values": ["by factor", 1.0],
                "inputs": [{"name": "image", "type": "IMAGE", "link": id}], "outputs": [{"type": "IMAGE"}],
            }
        )  # fmt: skip
        d.links.append((id, id - 1, 0, id, 0))
    prompt = convert(d)
    assert len(prompt) == 5_002
    assert prompt["5001"]["inputs"]["image"] == ["1", 0]
    assert prompt["10001"]["inputs"]["image"] == ["10000", 0]
