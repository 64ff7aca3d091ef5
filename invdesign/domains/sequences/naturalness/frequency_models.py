"""Cheap companions of a VAE's naturalness: what frequencies of letters, and of pairs of letters, say of a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from invdesign.core import Array, InvdesignError
from invdesign.domains.sequences.alphabet import GAP
from invdesign.domains.sequences.wild_type.residue_numbering import numbered
from invdesign.domains.sequences.wild_type.wild_type import WildType

BLOCK = 1024

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Companion:
    """A score of sequences: a constant, effects of letters that are not the commonest at their place, and of pairs.

    Args:
        common: the commonest letter at each place.
        number: `places x 128`, the number of each letter's effect at each place, -1 for the commonest; all letters
            that were never seen at a place have one number.
        constant: the score of the commonest letters.
        effects: `k`.
        pairs: `k x k`, what two letters add to their effects, symmetric; None where letters count by themselves.
        wild_type: what sequences of another length are aligned to.
    """

    common: str
    number: Numbers
    constant: float
    effects: Array
    pairs: npt.NDArray[np.float32] | None = None
    wild_type: WildType | None = None

    def __call__(self, designs: Sequence[str]) -> Array:
        """Scores (`n`, nats), higher is more like the corpus; NaN for another number of places than it has."""
        given = aligned(designs, self.wild_type)
        fits = np.array([len(row) == len(self.common) for row in given], dtype=bool)
        rows = _rows([row if ok else self.common for row, ok in zip(given, fits, strict=True)], len(self.common))
        X = _uncommon(rows, self.number, len(self.effects))
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
) -> Companion:
    """The sum over places of the log-frequency of the letter there.

    Sequences of one length count place by place; others by the places of the wild type (deletions as gaps, insertions
    left out).

    Args:
        designs: a corpus.
        weights: of its designs, e.g. by clusters; all the same where None.
        wild_type: what sequences of differing lengths are aligned to.
        pseudocount: a positive number, added to the weight of every letter of the corpus at every place.

    Raises:
        InvdesignError: an empty corpus, lengths that differ without a wild type, or weights that do not sum to a
            positive number.
    """
    table = _counted(designs, weights, wild_type)
    return Companion(table.common, table.number, *table.frequencies(pseudocount), wild_type=wild_type)


def pairwise(
    designs: Sequence[str],
    *,
    weights: Array | None = None,
    wild_type: WildType | None = None,
    pseudocount: float = 0.5,
    shrinkage: float = 0.5,
) -> Companion:
    """The mean over pairs of places of log p(a, b), times half the number of places: the support of a sequence.

    So scaled it is the site-independent score where letters at different places know nothing of each other. A pair's
    probability is that of independent letters times (observed + s) / (expected + s) with the shrinkage s: a pair that
    was not seen counts against a sequence only as far as it was to be expected.

    Args:
        designs: a corpus.
        weights: of its designs; all the same where None.
        wild_type: what sequences of differing lengths are aligned to.
        pseudocount: as in `site_independent`.
        shrinkage: weight added to what is observed of a pair, and to what is expected.

    Raises:
        InvdesignError: as `site_independent`.

    References:
        Noren, Hopstadius and Bate, Stat. Methods Med. Res. 2013, doi:10.1177/0962280211403604 (the shrinkage).
    """
    table = _counted(designs, weights, wild_type)
    constant, effects = table.frequencies(pseudocount)
    n_places = len(table.common)
    if n_places < 2:
        return Companion(table.common, table.number, constant, effects, wild_type=wild_type)
    more_constant, more_effects, pairs = table.associations(shrinkage)
    constant, effects = constant + more_constant / (n_places - 1), effects + more_effects / (n_places - 1)
    scaled = (pairs / (n_places - 1)).astype(np.float32)
    return Companion(table.common, table.number, constant, effects, scaled, wild_type)


def aligned(designs: Sequence[str], wild_type: WildType | None) -> list[str]:
    """Designs of one length as they are; others by the places of the wild type, with gaps, without insertions."""
    own = None if wild_type is None else len(wild_type.sequence)
    if wild_type is None or all(len(design) == own for design in designs):
        return list(designs)
    rows = []
    for design in designs:
        letters = [GAP] * len(wild_type.sequence)
        for letter, origin in zip(design, numbered(design, wild_type)[1], strict=True):
            if origin >= 0:
                letters[origin] = letter
        rows.append("".join(letters))
    return rows


@dataclass(frozen=True, eq=False)
class _Counts:
    """Weights of letters and pairs of letters in a corpus; uncommon letters by their numbers, `k` in all."""

    common: str
    number: Numbers
    place: Numbers
    total: float
    n_letters: int
    uncommon: Array
    X: csr_array
    weights: Array

    def frequencies(self, pseudocount: float) -> tuple[float, Array]:
        """The log-probability of the commonest letters, and what each other letter changes."""
        n_places = len(self.common)
        at_place = np.bincount(self.place, self.uncommon, minlength=n_places)
        common = np.log(self.total - at_place + pseudocount)
        effects = np.log(self.uncommon + pseudocount) - common[self.place]
        return float((common - np.log(self.total + pseudocount * self.n_letters)).sum()), effects

    def associations(self, shrinkage: float) -> tuple[float, Array, Array]:
        """The sum over pairs of places of log (observed + s) / (expected + s), as constant, effects and pairs."""
        weighted = self.X.multiply(self.weights[:, None]).tocsr()
        both = (self.X.T @ weighted).toarray()
        at = np.zeros((len(self.place), len(self.common)))
        at[np.arange(len(self.place)), self.place] = 1
        other, common = self.uncommon, self.total - self.uncommon @ at

        def support(observed: Array, first: Array, second: Array) -> Array:
            # A difference of sums of weights may come out a little below 0.
            expected = np.outer(first, second) / self.total
            return np.log((observed.clip(min=0) + shrinkage) / (expected + shrinkage))

        mixed = both @ at
        commons = support(self.total - np.add.outer(other @ at, other @ at) + at.T @ mixed, common, common)
        np.fill_diagonal(commons, 0)
        half = support(other[:, None] - mixed, other, common)
        half[np.arange(len(self.place)), self.place] = 0
        whole = support(both, other, other)
        effects = (half - commons[self.place]).sum(axis=1)
        crossed = half[:, self.place]
        pairs = whole - crossed - crossed.T + commons[np.ix_(self.place, self.place)]
        pairs[self.place[:, None] == self.place] = 0
        return float(commons.sum() / 2), effects, pairs


def _counted(designs: Sequence[str], weights: Array | None, wild_type: WildType | None) -> _Counts:
    if not len(designs):
        raise InvdesignError("naturalness: nothing to count; give a corpus of at least one sequence")
    w = np.ones(len(designs)) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != (len(designs),) or not w.sum() > 0:
        raise InvdesignError(
            f"naturalness: expected a weight for each of {len(designs)} sequences, with a positive sum, got an array "
            f"of {w.shape} with the sum {w.sum():g}"
        )
    given = aligned(designs, wild_type)
    sizes = sorted(set(map(len, given)))
    if len(sizes) > 1:
        raise InvdesignError(
            f"naturalness: the corpus has sequences of {sizes[0]:,} to {sizes[-1]:,} letters and nothing to align them "
            "to; set the wild type, or rate them by a VAE (method 'vae')"
        )
    rows = _rows(given, sizes[0])
    n_places = rows.shape[1]
    counts = np.stack([np.bincount(column, w, minlength=128) for column in rows.T])
    seen = counts > 0
    best = counts.argmax(axis=1)
    seen[np.arange(n_places), best] = False
    place, letter = np.nonzero(seen)
    # The last numbers are those of letters never seen at a place.
    number = np.repeat(len(place) + np.arange(n_places)[:, None], 128, axis=1)
    number[place, letter] = np.arange(len(place))
    number[np.arange(n_places), best] = -1
    uncommon = np.concatenate([counts[place, letter], np.zeros(n_places)])
    return _Counts(
        common="".join(map(chr, best)),
        number=number,
        place=np.concatenate([place, np.arange(n_places)]),
        total=float(w.sum()),
        n_letters=int((counts.sum(axis=0) > 0).sum()),
        uncommon=uncommon,
        X=_uncommon(rows, number, len(uncommon)),
        weights=w,
    )


def _rows(designs: Sequence[str], length: int) -> npt.NDArray[np.uint8]:
    """Codes of letters (`n x length`); what is no ASCII counts as a letter that was never seen."""
    codes = np.frombuffer("".join(designs).encode("ascii", "replace"), dtype=np.uint8)
    return codes.reshape(len(designs), length)


def _uncommon(rows: npt.NDArray[np.uint8], number: Numbers, k: int) -> csr_array:
    """Which uncommon letters each design has: `n x k` zeros and ones."""
    found = number[np.arange(rows.shape[1]), rows]
    row, column = np.nonzero(found >= 0)
    return csr_array((np.ones(len(row)), (row, found[row, column])), shape=(len(rows), k))
