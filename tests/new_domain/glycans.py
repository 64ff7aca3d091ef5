"""A complete new domain in one file: linear glycans, written as monosaccharides and linkages, e.g. `Gal(b1-4)Glc`."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from invdesign.core import Array, Corpus, EncodingShape, InvdesignError
from invdesign.io.corpora import make_corpus
from invdesign.vae.tokens import Vocabulary, learn_vocabulary

SUGARS = ("Gal", "Glc", "GlcNAc", "Man", "Fuc", "Neu5Ac")
LINKS = ("(a1-2)", "(a1-3)", "(a1-6)", "(b1-3)", "(b1-4)")
TOKEN = re.compile("|".join(re.escape(t) for t in sorted((*SUGARS, *LINKS), key=len, reverse=True)))


def parse(text: str) -> list[str] | None:
    """Return the tokens of a glycan; None where a text is none: sugars and linkages alternate."""
    tokens = TOKEN.findall(text)
    is_whole = "".join(tokens) == text and len(tokens) % 2 == 1
    alternates = all((token in SUGARS) == (i % 2 == 0) for i, token in enumerate(tokens))
    return tokens if is_whole and alternates else None


@dataclass(frozen=True)
class Glycans:
    """Linear glycans as texts."""

    name: str = "glycans"
    """Name of the domain."""

    def key(self, design: str) -> str:
        """Return the design itself: a linear glycan is written in one way."""
        return design

    def to_text(self, design: str) -> str:
        """Return the design itself."""
        return design

    def from_text(self, text: str) -> str:
        """Return the design of a text."""
        if parse(text.strip()) is None:
            raise InvdesignError(f"{text!r}: expected a linear glycan such as Gal(b1-4)Glc")
        return text.strip()

    def settings(self) -> dict[str, Any]:
        """Return nothing: `fit` depends on the corpus alone."""
        return {}

    def fit(self, designs: Sequence[str]) -> GlycanEncoding:
        """Learn the vocabulary and the row length."""
        tokens = [parse(design) or [] for design in designs]
        return GlycanEncoding(learn_vocabulary(tokens), max(map(len, tokens)) + 1)

    def restore(self, state: Mapping[str, Any]) -> GlycanEncoding:
        """Return the encoding of a stored model."""
        return GlycanEncoding(Vocabulary.from_json(state["vocabulary"]), int(state["length"]))


@dataclass(frozen=True)
class GlycanEncoding:
    """Glycans as rows of token numbers."""

    vocabulary: Vocabulary
    """Sugars and linkages."""
    length: int
    """Tokens in a row, end token included."""

    @property
    def shape(self) -> EncodingShape:
        """Sizes of a batch."""
        return EncodingShape(self.length, len(self.vocabulary))

    def state(self) -> dict[str, Any]:
        """Return vocabulary and length as JSON."""
        return {"vocabulary": self.vocabulary.to_json(), "length": self.length}

    def encode(self, designs: Sequence[str]) -> Tensor:
        """Return rows of token numbers."""
        return self.vocabulary.encode([parse(design) or [] for design in designs], self.length)

    def decode(self, batch: Tensor) -> list[str | None]:
        """Return the glycan of each row; None where a row is none."""
        texts = ["".join(tokens) for tokens in self.vocabulary.decode(batch)]
        return [text if parse(text) else None for text in texts]

    def errors(self, designs: Sequence[str]) -> list[str]:
        """Return for each design why it cannot be encoded exactly."""
        same = self.decode(self.encode(designs))
        return ["" if a == b else "unknown tokens or too long" for a, b in zip(designs, same, strict=True)]


def corpus(n: int = 400, *, seed: int = 0) -> Corpus[str]:
    """Return random glycans of one to five sugars."""
    draw = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < n:
        chain = draw.choice(SUGARS)
        for _ in range(draw.randint(0, 4)):
            chain += draw.choice(LINKS) + draw.choice(SUGARS)
        found[chain] = None
    return make_corpus(tuple(found), name="glycans")


def sialylation(designs: Sequence[str]) -> Array:
    """Return a score of an oracle: more sialic acid, at most four sugars."""
    return np.array([d.count("Neu5Ac") - max(0, len(parse(d) or []) - 7) for d in designs], dtype=np.float64)
