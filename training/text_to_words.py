"""Text to words: before it meets pictures, the text encoder learns to say which scene a sentence describes.

A stand-in for the contrastive training a CLIP encoder brings along. Binding a colour to the object or to the background
is a question of grammar; learnt from sentences alone it takes two minutes, learnt through the U-Net's loss most of an
hour. Every position from the end mark on must know the whole scene, because the U-Net looks at all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor, nn

from ..models.text.clip import CLIPText
from ..models.text.tokenizer import Tokenizer
from .prompts import Said, describe_words, unrelated
from .scenes import COLOURS, PLACES, SHAPES, SIZES, random_scenes
from .tokens import window

ANSWERS: dict[str, tuple[str, ...]] = {
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "background": tuple(COLOURS),
    "size": tuple(SIZES),
    "place": tuple(PLACES),
}
"""What is asked of a sentence; the last class of each is "not said"."""


class Reader(nn.Module):
    """The text encoder and one linear question per kind of word."""

    def __init__(self, text: CLIPText) -> None:
        super().__init__()
        self.text = text
        self.questions = nn.ModuleDict(
            {name: nn.Linear(text.cfg.width, len(words) + 1) for name, words in ANSWERS.items()}
        )

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        """tokens: b n. Returns per question b n classes."""
        states = self.text(tokens).last
        return {name: question(states) for name, question in self.questions.items()}


def labels(said: Said | None) -> list[int]:
    """The class of each answer; None for a sentence about nothing that is drawn."""
    if said is None:
        return [len(words) for words in ANSWERS.values()]
    return [
        words.index(word) if (word := getattr(said, name)) else len(words) for name, words in ANSWERS.items()
    ]


@dataclass(frozen=True, eq=False)
class WordLoss:
    """Cross entropy of all answers, at all positions from the end mark on. What is random comes from (seed, step)."""

    network: Reader
    words: Tokenizer
    seed: int
    batch: int = 64
    unrelated: float = 0.08
    short: int = 32
    device: torch.device | str = "cpu"

    def __call__(self, step: int) -> Tensor:
        """The mean over the batch of that step. Three windows of four are cut short, which causal attention allows."""
        rng = np.random.default_rng((self.seed, step))
        length = self.words_window(step)
        ids, answers = self.sentences(rng, self.batch)
        tokens = ids[:, :length].to(self.device)
        found = self.network(tokens)
        ended = (tokens == self.words.end).reshape(-1)
        total = torch.zeros((), device=self.device)
        for index, logits in enumerate(found.values()):
            wanted = answers[:, index : index + 1].expand(-1, length).reshape(-1).to(self.device)
            total = total + F.cross_entropy(logits.reshape(-1, logits.shape[-1])[ended], wanted[ended])
        return total

    def words_window(self, step: int) -> int:
        """How many positions that step looks at."""
        return self.network.text.cfg.positions if step % 4 == 3 else self.short

    def sentences(self, rng: Generator, count: int) -> tuple[Tensor, Tensor]:
        """Token ids, count n, and classes, count questions."""
        ids, answers = [], []
        for scene in random_scenes(rng, count):
            if rng.random() < self.unrelated:
                text, said = (unrelated(rng) if rng.random() < 0.7 else ""), None
            else:
                text, said = describe_words(scene, rng)
            ids.append(window(self.words, text))
            answers.append(labels(said))
        return torch.tensor(ids), torch.tensor(answers)
