"""Rows of tokens that list the mutations of a wild type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from invdesign.vae.tokens import END, PAD, SPECIAL, UNKNOWN


@dataclass(frozen=True)
class MutationLists:
    """Variants of one sequence as rows `position, letter, position, letter, ..., end`, `n x (2 n_mutations + 1)`.

    A variant of 237 residues with four mutations is nine tokens long and not 237, and a model need not learn the wild
    type. Positions ascend.

    Example:
        >>> rows = MutationLists("MKT", "KMTV", n_mutations=2)
        >>> rows.encode(["MKT", "MVT", "KVT"]).tolist()
        [[1, 0, 0, 0, 0], [4, 9, 1, 0, 0], [3, 6, 4, 9, 1]]
        >>> rows.decode(rows.encode(["MKT", "KVT"]))
        ['MKT', 'KVT']
    """

    wild_type: str
    """The sequence that is mutated."""
    letters: str
    """Letters that a position can have."""
    n_mutations: int
    """Largest number of mutations in a row."""

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The tokens: three special ones, the positions counted from 1, then the letters."""
        return (*SPECIAL, *map(str, range(1, len(self.wild_type) + 1)), *self.letters)

    @property
    def row_length(self) -> int:
        """Tokens in a row, end token included."""
        return 2 * self.n_mutations + 1

    def encode(self, designs: Sequence[str]) -> Int[Tensor, "n length"]:
        """Return the rows of designs; further mutations than fit, and other letters, are lost or unknown tokens."""
        first_letter = UNKNOWN + 1 + len(self.wild_type)
        batch = np.full((len(designs), self.row_length), PAD, dtype=np.int64)
        for row, design in zip(batch, designs, strict=True):
            changes = self.changes(design)[: self.n_mutations]
            for k, (position, letter) in enumerate(changes):
                number = self.letters.find(letter)
                row[2 * k] = UNKNOWN + 1 + position
                row[2 * k + 1] = UNKNOWN if number < 0 else first_letter + number
            row[2 * len(changes)] = END
        return torch.from_numpy(batch)

    def decode(self, batch: Int[Tensor, "n length"]) -> list[str | None]:
        """Return the design of each row; None where a row is not a list of positions, each with a letter."""
        return [self._apply(row) for row in batch.tolist()]

    def changes(self, design: str) -> list[tuple[int, str]]:
        """Return the mutated positions of a design, counted from 0, with their letters."""
        pairs = zip(design, self.wild_type, strict=False)
        return [(i, letter) for i, (letter, own) in enumerate(pairs) if letter != own]

    def _apply(self, row: Sequence[int]) -> str | None:
        tokens = row[: row.index(END)] if END in row else row
        if len(tokens) % 2:
            return None
        first_letter = UNKNOWN + 1 + len(self.wild_type)
        design = list(self.wild_type)
        for position, letter in zip(tokens[::2], tokens[1::2], strict=True):
            if not (UNKNOWN < position < first_letter <= letter):
                return None
            design[position - UNKNOWN - 1] = self.letters[letter - first_letter]
        return "".join(design)
