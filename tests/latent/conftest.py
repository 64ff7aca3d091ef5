"""A domain of short words and a tiny model of it: what the map's tests stand on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from invdesign.core import Array, Corpus
from invdesign.vae.build import sequence_vae
from invdesign.vae.models.sequence import SequenceVAE
from invdesign.vae.tokens import Vocabulary, learn_vocabulary
from invdesign.vae.training import Recipe


@dataclass(frozen=True)
class Words:
    """Words over a small alphabet; a word is its own key."""

    vocabulary: Vocabulary | None = None
    length: int = 0

    @property
    def name(self) -> str:
        return "words"

    @property
    def formats(self) -> tuple[str, ...]:
        return (".txt",)

    def read(self, path: Path) -> Corpus[str]:
        return Corpus(tuple(path.read_text().split()))

    def write(self, designs: Sequence[str], path: Path, *, columns: Mapping[str, Sequence[Any]] | None = None) -> None:
        path.write_text("\n".join(designs))

    def key(self, design: str) -> str:
        return design

    def label(self, design: str) -> str:
        return design

    def to_text(self, design: str) -> str:
        return design

    def from_text(self, text: str) -> str:
        return text

    def fit(self, designs: Sequence[str]) -> Words:
        return replace(self, vocabulary=learn_vocabulary([list(w) for w in designs]), length=max(map(len, designs)) + 1)

    def state(self) -> dict[str, Any]:
        return {"length": self.length, "vocabulary": self.vocabulary and self.vocabulary.to_json()}

    def restore(self, state: Mapping[str, Any]) -> Words:
        return Words(Vocabulary.from_json(state["vocabulary"]), int(state["length"]))

    def model(self, architecture: Mapping[str, Any]) -> SequenceVAE:
        settings = dict(architecture)
        return SequenceVAE(settings.pop("n_tokens"), settings.pop("length"), **settings)

    def is_same(self, first: str, second: str) -> bool:
        return first == second

    def encoding_errors(self, designs: Sequence[str]) -> list[str]:
        return ["" for _ in designs]

    def to_batch(self, designs: Sequence[str]) -> Tensor:
        assert self.vocabulary is not None
        return self.vocabulary.encode([list(w) for w in designs], self.length)

    def from_batch(self, batch: Tensor) -> list[str | None]:
        assert self.vocabulary is not None
        return ["".join(symbols) or None for symbols in self.vocabulary.decode(batch)]

    def features(self, designs: Sequence[str]) -> Array:
        return np.array([[w.count(letter) for letter in "abcd"] for w in designs], dtype=np.float64).reshape(-1, 4)

    def describe(self, designs: Sequence[str]) -> dict[str, list[Any]]:
        return {}

    def draw(self, design: str) -> str:
        return f"<svg><text>{design}</text></svg>"


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
