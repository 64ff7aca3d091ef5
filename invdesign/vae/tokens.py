"""Room of VAEs: the vocabulary of a token VAE, symbols and the byte-pair merges that shorten their sequences."""

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

    Args:
        symbols: the symbols, after the three special ones: 0 pads, 1 ends, 2 stands for what is unknown.
        merges: pairs of token numbers; merge `i` makes token `len(symbols) + i`.

    References:
        Li and Fourches, SMILES Pair Encoding, J. Chem. Inf. Model. 2021, doi:10.1021/acs.jcim.0c01127.
    """

    symbols: tuple[str, ...]
    merges: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if self.symbols[:3] != SPECIAL:
            raise InvdesignError(f"a vocabulary begins with {SPECIAL}, got {self.symbols[:3]}; use learn_vocabulary")
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
        """The symbol numbers that every token stands for."""
        spelt: list[tuple[int, ...]] = [(i,) for i in range(len(self.symbols))]
        for left, right in self.merges:
            spelt.append(spelt[left] + spelt[right])
        return tuple(spelt)

    def unknown(self, sequence: Sequence[str]) -> list[str]:
        """The symbols of a sequence that the vocabulary lacks, each once, in order."""
        return list(dict.fromkeys(s for s in sequence if self._number.get(s, 0) <= UNKNOWN))

    def tokenize(self, sequences: Sequence[Sequence[str]]) -> list[Ids]:
        """Token numbers of every sequence, without padding or end."""
        flat = _flatten([[max(self._number.get(s, UNKNOWN), UNKNOWN) for s in sequence] for sequence in sequences])
        for i, (left, right) in enumerate(self.merges):
            flat = _merge(flat, left, right, len(self.symbols) + i)
        ends = np.flatnonzero(flat == PAD)
        return [piece[:-1] for piece in np.split(flat, ends + 1)[: len(sequences)]]

    def encode(self, sequences: Sequence[Sequence[str]], length: int) -> Tensor:
        """Write sequences as padded token numbers, each closed by an end token.

        Args:
            sequences: `n` lists of symbols; a symbol that the vocabulary lacks becomes the unknown token.
            length: columns of the answer; what is longer is cut (and then has no end token).

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
        """Read token numbers (`n x length`) as symbols up to the end; padding is skipped, unknown tokens are kept."""
        spelling, symbols = self.spelling, self.symbols
        texts = []
        for row in batch.tolist():
            stop = row.index(END) if END in row else len(row)
            texts.append([symbols[i] for token in row[:stop] if token != PAD for i in spelling[token]])
        return texts

    def to_json(self) -> dict[str, Any]:
        """The vocabulary as plain JSON."""
        return {"symbols": list(self.symbols), "merges": [list(pair) for pair in self.merges]}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Vocabulary:
        """Take back what `to_json` wrote."""
        return cls(tuple(state["symbols"]), tuple((int(a), int(b)) for a, b in state["merges"]))


def learn_vocabulary(
    sequences: Sequence[Sequence[str]], *, n_merges: int = 0, min_count: int = 20, learn_from: int = 30_000
) -> Vocabulary:
    """Collect the symbols of a corpus and learn byte-pair merges: the most frequent neighbours become one token.

    Args:
        sequences: the corpus, each a list of symbols.
        n_merges: merges to learn at most.
        min_count: a pair seen less often is not merged.
        learn_from: merges are counted on this many sequences, evenly spaced in the corpus.

    Returns:
        The vocabulary; the same corpus gives the same one.
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
    """All sequences in one array, each followed by a padding token, so that no merge crosses a border."""
    sizes = np.array([len(row) for row in numbers], dtype=np.int64)
    flat = np.full(int(sizes.sum()) + len(numbers), PAD, dtype=np.int64)
    keep = np.ones(len(flat), dtype=bool)
    keep[np.cumsum(sizes + 1) - 1] = False
    flat[keep] = np.fromiter(chain.from_iterable(numbers), dtype=np.int64, count=int(sizes.sum()))
    return flat


def _merge(flat: Ids, left: int, right: int, token: int) -> Ids:
    """Replace every `left right` by `token`, from left to right without overlap."""
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
