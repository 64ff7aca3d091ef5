"""Frequency models of sequences: log-probabilities from counts of letters, and of pairs of letters, in a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from invdesign.core import Array, InvdesignError
from invdesign.domains.sequences.alphabet import GAP
from invdesign.domains.sequences.wild_type.residue_numbering import number_residues
from invdesign.domains.sequences.wild_type.wild_type import WildType

BLOCK = 1024

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FrequencyModel:
    """Score of sequences: a constant, effects of uncommon letters, and effects of pairs of uncommon letters.

    A letter is uncommon if it is not the most common one at its position.
    """

    common: str
    """Most common letter at each position."""
    number: Numbers
    """Number of the effect of each letter at each position (`length x 128`).

    It is -1 for the most common letter; all letters that do not occur at a position share one number.
    """
    constant: float
    """Score of the most common letters."""
    effects: Array
    """Effect of each uncommon letter (`k`)."""
    pairs: npt.NDArray[np.float32] | None = None
    """Effect of each pair of uncommon letters in addition to their own (`k x k`, symmetric); None for no pairs."""
    wild_type: WildType | None = None
    """Sequence that designs of another length are aligned to."""

    def __call__(self, designs: Sequence[str]) -> Array:
        """Return scores [nats] (`n`), higher for sequences more like the corpus; NaN for another length."""
        aligned = align_designs(designs, self.wild_type)
        fits = np.array([len(row) == len(self.common) for row in aligned], dtype=bool)
        texts = [row if ok else self.common for row, ok in zip(aligned, fits, strict=True)]
        X = _uncommon_letters(_letter_codes(texts, len(self.common)), self.number, len(self.effects))
        scores = self.constant + X @ self.effects
        if self.pairs is not None:
            for start in range(0, X.shape[0], BLOCK):
                part = X[start : start + BLOCK]
                scores[start : start + BLOCK] += 0.5 * part.multiply(part @ self.pairs).sum(axis=1)
        return np.where(fits, scores, np.nan)


def site_independent(
    designs: Sequence[str],
    *,
    weights: Array | None = None,
    wild_type: WildType | None = None,
    pseudocount: float = 0.5,
) -> FrequencyModel:
    """Return the model whose score is the sum over positions of the log-frequency of the letter there.

    Sequences of one length are counted position by position; others are aligned to the wild type (deletions as gaps,
    without insertions).

    Args:
        designs: `n` sequences of a corpus.
        weights: `n` weights of the sequences, e.g. by clusters; equal if None.
        wild_type: Sequence that designs of different lengths are aligned to.
        pseudocount: Positive number, added to the weight of every letter of the corpus at every position.

    Raises:
        InvdesignError: The corpus is empty, lengths differ without a wild type, or the weights do not have a positive
            sum.

    Example:
        >>> score = site_independent(["AC", "AC", "AD"], pseudocount=1)
        >>> bool(score(["AC"])[0] > score(["AD"])[0])
        True
    """
    counts = _count_letters(designs, weights, wild_type)
    return FrequencyModel(counts.common, counts.number, *counts.frequencies(pseudocount), wild_type=wild_type)


def pairwise(
    designs: Sequence[str],
    *,
    weights: Array | None = None,
    wild_type: WildType | None = None,
    pseudocount: float = 0.5,
    shrinkage: float = 0.5,
) -> FrequencyModel:
    """Return the model whose score is the mean over pairs of positions of log p(a, b), times half the length.

    With this scale the score equals the site-independent one where letters at different positions are independent. The
    probability of a pair is that of independent letters times (observed + s) / (expected + s) with the shrinkage s: a
    pair that does not occur lowers the score only in so far as it is expected to occur.

    Args:
        designs: `n` sequences of a corpus.
        weights: `n` weights of the sequences; equal if None.
        wild_type: Sequence that designs of different lengths are aligned to.
        pseudocount: See `site_independent`.
        shrinkage: Weight added to the observed and to the expected weight of a pair.

    Raises:
        InvdesignError: See `site_independent`.

    References:
        Noren, Hopstadius and Bate, Stat. Methods Med. Res. 2013, doi:10.1177/0962280211403604 (the shrinkage).
    """
    counts = _count_letters(designs, weights, wild_type)
    constant, effects = counts.frequencies(pseudocount)
    length = len(counts.common)
    if length < 2:
        return FrequencyModel(counts.common, counts.number, constant, effects, wild_type=wild_type)
    pair_constant, pair_effects, pairs = counts.associations(shrinkage)
    constant, effects = constant + pair_constant / (length - 1), effects + pair_effects / (length - 1)
    scaled = (pairs / (length - 1)).astype(np.float32)
    return FrequencyModel(counts.common, counts.number, constant, effects, scaled, wild_type)


def align_designs(designs: Sequence[str], wild_type: WildType | None) -> list[str]:
    """Align designs to the wild type: deletions become gaps, insertions are omitted.

    Designs that all have the wild type's length, or any designs without a wild type, are returned unchanged.

    Example:
        >>> align_designs(["ACDE", "AE", "ACWDE"], WildType("ACDE"))
        ['ACDE', 'A--E', 'ACDE']
    """
    own = None if wild_type is None else len(wild_type.sequence)
    if wild_type is None or all(len(design) == own for design in designs):
        return list(designs)
    rows = []
    for design in designs:
        letters = [GAP] * len(wild_type.sequence)
        for letter, origin in zip(design, number_residues(design, wild_type)[1], strict=True):
            if origin >= 0:
                letters[origin] = letter
        rows.append("".join(letters))
    return rows


@dataclass(frozen=True, eq=False)
class _Counts:
    """Weights of letters and of pairs of letters in a corpus; uncommon letters by their numbers, `k` in all."""

    common: str
    """Most common letter at each position."""
    number: Numbers
    """Number of each letter at each position (`length x 128`), see `FrequencyModel.number`."""
    position: Numbers
    """Position of each uncommon letter (`k`)."""
    total: float
    """Sum of the weights."""
    n_letters: int
    """Number of different letters in the corpus."""
    uncommon: Array
    """Weight of each uncommon letter (`k`)."""
    X: csr_array
    """Uncommon letters of each sequence (`n x k` zeros and ones)."""
    weights: Array
    """Weight of each sequence (`n`)."""

    def frequencies(self, pseudocount: float) -> tuple[float, Array]:
        """Return the log-probability of the most common letters, and the change by each other letter."""
        at_position = np.bincount(self.position, self.uncommon, minlength=len(self.common))
        common = np.log(self.total - at_position + pseudocount)
        effects = np.log(self.uncommon + pseudocount) - common[self.position]
        return float((common - np.log(self.total + pseudocount * self.n_letters)).sum()), effects

    def associations(self, shrinkage: float) -> tuple[float, Array, Array]:
        """Return the sum over pairs of positions of log (observed + s) / (expected + s).

        With c for the most common and u for uncommon letters, the logarithm of two positions is cc, uc or uu. The sum
        is a constant (all cc), the effects of uncommon letters (uc - cc) and the effects of pairs (uu - uc - cu + cc).

        Returns:
            Constant, effects (`k`) and pairs (`k x k`).
        """
        weighted = self.X.multiply(self.weights[:, None]).tocsr()
        both = (self.X.T @ weighted).toarray()
        at = np.zeros((len(self.position), len(self.common)))
        at[np.arange(len(self.position)), self.position] = 1
        other, common = self.uncommon, self.total - self.uncommon @ at

        def log_ratio(observed: Array, first: Array, second: Array) -> Array:
            # The observed weight is a difference of sums, which rounding can make slightly negative.
            expected = np.outer(first, second) / self.total
            return np.log((observed.clip(min=0) + shrinkage) / (expected + shrinkage))

        mixed = both @ at
        cc = log_ratio(self.total - np.add.outer(other @ at, other @ at) + at.T @ mixed, common, common)
        np.fill_diagonal(cc, 0)
        uc = log_ratio(other[:, None] - mixed, other, common)
        uc[np.arange(len(self.position)), self.position] = 0
        uu = log_ratio(both, other, other)
        effects = (uc - cc[self.position]).sum(axis=1)
        crossed = uc[:, self.position]
        pairs = uu - crossed - crossed.T + cc[np.ix_(self.position, self.position)]
        pairs[self.position[:, None] == self.position] = 0
        return float(cc.sum() / 2), effects, pairs


def _count_letters(designs: Sequence[str], weights: Array | None, wild_type: WildType | None) -> _Counts:
    if not len(designs):
        raise InvdesignError("naturalness: expected a corpus of at least one sequence, got none")
    w = np.ones(len(designs)) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != (len(designs),) or not w.sum() > 0:
        raise InvdesignError(
            f"naturalness: expected a weight for each of {len(designs)} sequences, with a positive sum, got an array "
            f"of shape {w.shape} with the sum {w.sum():g}"
        )
    aligned = align_designs(designs, wild_type)
    sizes = sorted(set(map(len, aligned)))
    if len(sizes) > 1:
        raise InvdesignError(
            f"naturalness: expected sequences of one length or a wild type to align them to, got {sizes[0]:,} to "
            f"{sizes[-1]:,} letters. Set the wild type, or use method 'vae'"
        )
    codes = _letter_codes(aligned, sizes[0])
    length = codes.shape[1]
    counts = np.stack([np.bincount(column, w, minlength=128) for column in codes.T])
    is_uncommon = counts > 0
    most_common = counts.argmax(axis=1)
    is_uncommon[np.arange(length), most_common] = False
    position, letter = np.nonzero(is_uncommon)
    # The last numbers belong to the letters that do not occur at a position, one number for each position.
    number = np.repeat(len(position) + np.arange(length)[:, None], 128, axis=1)
    number[position, letter] = np.arange(len(position))
    number[np.arange(length), most_common] = -1
    uncommon = np.concatenate([counts[position, letter], np.zeros(length)])
    return _Counts(
        common="".join(map(chr, most_common)),
        number=number,
        position=np.concatenate([position, np.arange(length)]),
        total=float(w.sum()),
        n_letters=int((counts.sum(axis=0) > 0).sum()),
        uncommon=uncommon,
        X=_uncommon_letters(codes, number, len(uncommon)),
        weights=w,
    )


def _letter_codes(designs: Sequence[str], length: int) -> npt.NDArray[np.uint8]:
    """Return the codes of letters (`n x length`); non-ASCII characters become a letter that does not occur."""
    codes = np.frombuffer("".join(designs).encode("ascii", "replace"), dtype=np.uint8)
    return codes.reshape(len(designs), length)


def _uncommon_letters(codes: npt.NDArray[np.uint8], number: Numbers, k: int) -> csr_array:
    """Return which uncommon letters each design has: `n x k` zeros and ones."""
    numbers = number[np.arange(codes.shape[1]), codes]
    row, column = np.nonzero(numbers >= 0)
    return csr_array((np.ones(len(row)), (row, numbers[row, column])), shape=(len(codes), k))
