"""Vocabulary of a token VAE: symbols, and byte-pair merges that shorten their sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from invdesign.core import InvdesignError

PAD, END, UNKNOWN = 0, 1, 2
SPECIAL = ("<pad>", "<end>", "<unknown>")

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Vocabulary:
    """Tokens of a sequence model: symbols first, then one token for every merge of two earlier tokens.

    The merges are applied in the order in which they were learnt, so that a sequence has exactly one tokenization.
    Where any concatenation of symbols is a design (SELFIES), any concatenation of tokens is one too.

    References:
        Li and Fourches, SMILES Pair Encoding, J. Chem. Inf. Model. 2021, doi:10.1021/acs.jcim.0c01127.
    """

    symbols: tuple[str, ...]
    """The symbols, after the three special ones: 0 is padding, 1 the end, 2 an unknown symbol."""
    merges: tuple[tuple[int, int], ...] = ()
    """Pairs of token numbers; merge `i` makes token `len(symbols) + i`."""

    def __post_init__(self) -> None:
        if self.symbols[:3] != SPECIAL:
            raise InvdesignError(
                f"vocabulary: expected to begin with {SPECIAL}, got {self.symbols[:3]}. Use learn_vocabulary"
            )
        for i, (left, right) in enumerate(self.merges):
            if not (UNKNOWN < left < len(self.symbols) + i and UNKNOWN < right < len(self.symbols) + i):
                raise InvdesignError(f"vocabulary: merge {i} joins {left} and {right}, which are not tokens before it")

    def __len__(self) -> int:
        return len(self.symbols) + len(self.merges)

    @cached_property
    def _number(self) -> dict[str, int]:
        return {symbol: i for i, symbol in enumerate(self.symbols)}

    @cached_property
    def spelling(self) -> tuple[tuple[int, ...], ...]:
        """Symbol numbers of every token."""
        spelt: list[tuple[int, ...]] = [(i,) for i in range(len(self.symbols))]
        for left, right in self.merges:
            spelt.append(spelt[left] + spelt[right])
        return tuple(spelt)

    def unknown(self, sequence: Sequence[str]) -> list[str]:
        """Return the symbols of a sequence that the vocabulary lacks, each once, in order."""
        return list(dict.fromkeys(s for s in sequence if self._number.get(s, 0) <= UNKNOWN))

    def tokenize(self, sequences: Sequence[Sequence[str]]) -> list[Ids]:
        """Return the token numbers of every sequence, without padding or end."""
        flat = _flatten([[max(self._number.get(s, UNKNOWN), UNKNOWN) for s in sequence] for sequence in sequences])
        for i, (left, right) in enumerate(self.merges):
            flat = _merge(flat, left, right, len(self.symbols) + i)
        ends = np.flatnonzero(flat == PAD)
        return [piece[:-1] for piece in np.split(flat, ends + 1)[: len(sequences)]]

    def encode(self, sequences: Sequence[Sequence[str]], length: int) -> Tensor:
        """Return sequences as padded token numbers, each with an end token.

        Args:
            sequences: `n` lists of symbols; a symbol that the vocabulary lacks becomes the unknown token.
            length: Columns of the result; a longer sequence is truncated and has no end token.

        Returns:
            `n x length` token numbers.
        """
        batch = np.full((len(sequences), length), PAD, dtype=np.int64)
        for row, tokens in zip(batch, self.tokenize(sequences), strict=True):
            n = min(len(tokens), length)
            row[:n] = tokens[:n]
            if n < length:
                row[n] = END
        return torch.from_numpy(batch)

    def decode(self, batch: Tensor) -> list[list[str]]:
        """Return the symbols of token numbers (`n x length`) up to the end token, without padding."""
        spelling, symbols = self.spelling, self.symbols
        texts = []
        for row in batch.tolist():
            stop = row.index(END) if END in row else len(row)
            texts.append([symbols[i] for token in row[:stop] if token != PAD for i in spelling[token]])
        return texts

    def to_json(self) -> dict[str, Any]:
        """Return the vocabulary as JSON."""
        return {"symbols": list(self.symbols), "merges": [list(pair) for pair in self.merges]}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Vocabulary:
        """Return the vocabulary that `to_json` described."""
        return cls(tuple(state["symbols"]), tuple((int(a), int(b)) for a, b in state["merges"]))


def learn_vocabulary(
    sequences: Sequence[Sequence[str]], *, n_merges: int = 0, min_count: int = 20, learn_from: int = 30_000
) -> Vocabulary:
    """Return the vocabulary of a corpus: its symbols, and byte-pair merges of the most frequent neighbours.

    Args:
        sequences: The corpus, each design a list of symbols.
        n_merges: Largest number of merges.
        min_count: A less frequent pair is not merged.
        learn_from: Number of sequences, evenly spaced in the corpus, on which merges are counted.

    Returns:
        The vocabulary; equal for equal corpora.
    """
    symbols = SPECIAL + tuple(sorted(set(chain.from_iterable(sequences)) - set(SPECIAL)))
    vocabulary = Vocabulary(symbols)
    if not n_merges or not sequences:
        return vocabulary
    step = max(1, len(sequences) // learn_from)
    flat = _flatten([[vocabulary._number[s] for s in sequence] for sequence in sequences[::step]])
    merges: list[tuple[int, int]] = []
    base = len(symbols) + n_merges
    for i in range(n_merges):
        left, right = flat[:-1], flat[1:]
        inside = (left != PAD) & (right != PAD)
        counts = np.bincount(left[inside] * base + right[inside], minlength=1)
        best = int(counts.argmax())
        if counts[best] < min_count:
            break
        merges.append((best // base, best % base))
        flat = _merge(flat, *merges[-1], len(symbols) + i)
    return Vocabulary(symbols, tuple(merges))


def _flatten(numbers: Sequence[Sequence[int]]) -> Ids:
    """Return all sequences in one array, each followed by a padding token, so that no merge crosses a border."""
    sizes = np.array([len(row) for row in numbers], dtype=np.int64)
    flat = np.full(int(sizes.sum()) + len(numbers), PAD, dtype=np.int64)
    keep = np.ones(len(flat), dtype=bool)
    keep[np.cumsum(sizes + 1) - 1] = False
    flat[keep] = np.fromiter(chain.from_iterable(numbers), dtype=np.int64, count=int(sizes.sum()))
    return flat


def _merge(flat: Ids, left: int, right: int, token: int) -> Ids:
    """Replace every pair `left right` by `token`, from left to right without overlap."""
    hits = np.flatnonzero((flat[:-1] == left) & (flat[1:] == right))
    if not len(hits):
        return flat
    if left == right:
        # In a run of equal tokens every second one begins a pair.
        run = np.concatenate([[0], np.cumsum(np.diff(hits) != 1)])
        first = np.concatenate([[0], np.flatnonzero(np.diff(run)) + 1])
        hits = hits[(hits - hits[first][run]) % 2 == 0]
    keep = np.ones(len(flat), dtype=bool)
    keep[hits + 1] = False
    merged = flat.copy()
    merged[hits] = token
    return merged[keep]
