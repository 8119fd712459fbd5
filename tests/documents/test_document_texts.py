"""Choices in prompts and tokens in file names."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from drawings import INFO, text_to_image

from carrara.documents.convert import ui_to_prompt
from carrara.documents.signatures import Signatures
from carrara.documents.texts import Chooser, choose, fill_tokens, strip_comments

NOW = datetime(2031, 4, 9, 7, 5, 3)


def first(_: int) -> int:
    return 0


def last(options: int) -> int:
    return options - 1


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("plain", "plain", "plain"),
        ("a {red|blue} boat", "a red boat", "a blue boat"),
        ("{a|{b|c}} {d}", "a d", "c d"),
        ("{|x}", "", "x"),
        (r"\{a|b\}", "{a|b}", "{a|b}"),
        (r"{a\|b|c}", "a|b", "c"),
        (r"(keep \(this\)) \n", r"(keep \(this\)) \n", r"(keep \(this\)) \n"),
        ("a | b }", "a | b }", "a | b }"),
        ("open {a|b", "open a", "open b"),
        ("end \\", "end \\", "end \\"),
        ("{x\\", "x\\", "x\\"),
        ("one // gone\ntwo /* gone\ngone */three", "one \ntwo three", "one \ntwo three"),
        ("/* never closed {a|b}", "/* never closed a", "/* never closed b"),
        ("a / b * c", "a / b * c", "a / b * c"),
        ("/*/ x */y", "y", "y"),
    ],
)
def test_choose(text: str, low: str, high: str) -> None:
    assert (choose(text, first), choose(text, last)) == (low, high)


@pytest.mark.parametrize(
    "text", ["{" * 200_000, "{a|" * 100_000, "/*" * 200_000, "//" * 200_000, "/" * 300_000, "\\" * 200_000]
)
def test_hostile_texts_take_linear_time(text: str) -> None:
    assert len(choose(text, first)) <= len(text)


def test_a_comment_that_starts_after_the_last_end() -> None:
    assert strip_comments("a */ b /* c") == "a */ b /* c"


def test_choices_are_repeatable_and_spread() -> None:
    assert [Chooser("x")(5) for _ in range(3)] == [Chooser("x")(5)] * 3
    pick = Chooser("x")
    assert {pick(5) for _ in range(200)} == set(range(5))


def prompt_of(text: str, **more: Any) -> str:
    d = text_to_image()
    d.nodes[1]["widgets_values"] = [text]
    d.nodes[1] |= more
    return ui_to_prompt(d.as_json(), Signatures(INFO), NOW)["2"]["inputs"]["text"]


def test_the_choice_depends_on_the_workflow_and_not_on_how_it_is_drawn() -> None:
    text = "{" + "|".join(map(str, range(1000))) + "}"
    chosen = prompt_of(text)
    assert chosen == prompt_of(text) == prompt_of(text, pos=[5, 5], color="#123456")
    assert chosen != prompt_of(text + " ").strip()


def test_only_widgets_that_say_so_have_choices() -> None:
    d = text_to_image()
    d.nodes[4]["widgets_values"] = ["{a|b}"]
    assert ui_to_prompt(d.as_json(), Signatures(INFO))["5"]["inputs"]["filename_prefix"] == "{a|b}"


@pytest.mark.parametrize(
    ("prefix", "wanted"),
    [
        ("%date:yyyy-MM-dd%/x", "2031-04-09/x"),
        ("%date:yy-M-d h:m:s hhmmss%", "31-4-9 7:5:3 070503"),
        ("%Sample.seed%_%Sample.cfg%", "7_5.5"),
        ("%Prompt.text%", "a red boat"),
        ("%Encode.text%", "a red boat"),
        ("%Load Model.name%", "b.bin"),
        ("%Sample.nothing% %Nobody.seed% %width%", "%Sample.nothing% %Nobody.seed% %width%"),
        ("100% of %Sample.steps%", "100% of 4"),
        ("50%", "50%"),
    ],
)
def test_file_names(prefix: str, wanted: str) -> None:
    d = text_to_image()
    d.nodes[4]["widgets_values"] = [prefix]
    assert ui_to_prompt(d.as_json(), Signatures(INFO), NOW)["5"]["inputs"]["filename_prefix"] == wanted


def test_values_cannot_leave_the_folder() -> None:
    assert fill_tokens("a/%N.t%", lambda title, widget: "../../etc:x\n", NOW) == "a/.._.._etc_x_"


def test_the_name_for_search_goes_before_the_title() -> None:
    d = text_to_image()
    d.nodes[4]["widgets_values"] = ["%first.seed%"]
    d.node(8, "Sample", [1, "fixed"], title="first")
    d.node(9, "Sample", [2, "fixed"], properties={"Node name for S&R": "first"})
    assert ui_to_prompt(d.as_json(), Signatures(INFO), NOW)["5"]["inputs"]["filename_prefix"] == "2"


def test_a_workflow_with_choices_stays_json() -> None:
    d = text_to_image()
    d.nodes[1]["widgets_values"] = ["{a|b} \ud83d"]
    json.dumps(ui_to_prompt(d.as_json(), Signatures(INFO)))
