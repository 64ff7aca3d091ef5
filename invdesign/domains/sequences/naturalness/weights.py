"""Weights of sequences by the number of their neighbours, so that a crowd counts as one."""

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
    """Letters as `n x max_length x n_letters` zeros and ones; all zero behind a design's end and for other letters."""
    rows = np.zeros((len(designs), max_length, len(letters)), dtype=np.uint8)
    column = {letter: i for i, letter in enumerate(letters)}
    for row, design in zip(rows, designs, strict=True):
        found = [(i, column[letter]) for i, letter in enumerate(design[:max_length]) if letter in column]
        if found:
            row[tuple(zip(*found, strict=True))] = 1
    return rows


def by_clusters(designs: Sequence[str], *, theta: float = 0.2, progress: Progress = silent) -> Array:
    """For every design 1 / the number of designs that differ from it in less than a share `theta`, itself included.

    The share is of the Hamming distance in the length where all have one length (a gap counts as a letter), otherwise
    of the Levenshtein distance in the longer of the two. Every pair counts; none is sampled.

    Args:
        designs: `n` of them.
        theta: .2 is usual for proteins of a family, .01 for viruses.
        progress: called with ("counting neighbours", done, n).

    Returns:
        `n` weights; their sum is the effective number of sequences.

    Raises:
        InvdesignError: theta does not lie between 0 and 1.

    References:
        Morcos et al., PNAS 2011, doi:10.1073/pnas.1111471108;
        Riesselman et al., Nat. Methods 2018, doi:10.1038/s41592-018-0138-4 (DeepSequence).
    """
    if not 0 < theta < 1:
        raise InvdesignError(f"weights by clusters: theta must lie between 0 and 1, got {theta!r}")
    if not designs:
        return np.zeros(0)
    length = len(designs[0])
    if any(len(design) != length for design in designs):
        return 1 / _free(designs, theta, progress)
    # A distance below theta * length is at most this.
    most = math.ceil(theta * length - 1e-9) - 1
    text = "".join(designs)
    number = {letter: i for i, letter in enumerate(sorted(set(text)))}
    codes = np.frombuffer(text.translate({ord(a): i for a, i in number.items()}).encode("latin-1"), dtype=np.uint8)
    codes = codes.reshape(len(designs), length)
    common = np.array([np.bincount(column).argmax() for column in codes.T], dtype=np.uint8)
    differs = codes != common
    shared = differs.sum(axis=0, dtype=np.float64)
    # A step of the sparse product costs as much as some thousands of the dense one.
    is_sparse = 3600 * np.square(shared).sum() < float(len(designs)) ** 2 * length * len(number)
    count = _sparse(codes, differs, most, progress) if is_sparse else _dense(codes, most, progress)
    return 1 / count


def _sparse(codes: Codes, differs: npt.NDArray[np.bool_], most: int, progress: Progress) -> Array:
    """Neighbours among variants of one sequence.

    Two variants with a and b mutations are a + b apart, less one for each position that is mutated in both, and less
    another one where it is the same mutation; only the pairs that share a position are looked at one by one.
    """
    n, length = codes.shape
    row, position = np.nonzero(differs)
    column = np.concatenate([position, length + position * 256 + codes[row, position]])
    ones = np.ones(2 * len(row), dtype=np.int32)
    shared = csr_array((ones, (np.concatenate([row, row]), column)), shape=(n, length * 257))
    own = differs.sum(axis=1)
    count = np.searchsorted(np.sort(own), most - own, side="right").astype(np.float64)
    if 2 * own.max() <= most:
        return count
    transposed = shared.T.tocsr()
    for start in range(0, n, BLOCK):
        progress("counting neighbours", start, n)
        pairs = (shared[start : start + BLOCK] @ transposed).tocoo()
        apart = own[start + pairs.row] + own[pairs.col]
        is_new = (apart > most) & (apart - pairs.data <= most)
        count[start : start + BLOCK] += np.bincount(pairs.row[is_new], minlength=pairs.shape[0])
    return count


def _dense(codes: Codes, most: int, progress: Progress) -> Array:
    n, length = codes.shape
    n_letters = int(codes.max()) + 1
    count = np.zeros(n)
    steps = range(0, n, BLOCK)
    blocks = [slice(start, min(n, start + BLOCK)) for start in steps]
    for k, rows in enumerate(blocks):
        progress("counting neighbours", rows.start, n)
        mine = _flat(codes[rows], n_letters)
        for columns in blocks[k:]:
            is_near = mine @ _flat(codes[columns], n_letters).T >= length - most - 0.5
            count[rows] += is_near.sum(axis=1)
            if columns is not rows:
                count[columns] += is_near.sum(axis=0)
    return count


def _flat(codes: Codes, n_letters: int) -> npt.NDArray[np.float32]:
    hot = codes[:, :, None] == np.arange(n_letters, dtype=np.uint8)
    return hot.reshape(len(codes), -1).astype(np.float32)


def _free(designs: Sequence[str], theta: float, progress: Progress) -> Array:
    """Neighbours by Levenshtein distance; only lengths that can be near each other are compared."""
    n = len(designs)
    order = np.argsort([len(design) for design in designs], kind="stable")
    given = [designs[i] for i in order]
    sizes = np.array([len(design) for design in given])
    count = np.zeros(n)
    for start in range(0, n, BLOCK):
        progress("counting neighbours", start, n)
        rows = given[start : start + BLOCK]
        low = int(np.searchsorted(sizes, (1 - theta) * len(rows[0]), side="left"))
        high = int(np.searchsorted(sizes, len(rows[-1]) / (1 - theta), side="right"))
        apart = process.cdist(rows, given[low:high], scorer=Levenshtein.distance, dtype=np.int32)
        longer = np.maximum(sizes[start : start + BLOCK, None], sizes[low:high])
        count[order[start : start + BLOCK]] = (apart < theta * longer - 1e-9).sum(axis=1)
    return count


def effective_number(weights: Array) -> float:
    """The sum of weights by clusters: how many sequences the corpus is worth."""
    return float(np.sum(weights))
