"""Sentences about scenes, and the vocabulary they are spelt in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from carrara.models.text.tokenizer import END
from carrara.training.prompts import COLOUR_WORDS, SHAPE_WORDS, corpus, describe, place_phrases, unrelated, words_for
from carrara.training.scenes import COLOURS, PLACES, SHAPES, random_scenes
from carrara.training.tokens import Vocabulary, learn, window


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    rng = np.random.default_rng(0)
    return learn(corpus(rng, random_scenes(rng, 2000)), 1400)


def test_every_sentence_says_colour_and_shape_and_nothing_wrong() -> None:
    rng = np.random.default_rng(1)
    shapes = {word: shape for shape, words in SHAPE_WORDS.items() for word in words}
    colours = {word: colour for colour in COLOURS for word in words_for(colour)}
    for scene in random_scenes(rng, 500):
        text = f" {describe(scene, rng)} ".replace(",", " ")
        said = {colour for word, colour in colours.items() if f" {word} " in text}
        assert scene.colour in said and said <= {scene.colour, scene.background}
        assert {shape for word, shape in shapes.items() if f" {word} " in text} == {scene.shape}


def test_sentences_are_plain() -> None:
    rng = np.random.default_rng(2)
    for scene in random_scenes(rng, 500):
        text = describe(scene, rng)
        assert text == text.strip() and "  " not in text and " ," not in text


def test_every_word_has_a_way_to_be_said() -> None:
    assert set(SHAPE_WORDS) == set(SHAPES) and set(COLOUR_WORDS) <= set(COLOURS)
    assert all(place_phrases(place) for place in PLACES)


def test_unrelated_words_name_nothing_that_is_drawn() -> None:
    rng = np.random.default_rng(3)
    names = {word for words in SHAPE_WORDS.values() for word in words} | set(COLOURS)
    for _ in range(200):
        assert not names & set(unrelated(rng).replace(",", " ").split())


def test_words_of_the_grammar_are_single_tokens(vocabulary: Vocabulary) -> None:
    tokenizer = vocabulary.tokenizer()
    for word in (*COLOURS, *SHAPES, "large", "background", "centre"):
        assert len(tokenizer.encode(word)) == 1, word


def test_the_window_is_start_words_end_and_ends(vocabulary: Vocabulary) -> None:
    tokenizer = vocabulary.tokenizer()
    ids = window(tokenizer, "a red circle")
    assert len(ids) == 77 and ids[0] == tokenizer.start and ids[4:] == [tokenizer.end] * 73
    assert tokenizer.end == tokenizer.size - 1, "CLIP pools at the largest id"
    long = window(tokenizer, "red " * 100)
    assert len(long) == 77 and long[-1] == tokenizer.end and long.count(tokenizer.end) == 1


def test_any_text_has_tokens_and_comes_back(vocabulary: Vocabulary) -> None:
    tokenizer = vocabulary.tokenizer()
    for text in ("naïve façade", "日本語", "x_y-z ½", "(red:1.2)", "\x00\x7f", END.upper()):
        assert all(0 <= token < tokenizer.size for token in tokenizer.encode(text))


def test_it_is_the_format_that_clip_tokenizers_read(vocabulary: Vocabulary, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    (tmp_path / "vocab.json").write_text(vocabulary.vocab, encoding="utf-8")
    (tmp_path / "merges.txt").write_text(vocabulary.merges, encoding="utf-8")
    theirs = transformers.CLIPTokenizer(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"))
    ours = vocabulary.tokenizer()
    rng = np.random.default_rng(4)
    texts = [describe(scene, rng) for scene in random_scenes(rng, 50)] + ["Hello, wörld! 42x isn't   fine__ 日本語 ²½"]
    for text in texts:
        assert theirs(text, padding="max_length", max_length=77).input_ids == window(ours, text)
