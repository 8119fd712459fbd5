"""One node for each thing that nodes can do beyond taking values and giving values. Shown in docs/write-a-node.md."""

from __future__ import annotations

# features: start
import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple, TypeVar

import carrara
from carrara.executor.spec import Autogrow, Blocker, DynPrompt, Expand, Hidden, Lazy, Raw, Shown

T = TypeVar("T")
# features: end


# lazy: start
@carrara.node("FirstGood", category="logic", title="First Good Text")
def first_good(text: str, fallback: Lazy[str]) -> str:
    """The text, or where there is none the other one."""
    return text if text.strip() else fallback.get()


# lazy: end


# lists: start
@carrara.node("SplitWords", category="text")
def split_words(text: str) -> list[str]:
    """Hand the words on one by one: what follows is run once for each."""
    return text.split()


@carrara.node("JoinWords", category="text")
def join_words(words: list[str], between: str = " ") -> str:
    """Run once, with all words."""
    return between.join(words)


# lists: end


# async: start
@carrara.node("FetchLater", category="network")
async def fetch_later(text: str, seconds: float = 0.1) -> str:
    """Wait without holding anybody up: several of these wait side by side."""
    await asyncio.sleep(seconds)
    return text


# async: end


# expand: start
@carrara.node("RepeatTwice", category="text")
def repeat_twice(text: str, ctx: carrara.Context) -> str | Expand:
    """The words of the text twice over, by way of other nodes."""
    split, join = f"{ctx.node_id}.split", f"{ctx.node_id}.join"
    nodes = {
        split: {"class_type": "SplitWords", "inputs": {"text": f"{text} {text}"}},
        join: {"class_type": "JoinWords", "inputs": {"words": [split, 0], "between": " "}},
    }
    return Expand(nodes, ([join, 0],))


# expand: end


# blocker: start
@carrara.node("OnlyLong", category="text")
def only_long(text: str, letters: int = 4) -> str | Blocker:
    """Let long texts pass; what comes after a short one does not run."""
    return text if len(text) >= letters else Blocker()


# blocker: end


# grow: start
@carrara.node("Longest", category="text", title="Longest Text")
def longest(texts: Annotated[dict[str, str], Autogrow(min=2, max=20)]) -> str:
    """The longest of any number of texts: the editor offers text0, text1, and one more with every link."""
    return max(texts.values(), key=len)


# grow: end


# choice: start
@dataclass(frozen=True)
class Shorten:
    """Cut at a length."""

    choice: ClassVar[str] = "shorten"
    length: Annotated[int, carrara.Range(1, 1000)] = 10


@dataclass(frozen=True)
class Wrap:
    """Put something before and after."""

    choice: ClassVar[str] = "wrap"
    before: str = "("
    after: str = ")"


@carrara.node("ChangeText", category="text", title="Change Text")
def change_text(text: str, how: Shorten | Wrap) -> str:
    """Change a text in one of several ways. The editor shows the inputs of the way that is chosen."""
    match how:
        case Shorten(length):
            return text[:length]
        case Wrap(before, after):
            return f"{before}{text}{after}"


# choice: end


# match: start
Kind = TypeVar("Kind", carrara.Image, carrara.Mask)


@carrara.node("FlipOver", category="image", title="Flip Over")
def flip_over(picture: Kind) -> Kind:
    """Turn a picture or a mask upside down; what comes out is what went in."""
    return picture.flip(1)


# match: end


# hidden: start
@carrara.node("WhereAmI", category="debug", output=True)
def where_am_i(
    value: carrara.Any,
    me: Annotated[str, Hidden("UNIQUE_ID")] = "",
    graph: Annotated[DynPrompt | None, Hidden("DYNPROMPT")] = None,
) -> Shown:
    """Show which node this is, and among how many."""
    count = len(graph.all_node_ids()) if graph is not None else 0
    return Shown({"text": [f"node {me} of {count}: {value}"]})


# hidden: end


# reads: start
def content(path: str) -> str | None:
    """What the node read: the file's hash. A linked path is seen too."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else None


def missing(path: str | None) -> str | None:
    """Why it cannot work, before anything runs; a linked path is not known then."""
    return f"there is no file {path}" if path is not None and not Path(path).is_file() else None


@carrara.node("ReadText", category="text", title="Read Text File", reads=content, validate=missing)
def read_text(path: str) -> str:
    """The text of a file. Read again when the file has changed, and only then."""
    return Path(path).read_text()


# reads: end


# raw: start
class Both(NamedTuple):
    value: carrara.Any
    name: str


@carrara.node("Provenance", category="debug")
def provenance(value: Raw[carrara.Any], ctx: carrara.Context) -> Both | Expand:
    """A value beside the class of the node it comes from. The link itself is given; nothing is run for it."""
    assert isinstance(value, Raw) and ctx.prompt is not None
    return Expand({}, (value.link, ctx.prompt[value.node]["class_type"]))


# raw: end


# switch: start
@carrara.node("ChooseAny", category="logic", title="Choose Any")
def choose_any(options: Annotated[dict[str, Lazy[T]], Autogrow(min=1, max=9, prefix="option")], number: int = 0) -> T:
    """One of several values of one kind; only what it needs is run."""
    return list(options.values())[number].get()


# switch: end

NODES = [
    *(first_good, split_words, join_words, fetch_later, repeat_twice, only_long, longest, change_text, flip_over),
    *(where_am_i, read_text, provenance, choose_any),
]
