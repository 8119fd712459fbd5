"""The sentences that describe a scene: many phrasings, words left out at will, one meaning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from .scenes import COLOURS, PLACES, SHAPES, SIZES, Scene, random_scenes

if TYPE_CHECKING:
    from numpy.random import Generator

SHAPE_WORDS: dict[str, tuple[str, ...]] = {
    "circle": ("circle", "circle", "disc", "dot"),
    "square": ("square", "square", "box"),
    "triangle": ("triangle",),
    "star": ("star",),
    "ring": ("ring", "ring", "hoop"),
    "cross": ("cross", "cross", "plus sign"),
    "diamond": ("diamond", "diamond", "rhombus"),
    "heart": ("heart",),
}
COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "purple": ("purple", "purple", "violet"),
    "cyan": ("cyan", "cyan", "turquoise"),
}
SIZE_WORDS: dict[str, tuple[str, ...]] = {
    "small": ("small", "small", "tiny", "little"),
    "medium": ("medium", "medium sized"),
    "large": ("large", "large", "big", "huge"),
}
OPENINGS = (
    "", "", "", "a photo of ", "a picture of ", "an image of ", "a drawing of ", "an illustration of ", "there is ",
)  # fmt: skip
FILLERS = (
    "simple", "minimal", "flat design", "vector art", "best quality", "masterpiece", "highly detailed", "4k", "clean",
)  # fmt: skip
OTHER_WORDS = tuple(
    """
    text watermark logo signature blurry noise ugly bad quality low resolution worst jpeg artifacts cropped
    extra hands fingers face person people man woman child cat dog horse bird fish tree forest mountain river
    lake sea ocean sky cloud sun moon night day city street house car road bridge train boat ship plane flower
    grass garden field snow rain winter summer spring autumn portrait landscape painting oil watercolor sketch
    pencil ink paper photo camera lens film light dark shadow bright soft warm cold old new young beautiful
    pretty detailed sharp realistic cinematic anime cartoon render digital art artist style studio concept
    modern ancient gold silver wood stone metal glass water fire smoke dust magic fantasy space planet robot
    machine computer book table chair room window door wall floor food fruit apple bread cheese coffee tea cup
    bottle hat shirt dress shoe hair eye hand head body the and with from over under between behind front near
    far one two three four five many few some all no not very more less than into
    """.split()  # noqa: SIM905
)


def words_for(colour: str) -> tuple[str, ...]:
    """The names of a colour, commoner ones repeated."""
    return COLOUR_WORDS.get(colour, (colour,))


def place_phrases(place: str) -> tuple[str, ...]:
    """Ways to say where."""
    if place == "centre":
        return ("in the centre", "in the center", "in the middle", "centred", "centered")
    row, _, column = place.partition(" ")
    if column:
        rows = {"top": ("top", "upper"), "bottom": ("bottom", "lower")}[row]
        corner = [f"in the {word} {column}{tail}" for word, tail in product(rows, (" corner", ""))]
        return (*corner, f"at the {row} {column}", f"{row} {column}")
    if row in ("top", "bottom"):
        return (f"at the {row}", f"at the {row}", f"on the {row}", f"near the {row}", f"{row}")
    return (f"on the {row}", f"on the {row}", f"at the {row}", f"to the {row}", f"on the {row} side", f"{row}")


@dataclass(frozen=True, slots=True)
class Said:
    """Which of a scene's words a sentence tells; empty where it leaves them out."""

    shape: str
    colour: str
    background: str
    size: str
    place: str


def describe(scene: Scene, rng: Generator) -> str:
    """One sentence for a scene. Colour, shape and, mostly, background are said; size and place often are not."""
    return describe_words(scene, rng)[0]


def describe_words(scene: Scene, rng: Generator) -> tuple[str, Said]:
    """The same, with what it tells."""
    def pick(options: Sequence[str]) -> str:
        return options[int(rng.integers(len(options)))]

    size = pick(SIZE_WORDS[scene.size]) if rng.random() < 0.65 else ""
    place = pick(place_phrases(scene.place)) if rng.random() < 0.75 else ""
    ground = pick(words_for(scene.background)) if rng.random() < 0.95 else ""
    colour, shape = pick(words_for(scene.colour)), pick(SHAPE_WORDS[scene.shape])
    text = phrase(rng, size=size, colour=colour, shape=shape, place=place, ground=ground)
    return text, Said(
        scene.shape, scene.colour, scene.background if ground else "", scene.size if size else "",
        scene.place if place else "",
    )  # fmt: skip


def examination(rng: Generator, count: int) -> list[tuple[Scene, Said, str]]:
    """Held-out scenes with sentences that say at least colour, shape and background."""
    asked: list[tuple[Scene, Said, str]] = []
    for scene in random_scenes(rng, count, held=True):
        text, said = describe_words(scene, rng)
        while not said.background:
            text, said = describe_words(scene, rng)
        asked.append((scene, said, text))
    return asked


def phrase(rng: Generator, *, size: str, colour: str, shape: str, place: str, ground: str) -> str:
    """Put the chosen words in one of many orders; empty words are left out."""
    def pick(options: Sequence[str]) -> str:
        return options[int(rng.integers(len(options)))]

    thing = " ".join(word for word in (size, colour, shape) if word)
    if rng.random() < 0.8:
        thing = f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}" if rng.random() < 0.85 else f"one {thing}"
    style = rng.random()
    if style < 0.12:  # a list of tags, in any order
        tags = [tag for tag in (f"{colour} {shape}", size, place, f"{ground} background" if ground else "") if tag]
        text = ", ".join(tags[index] for index in rng.permutation(len(tags)))
    elif not ground:
        text = f"{thing} {place}".strip()
    elif style < 0.28:
        text = f"{pick(('', 'a '))}{ground} background, {thing} {place}".strip()
    elif style < 0.36:
        text = f"{pick(('on', 'against'))} a {ground} background, {thing} {place}".strip()
    else:
        link = pick((
            f"on a {ground} background", f"on {ground}", f"on {ground} background", f"with a {ground} background",
            f"against a {ground} background", f", {ground} background", f", the background is {ground}",
            f", background {ground}",
        ))  # fmt: skip
        if place and rng.random() < 0.3 and not link.startswith(","):
            text = f"{thing} {link}, {place}"
        else:
            text = f"{thing} {place} {link}"
    text = " ".join(f"{pick(OPENINGS)}{text}".split()).replace(" ,", ",")
    if rng.random() < 0.08:
        text = f"{text}, {pick(FILLERS)}"
    return text


def unrelated(rng: Generator) -> str:
    """Words about nothing that is ever drawn: what people put into a negative prompt."""
    count = int(rng.integers(1, 8))
    chosen = [OTHER_WORDS[index] for index in rng.integers(len(OTHER_WORDS), size=count)]
    return (", " if rng.random() < 0.7 else " ").join(chosen)


def corpus(rng: Generator, scenes: Sequence[Scene]) -> Iterator[str]:
    """Text for the tokenizer: sentences about scenes, then every word we know, so that none falls apart."""
    for scene in scenes:
        yield describe(scene, rng)
    fillers = " ".join(FILLERS).split()
    everything = (*OTHER_WORDS, *SIZES, *COLOURS, *SHAPES, *PLACES, *fillers)
    for word in everything:
        yield " ".join([word] * 20)
