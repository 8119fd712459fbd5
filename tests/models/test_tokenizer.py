"""The byte-pair tokenizer against the one everybody uses."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrara.errors import TokenizerNotFound
from carrara.models.handles import Vocabulary
from carrara.models.text.tokenizer import END, START, Tokenizer, from_folder, merged, normalised, words
from carrara.models.text.vocabulary import find

KNOWN = Path(os.environ.get("CARRARA_TOKENIZERS", Path(__file__).parents[3] / "shared" / "tokenizers"))
PIECES = [
    START, END, "<|ENDOFTEXT|>", "hello", "WORLD's", " ", "你好", "👍🏽", "!", "'", "İ", "ﬁ", "½", "e\u0301", "ǅ",
    "한글", "\u1100\u1161", "a" * 40, "\x00", "\x85", "\x1c", "\u200b", "ΑΣ", "'ll", "photograph", "٣", "\n\t",
]  # fmt: skip


@pytest.fixture(scope="module")
def pair():
    if not (KNOWN / "clip" / "vocab.json").is_file():
        pytest.skip("no CLIP vocabulary beside this checkout")
    transformers = pytest.importorskip("transformers")
    ours = from_folder(KNOWN / "clip")
    theirs = transformers.CLIPTokenizer(
        vocab=str(KNOWN / "clip" / "vocab.json"), merges=str(KNOWN / "clip" / "merges.txt")
    )
    return ours, theirs


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_equal_to_transformers_on_any_text(pair, data):
    # Letters newer than Python's unicode tables are left out: there the two may rightly differ.
    letters = st.characters(exclude_categories=("Cs", "Cn"))
    text = data.draw(st.text(alphabet=letters) | st.lists(st.sampled_from(PIECES)).map("".join))
    ours, theirs = pair
    assert ours.encode(text) == theirs(text)["input_ids"][1:-1]


def test_equal_to_transformers_on_each_awkward_piece(pair):
    ours, theirs = pair
    for a in PIECES:
        for b in PIECES:
            assert ours.encode(a + b) == theirs(a + b)["input_ids"][1:-1], a + b


def test_merging_takes_the_best_pair_first():
    ranks = {("b", "c"): 0, ("a", "b"): 1, ("a", "bc"): 2}
    assert merged(list("abc"), ranks) == ["abc"]
    assert merged(list("abab"), ranks) == ["ab", "ab"]
    assert merged(list("aaa"), {("a", "a"): 0}) == ["aa", "a"]


def test_words_and_normal_form():
    assert list(words(normalised("It's  2 CATS!?"))) == ["it", "'s", "2", "cats", "!?"]


def toy(folder: Path, size: int = 4) -> Path:
    folder.mkdir(parents=True)
    vocab = {START: 0, END: 1} | {f"t{i}": i for i in range(2, size)}
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("#version: 0.2\na b\n")
    return folder


def test_a_vocabulary_needs_the_marks():
    with pytest.raises(TokenizerNotFound, match="marks"):
        Tokenizer({"a": 0}, [])


def test_a_single_file_of_both(tmp_path):
    model = {"type": "BPE", "vocab": {START: 0, END: 1, "a</w>": 2}, "merges": ["a b", ["b", "c"]]}
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": model}))
    assert from_folder(tmp_path).encode("a") == [2]


def test_the_order_of_places(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    named, models = tmp_path / "named", tmp_path / "models"
    diffusers = tmp_path / "diffusers"
    own = Vocabulary({}, diffusers)

    def size() -> int:
        return find(own, 20, [named], [models]).size

    with pytest.raises(TokenizerNotFound, match=r"vocab\.json"):
        size()
    toy(tmp_path / "hub" / "models--openai--clip-vit-large-patch14" / "snapshots" / "abc", 12)
    assert size() == 12
    toy(diffusers / "tokenizer", 13)
    assert size() == 13
    toy(models / "tokenizers" / "clip", 14)
    assert size() == 14
    toy(named / "clip", 15)
    assert size() == 15
    texts = {"carrara.tokenizer.vocab": json.dumps({START: 0, END: 1}), "carrara.tokenizer.merges": ""}
    assert find(Vocabulary(texts), 20, [named], [models]).size == 2


def test_a_vocabulary_of_another_encoder_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    toy(tmp_path / "named" / "clip", 30)
    with pytest.raises(TokenizerNotFound) as caught:
        find(Vocabulary(), 20, [tmp_path / "named"], [])
    assert "30 tokens" in str(caught.value) and "CARRARA_TOKENIZERS" in caught.value.remedy
