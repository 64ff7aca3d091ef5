"""A domain of short words, and a tiny model of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from invdesign.core import Array, Corpus, EncodingShape
from invdesign.vae.build import sequence_vae
from invdesign.vae.tokens import Vocabulary, learn_vocabulary
from invdesign.vae.training import Recipe


@dataclass(frozen=True)
class Words:
    """Words over a small alphabet; a word is its own key."""

    name: str = "words"

    def key(self, design: str) -> str:
        return design

    def to_text(self, design: str) -> str:
        return design

    def from_text(self, text: str) -> str:
        return text

    def settings(self) -> dict[str, Any]:
        return {}

    def fit(self, designs: Sequence[str]) -> WordEncoding:
        return WordEncoding(learn_vocabulary([list(w) for w in designs]), max(map(len, designs)) + 1)

    def restore(self, state: Mapping[str, Any]) -> WordEncoding:
        return WordEncoding(Vocabulary.from_json(state["vocabulary"]), int(state["length"]))


@dataclass(frozen=True)
class WordEncoding:
    """Words as rows of letters, with the counts of letters as features."""

    vocabulary: Vocabulary
    length: int

    @property
    def shape(self) -> EncodingShape:
        return EncodingShape(self.length, len(self.vocabulary))

    def state(self) -> dict[str, Any]:
        return {"length": self.length, "vocabulary": self.vocabulary.to_json()}

    def encode(self, designs: Sequence[str]) -> Tensor:
        return self.vocabulary.encode([list(w) for w in designs], self.length)

    def decode(self, batch: Tensor) -> list[str | None]:
        return ["".join(symbols) or None for symbols in self.vocabulary.decode(batch)]

    def errors(self, designs: Sequence[str]) -> list[str]:
        return ["" for _ in designs]

    def features(self, designs: Sequence[str]) -> Array:
        return np.array([[w.count(letter) for letter in "abcd"] for w in designs], dtype=np.float64).reshape(-1, 4)


@pytest.fixture(scope="session")
def corpus() -> Corpus[str]:
    generator = np.random.default_rng(0)
    words = {"".join(generator.choice(list("abcd"), size=n)) for n in generator.integers(2, 7, size=800)}
    return Corpus(tuple(sorted(words)), name="words", sha256="words-0")


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    build = partial(sequence_vae, d=8, embedding=16, width=16)
    return Recipe(build=build, epochs=8, batch=32, learning_rate=5e-3, warmup=5, beta=0.05, held_out=50, device="cpu")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def words() -> Words:
    return Words()
