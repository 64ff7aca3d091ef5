"""Weights of sequences by their number of neighbours, so that a cluster of similar sequences counts as one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein
from scipy.sparse import csr_array

from invdesign.core import Array, InvdesignError, Progress, silent

BLOCK = 2048

Codes = npt.NDArray[np.uint8]


def one_hot(designs: Sequence[str], letters: str, max_length: int) -> npt.NDArray[np.uint8]:
    """Return one-hot letters; all zero beyond a design's end and for letters outside the alphabet.

    Args:
        designs: `n` designs.
        letters: Alphabet.
        max_length: Number of positions; longer designs are truncated.

    Returns:
        `n x max_length x n_letters` zeros and ones.
    """
    if not len(designs) or not max_length:
        return np.zeros((len(designs), max_length, len(letters)), dtype=np.uint8)
    # Longer designs are cut and shorter ones filled with the character 0, which no alphabet has.
    codes = np.array(designs, dtype=f"<U{max_length}").view(np.uint32).reshape(len(designs), max_length)
    alphabet = np.array([ord(letter) for letter in letters], dtype=np.uint32)
    rows: Codes = (codes[:, :, None] == alphabet).astype(np.uint8)
    return rows


def by_clusters(designs: Sequence[str], *, theta: float = 0.2, progress: Progress = silent) -> Array:
    """Return the weight of each design, 1 / its number of neighbours, itself included.

    Neighbours are designs at a relative distance below `theta`: Hamming distance / length where all designs have one
    length (a gap counts as a letter), otherwise Levenshtein distance / length of the longer one. All pairs count; none
    is sampled.

    Args:
        designs: `n` designs.
        theta: Relative distance; 0.2 is usual for protein families, 0.01 for viruses.
        progress: Called with ("counting neighbours", done, n).

    Returns:
        `n` weights; their sum is the effective number of sequences.

    Raises:
        InvdesignError: `theta` is not between 0 and 1.

    References:
        Morcos et al., PNAS 2011, doi:10.1073/pnas.1111471108;
        Riesselman et al., Nat. Methods 2018, doi:10.1038/s41592-018-0138-4 (DeepSequence).

    Example:
        >>> by_clusters(["AAAAAAAAAA", "AAAAAAAAAC", "CCCCCCCCCC"]).tolist()
        [0.5, 0.5, 1.0]
    """
    if not 0 < theta < 1:
        raise InvdesignError(f"weights by clusters: theta must be between 0 and 1, got {theta!r}")
    if not designs:
        return np.zeros(0)
    length = len(designs[0])
    if any(len(design) != length for design in designs):
        return 1 / _count_by_levenshtein(designs, theta, progress)
    # Largest integer distance below theta * length.
    max_distance = math.ceil(theta * length - 1e-9) - 1
    text = "".join(designs)
    number = {letter: i for i, letter in enumerate(sorted(set(text)))}
    codes = np.frombuffer(text.translate({ord(a): i for a, i in number.items()}).encode("latin-1"), dtype=np.uint8)
    codes = codes.reshape(len(designs), length)
    common = np.array([np.bincount(column).argmax() for column in codes.T], dtype=np.uint8)
    is_mutated = codes != common
    n_mutated = is_mutated.sum(axis=0, dtype=np.float64)
    # An operation of the sparse product costs as much as some thousands of the dense one.
    is_sparse = 3600 * np.square(n_mutated).sum() < float(len(designs)) ** 2 * length * len(number)
    if is_sparse:
        return 1 / _count_sparse(codes, is_mutated, max_distance, progress)
    return 1 / _count_dense(codes, max_distance, progress)


def effective_number(weights: Array) -> float:
    """Return the effective number of sequences of a corpus: the sum of its weights by clusters."""
    return float(np.sum(weights))


def _count_sparse(codes: Codes, is_mutated: npt.NDArray[np.bool_], max_distance: int, progress: Progress) -> Array:
    """Count neighbours among variants of one sequence.

    The distance of two variants with a and b mutations is a + b, minus one for each position that is mutated in both,
    minus one more where both have the same mutation. Only pairs that share a position are computed individually.
    """
    n, length = codes.shape
    row, position = np.nonzero(is_mutated)
    column = np.concatenate([position, length + position * 256 + codes[row, position]])
    ones = np.ones(2 * len(row), dtype=np.int32)
    shared = csr_array((ones, (np.concatenate([row, row]), column)), shape=(n, length * 257))
    n_mutations = is_mutated.sum(axis=1)
    within_bound = np.searchsorted(np.sort(n_mutations), max_distance - n_mutations, side="right")
    count: Array = within_bound.astype(np.float64)
    if 2 * n_mutations.max() <= max_distance:
        return count
    transposed = shared.T.tocsr()
    for start in range(0, n, BLOCK):
        progress("counting neighbours", start, n)
        pairs = (shared[start : start + BLOCK] @ transposed).tocoo()
        upper_bound = n_mutations[start + pairs.row] + n_mutations[pairs.col]
        is_new = (upper_bound > max_distance) & (upper_bound - pairs.data <= max_distance)
        count[start : start + BLOCK] += np.bincount(pairs.row[is_new], minlength=pairs.shape[0])
    return count


def _count_dense(codes: Codes, max_distance: int, progress: Progress) -> Array:
    """Count neighbours by products of one-hot blocks; each pair of blocks is computed once."""
    n, length = codes.shape
    n_letters = int(codes.max()) + 1
    count = np.zeros(n)
    steps = range(0, n, BLOCK)
    blocks = [slice(start, min(n, start + BLOCK)) for start in steps]
    for k, rows in enumerate(blocks):
        progress("counting neighbours", rows.start, n)
        encoded = _flat_one_hot(codes[rows], n_letters)
        for columns in blocks[k:]:
            is_near = encoded @ _flat_one_hot(codes[columns], n_letters).T >= length - max_distance - 0.5
            count[rows] += is_near.sum(axis=1)
            if columns is not rows:
                count[columns] += is_near.sum(axis=0)
    return count


def _flat_one_hot(codes: Codes, n_letters: int) -> npt.NDArray[np.float32]:
    encoded = codes[:, :, None] == np.arange(n_letters, dtype=np.uint8)
    flat: npt.NDArray[np.float32] = encoded.reshape(len(codes), -1).astype(np.float32)
    return flat


def _count_by_levenshtein(designs: Sequence[str], theta: float, progress: Progress) -> Array:
    """Count neighbours by Levenshtein distance; only designs of sufficiently similar lengths are compared."""
    n = len(designs)
    order = np.argsort([len(design) for design in designs], kind="stable")
    ordered = [designs[i] for i in order]
    sizes = np.array([len(design) for design in ordered])
    count = np.zeros(n)
    for start in range(0, n, BLOCK):
        progress("counting neighbours", start, n)
        rows = ordered[start : start + BLOCK]
        low = int(np.searchsorted(sizes, (1 - theta) * len(rows[0]), side="left"))
        high = int(np.searchsorted(sizes, len(rows[-1]) / (1 - theta), side="right"))
        distances = process.cdist(rows, ordered[low:high], scorer=Levenshtein.distance, dtype=np.int32)
        longer = np.maximum(sizes[start : start + BLOCK, None], sizes[low:high])
        count[order[start : start + BLOCK]] = (distances < theta * longer - 1e-9).sum(axis=1)
    return count
