"""Chimeras of aligned designs: the best explanation by two real designs against the best one by a single one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from invdesign.core import Array

MIN_SHARE = 0.05
"""Smallest part of a design that a parent explains: at its very ends, any two designs fit by chance."""

NO_ROWS = np.zeros(0, dtype=np.intp)


@dataclass(frozen=True)
class Parents:
    """The two reference designs that explain a design best, and the single one that does."""

    left: int
    """Row of the reference that explains the columns before the breakpoint."""
    right: int
    """Row of the reference that explains the columns from the breakpoint on."""
    breakpoint: int
    """Column at which the explanation changes from one parent to the other: the middle of those that fit equally."""
    breakpoints: tuple[int, int]
    """First and last of the columns that fit equally."""
    mismatches: int
    """Columns that the two parents leave unexplained."""
    single: int
    """Row of the reference nearest to the design."""
    single_mismatches: int
    """Columns in which it differs from the design."""
    explained: tuple[int, ...] = ()
    """Columns that the two parents explain and the single design does not."""
    left_differences: tuple[int, ...] = ()
    """All columns in which the left parent differs from the design; most lie behind the breakpoint of a chimera."""
    right_differences: tuple[int, ...] = ()
    """All columns in which the right parent differs from the design."""

    @property
    def gain(self) -> int:
        """Columns that two parents explain and a single one does not; 0 where one design explains as much."""
        return self.single_mismatches - self.mismatches

    @property
    def score(self) -> float:
        """The gain; of equal gains, that which leaves fewer columns unexplained is larger."""
        return self.gain - self.mismatches / (1 + self.single_mismatches)


def find_parents(
    rows: Int[np.ndarray, "n length"],
    reference: Int[np.ndarray, "m length"],
    *,
    missing: int,
    excluded: Sequence[Int[np.ndarray, " k"]] | None = None,
) -> list[Parents]:
    """Return for each aligned design its best explanation by two reference designs and one breakpoint.

    With `e_i(a, b)` the mismatches to reference design `i` in columns `a` to `b`, the explanation minimizes
    `min_i e_i(0, k) + min_j e_j(k, L)` over the breakpoint `k`, exactly. A gap is a letter like the others.
    Real designs of an unknown family have a small gain by chance: it has to be ranked among theirs (see `atlas.audit`).

    Args:
        rows: Aligned designs as letter numbers.
        reference: Real designs in the same columns.
        missing: Letter numbers up to this one are unknown letters, which mismatch nothing.
        excluded: For each design the rows of the reference that may not explain it, e.g. itself and its relatives.

    References:
        Edgar et al., Bioinformatics 2011, doi:10.1093/bioinformatics/btr381 (UCHIME, a vote on the same question).

    Example:
        >>> import numpy as np
        >>> reference = np.array([[1] * 10, [2] * 10])
        >>> found = find_parents(np.array([[1] * 4 + [2] * 6]), reference, missing=0)[0]
        >>> found.left, found.right, found.breakpoint, found.gain
        (0, 1, 4, 4)
    """
    letters, known = _compact(reference), reference > missing
    return [
        _explain((letters != _compact(row)) & known & (row > missing), out)
        for row, out in zip(rows, excluded or [NO_ROWS] * len(rows), strict=True)
    ]


def simulate_chimeras(
    rows: Int[np.ndarray, "n length"], n: int, *, families: Sequence[str] = (), seed: int = 0
) -> tuple[Int[np.ndarray, "n length"], list[tuple[int, int, int]]]:
    """Return chimeras of two real designs, with a breakpoint between 20 and 80 % of the columns.

    Args:
        rows: Real aligned designs as letter numbers.
        n: Chimeras; none equals a parent.
        families: Family of each design; the parents are of different ones. Without it any two designs.
        seed: Seed of parents and breakpoints.

    Returns:
        The chimeras, and for each the rows of its left and right parent and its breakpoint.
    """
    draws = _draw_parents(rows, families, np.random.default_rng(seed))
    origins = [next(draws) for _ in range(n)]
    chimeras = [np.concatenate([rows[i, :k], rows[j, k:]]) for i, j, k in origins]
    return np.array(chimeras, dtype=rows.dtype).reshape(n, rows.shape[1]), origins


def _draw_parents(rows: Array, families: Sequence[str], rng: np.random.Generator) -> Iterator[tuple[int, int, int]]:
    length = rows.shape[1]
    while True:
        i, j = (int(row) for row in rng.choice(len(rows), 2, replace=False))
        k = int(rng.integers(round(0.2 * length), round(0.8 * length) + 1))
        differs = rows[i] != rows[j]
        if differs[:k].any() and differs[k:].any() and (not families or families[i] != families[j]):
            yield i, j, k


def _compact(letters: Int[np.ndarray, ...]) -> Int[np.ndarray, ...]:
    """Return letter numbers in one byte each: comparing them is most of the work."""
    compact: Int[np.ndarray, ...] = letters.astype(np.uint8) if letters.max(initial=0) < 256 else letters
    return compact


def _explain(mismatches: Bool[np.ndarray, "m length"], excluded: Int[np.ndarray, " k"]) -> Parents:
    length = mismatches.shape[1]
    # Half the bytes, half the time; three lengths have to fit.
    counts = mismatches.cumsum(1, dtype=np.int16 if length < 10_000 else np.int32)
    # A reference design that is excluded explains no column.
    counts[excluded] += length
    before = np.concatenate([np.zeros((len(counts), 1), dtype=counts.dtype), counts], 1)
    total = before[:, -1]
    after = total[:, None] - before
    after[excluded] += length
    both = before.min(0) + after.min(0)
    margin = max(1, round(MIN_SHARE * length))
    inner = both[margin : length - margin + 1]
    best = np.flatnonzero(inner == inner.min()) + margin
    # The first run of equal breakpoints; others belong to explanations that are equally good.
    run = best[: int(np.argmax(np.diff(best, append=best[-1] + 2) > 1)) + 1]
    k = int(run[len(run) // 2])
    left, right, single = int(before[:, k].argmin()), int(after[:, k].argmin()), int(total.argmin())
    unexplained = np.concatenate([mismatches[left, :k], mismatches[right, k:]])
    return Parents(
        left,
        right,
        k,
        (int(run[0]), int(run[-1])),
        int(both[k]),
        single,
        int(total[single]),
        _columns(mismatches[single] & ~unexplained),
        _columns(mismatches[left]),
        _columns(mismatches[right]),
    )


def _columns(is_different: Bool[np.ndarray, " length"]) -> tuple[int, ...]:
    return tuple(np.flatnonzero(is_different).tolist())
