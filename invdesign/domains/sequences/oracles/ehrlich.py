"""Ehrlich functions: test functions with hidden motifs, epistasis, forbidden transitions and a known optimum of 1.

A Markov chain with forbidden transitions defines which sequences are feasible; hidden motifs, each with its own
spacing, define their values. The parameters and a seed determine the function, exactly as in pytorch-holo 0.0.5.

References:
    Stanton et al., Closed-form test functions for biophysical sequence design, 2024, arXiv:2407.00236.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from invdesign.core import Array, Corpus, InvdesignError, Progress, silent
from invdesign.domains.sequences.alphabet import LETTERS
from invdesign.io.corpora import make_corpus

ALPHABET = LETTERS["protein"] + "BJOUXZ" + "0123456789"
TEMPERATURE = 0.5
BAND = 0.4

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Ehrlich:
    """Ehrlich function of V letters, length L, and c motifs of length k, with quantization q and epistasis e.

    The value of a feasible design is the product over the motifs of `p (1 + e p (p - 1))`, where p is the largest
    fraction of the motif's letters at their spacing that is present at any position, rounded down to one of q levels.
    """

    letters: str
    """Alphabet of V letters; arrays below contain the numbers of letters in it."""
    transitions: Array
    """`V x V` probabilities that a letter (column) follows another (row); 0 for a forbidden transition."""
    motifs: Numbers
    """`c x k` letters of the motifs."""
    offsets: Numbers
    """`c x k` positions of the motifs' letters relative to the first one."""
    length: int
    """Length L of every feasible sequence."""
    quantization: int
    """Number of levels q of the presence of a motif; divides k."""
    epistasis: float
    """Penalty e of motifs that are partly present; 0 for none."""
    initial: str
    """Feasible design that campaigns start from."""

    def evaluate(self, designs: Sequence[str]) -> Array:
        """Return the values of `n` designs, 0 to 1; NaN for an infeasible design."""
        values = np.full(len(designs), np.nan)
        numbers, rows = self._feasible_numbers(designs)
        if len(rows):
            values[rows] = self._presence(numbers).prod(axis=1)
        return values

    def motif_presence(self, designs: Sequence[str]) -> Array:
        """Return the presence of each motif, with epistasis (`n x c`); NaN for an infeasible design."""
        presence = np.full((len(designs), len(self.motifs)), np.nan)
        numbers, rows = self._feasible_numbers(designs)
        if len(rows):
            presence[rows] = self._presence(numbers)
        return presence

    def optimum(self) -> str:
        """Return a feasible design of value 1: all motifs in sequence, each letter repeated up to the next one.

        It is feasible because the motifs are segments of one path of the chain, and every letter may follow itself.
        """
        spans = self.offsets[:, -1] + 1
        starts = np.concatenate([[0], np.cumsum(spans)[:-1]])
        positions = (starts[:, None] + self.offsets).ravel()
        repeats = np.diff([*positions, self.length])
        return self._to_text(np.repeat(self.motifs.ravel(), repeats))

    def sample(self, n: int, rng: np.random.Generator) -> list[str]:
        """Return `n` feasible designs drawn from the chain."""
        cumulative = np.cumsum(self.transitions, axis=1)
        cumulative /= cumulative[:, -1:]
        start = np.cumsum(stationary_distribution(self.transitions))
        numbers = np.empty((n, self.length), dtype=np.int64)
        numbers[:, 0] = np.searchsorted(start / start[-1], rng.random(n), side="right")
        for t in range(1, self.length):
            numbers[:, t] = (cumulative[numbers[:, t - 1]] <= rng.random(n)[:, None]).sum(axis=1)
        return [self._to_text(row) for row in numbers]

    def _to_text(self, numbers: Numbers) -> str:
        return "".join(self.letters[i] for i in numbers)

    def _feasible_numbers(self, designs: Sequence[str]) -> tuple[Numbers, Numbers]:
        """Return the feasible designs as numbers of letters (`r x L`), and their rows."""
        rows = np.array([i for i, design in enumerate(designs) if len(design) == self.length], dtype=np.int64)
        if not len(rows):
            return np.empty((0, self.length), dtype=np.int64), rows
        number_of = np.full(256, -1, dtype=np.int64)
        number_of[np.frombuffer(self.letters.encode(), dtype=np.uint8)] = np.arange(len(self.letters))
        text = "".join(designs[i] for i in rows).encode("ascii", errors="replace")
        numbers = number_of[np.frombuffer(text, dtype=np.uint8)].reshape(-1, self.length)
        # An unknown letter is -1, which indexes the last column and row; the first condition below excludes it.
        steps = self.transitions[numbers[:, :-1], numbers[:, 1:]]
        is_feasible = (numbers >= 0).all(axis=1) & (steps > 0).all(axis=1)
        return numbers[is_feasible], rows[is_feasible]

    def _presence(self, numbers: Numbers) -> Array:
        n_motifs, k = self.motifs.shape
        presence = np.empty((len(numbers), n_motifs))
        step = -(-k // self.quantization)
        for i, (motif, offset) in enumerate(zip(self.motifs, self.offsets, strict=True)):
            n_starts = self.length - int(offset[-1])
            hits = sum((numbers[:, o : o + n_starts] == a).astype(np.int64) for a, o in zip(motif, offset, strict=True))
            best = np.asarray(hits).max(axis=1)
            presence[:, i] = best // step * step / k
        return presence * (1 + self.epistasis * presence * (presence - 1))


def ehrlich(
    designs: Sequence[str],
    *,
    n_letters: int = 20,
    length: int = 32,
    n_motifs: int = 4,
    motif_length: int = 4,
    quantization: int | None = None,
    epistasis: float = 0.0,
    seed: int = 0,
) -> Array:
    """Return the values of an Ehrlich function, 0 to 1 (`n`); NaN for an infeasible design.

    Args:
        designs: `n` sequences.
        n_letters: See `make_ehrlich`, as for all that follow.
        length: L.
        n_motifs: c.
        motif_length: k.
        quantization: q.
        epistasis: e.
        seed: Seed of the function.

    Raises:
        InvdesignError: See `make_ehrlich`.

    Example:
        >>> ehrlich([make_ehrlich(length=15, n_motifs=2).optimum(), "AAA"], length=15, n_motifs=2).tolist()
        [1.0, nan]
    """
    return make_ehrlich(n_letters, length, n_motifs, motif_length, quantization, epistasis, seed).evaluate(designs)


def ehrlich_letters(n_letters: int) -> str:
    """Return an alphabet: the 20 amino acids first, then the other capital letters, then digits.

    Args:
        n_letters: Number of letters, 2 to 36.

    Raises:
        InvdesignError: The number is out of range.
    """
    if not 2 <= n_letters <= len(ALPHABET):
        raise InvdesignError(f"ehrlich: n_letters must be 2 to {len(ALPHABET)}, got {n_letters!r}")
    return ALPHABET[:n_letters]


@lru_cache(maxsize=64)
def make_ehrlich(
    n_letters: int = 20,
    length: int = 32,
    n_motifs: int = 4,
    motif_length: int = 4,
    quantization: int | None = None,
    epistasis: float = 0.0,
    seed: int = 0,
) -> Ehrlich:
    """Return the Ehrlich function of these parameters.

    Args:
        n_letters: V; the alphabet is `ehrlich_letters(V)`.
        length: L.
        n_motifs: c.
        motif_length: k; `c k` must not exceed L.
        quantization: q, a divisor of k; k by default.
        epistasis: e; 0 for none.
        seed: Seed of the chain, the motifs and their spacings.

    Raises:
        InvdesignError: The parameters are inconsistent.
    """
    alphabet = ehrlich_letters(n_letters)
    q = motif_length if quantization is None else quantization
    if motif_length < 2 or n_motifs < 1 or n_motifs * motif_length > length:
        raise InvdesignError(
            "ehrlich: expected at least one motif of at least 2 letters, and n_motifs * motif_length at most length, "
            f"got {n_motifs} motifs of {motif_length} letters, which do not fit into length {length}"
        )
    if q < 1 or motif_length % q:
        raise InvdesignError(f"ehrlich: quantization must divide motif_length {motif_length}, got {q}")
    if epistasis < 0:
        raise InvdesignError(f"ehrlich: epistasis must be at least 0, got {epistasis!r}")
    generator = torch.Generator().manual_seed(seed)
    transitions = _draw_transitions(n_letters, generator)
    start = torch.from_numpy(stationary_distribution(transitions.double().numpy())).float()
    motifs = _draw_path(start, transitions, n_motifs * motif_length, generator)
    n_free = (length - n_motifs * motif_length) // n_motifs
    offsets = []
    for _ in range(n_motifs):
        shares = torch.rand(motif_length - 1, generator=generator)
        gaps = 1 + torch.floor(shares / shares.sum() * n_free).long()
        offsets.append([0, *torch.cumsum(gaps, dim=0).tolist()])
    initial = _draw_path(start, transitions, length, torch.Generator().manual_seed(seed))
    return Ehrlich(
        letters=alphabet,
        transitions=transitions.double().numpy(),
        motifs=np.array(motifs).reshape(n_motifs, motif_length),
        offsets=np.array(offsets),
        length=length,
        quantization=q,
        epistasis=float(epistasis),
        initial="".join(alphabet[i] for i in initial),
    )


def sample_chain(
    *,
    n: int = 1_000,
    n_letters: int = 20,
    length: int = 32,
    n_motifs: int = 4,
    motif_length: int = 4,
    seed: int = 0,
    draw_seed: int = 0,
    progress: Progress = silent,
) -> Corpus[str]:
    """Return a corpus of feasible designs: the function's initial one, then `n - 1` draws from its chain.

    They show which letters may follow each other, and nothing else about the motifs.

    Args:
        n: Number of distinct designs; the first `k` of a longer corpus are the corpus of length `k`.
        n_letters: See `make_ehrlich`.
        length: See `make_ehrlich`.
        n_motifs: See `make_ehrlich`.
        motif_length: See `make_ehrlich`.
        seed: Seed of the function.
        draw_seed: Seed of the draws.
        progress: Called from time to time with ("generating", done, n).

    Raises:
        InvdesignError: See `make_ehrlich`; or 100,000 draws have too few distinct designs.
    """
    function = make_ehrlich(n_letters, length, n_motifs, motif_length, seed=seed)
    rng = np.random.default_rng([seed, draw_seed])
    designs = {function.initial: None}
    for _ in range(100):
        progress("generating", min(len(designs), n), n)
        if len(designs) >= n:
            name = f"ehrlich_{n_letters}_{length}_{n_motifs}_{motif_length}_{seed}"
            return make_corpus(tuple(designs)[:n], name=name)
        designs |= dict.fromkeys(function.sample(1_000, rng))
    raise InvdesignError(f"ehrlich: expected {n:,} distinct designs, got {len(designs):,} in 100,000 draws. Decrease n")


def grow_mutants(
    *,
    n: int = 1_000,
    n_letters: int = 20,
    length: int = 32,
    n_motifs: int = 4,
    motif_length: int = 4,
    seed: int = 0,
    draw_seed: int = 0,
    progress: Progress = silent,
) -> Corpus[str]:
    """Return a corpus grown from the initial design of an Ehrlich function by single feasible mutations of its members.

    The published genetic algorithm starts from such a set.

    Args:
        n: Number of distinct designs; the first `k` of a longer corpus are the corpus of length `k`.
        n_letters: See `make_ehrlich`.
        length: See `make_ehrlich`.
        n_motifs: See `make_ehrlich`.
        motif_length: See `make_ehrlich`.
        seed: Seed of the function.
        draw_seed: Seed of the mutations.
        progress: Called from time to time with ("generating", done, n).

    Raises:
        InvdesignError: See `make_ehrlich`; or there are too few distinct feasible mutants.
    """
    function = make_ehrlich(n_letters, length, n_motifs, motif_length, seed=seed)
    rng = np.random.default_rng([seed, draw_seed])
    designs = [function.initial]
    distinct = set(designs)
    for i in range(1_000 + 100 * n):
        if i % 1_000 == 0:
            progress("generating", min(len(designs), n), n)
        if len(designs) >= n:
            break
        parent, position = designs[int(rng.integers(len(designs)))], int(rng.integers(length))
        child = parent[:position] + function.letters[int(rng.integers(n_letters))] + parent[position + 1 :]
        if child not in distinct and not np.isnan(function.evaluate([child])[0]):
            distinct.add(child)
            designs.append(child)
    if len(designs) < n:
        raise InvdesignError(f"ehrlich: expected {n:,} distinct feasible mutants, got {len(designs):,}. Decrease n")
    progress("generating", n, n)
    name = f"ehrlich_mutants_{n_letters}_{length}_{n_motifs}_{motif_length}_{seed}"
    return make_corpus(tuple(designs[:n]), name=name)


def stationary_distribution(transitions: Array) -> Array:
    """Return the stationary distribution (`V`) of a chain with `V x V` transition probabilities."""
    n = len(transitions)
    equations = np.vstack([transitions.T - np.eye(n), np.ones(n)])
    solution = np.linalg.lstsq(equations, np.array([*np.zeros(n), 1.0]), rcond=None)[0]
    return np.asarray(solution.clip(min=0), dtype=np.float64)


def _draw_transitions(n: int, generator: torch.Generator) -> Tensor:
    """Draw a chain (`n x n`, float32) in which every letter may follow itself and some transitions are forbidden."""
    weights = torch.softmax(torch.randn(n, n, generator=generator) / TEMPERATURE, dim=1)
    difference = (torch.arange(n)[:, None] - torch.arange(n)[None, :]) % n
    half_width = int(BAND * n)
    in_band = torch.minimum(difference, n - difference) <= half_width
    is_allowed = in_band[torch.randperm(n, generator=generator)] | torch.eye(n, dtype=torch.bool)
    weights = weights * is_allowed
    n_paths = np.linalg.matrix_power(is_allowed.double().numpy(), n)
    if not (n_paths > 0).all():
        raise InvdesignError(
            f"ehrlich: expected a chain in which all {n} letters are reachable from each other. Use another seed"
        )
    return weights / weights.sum(dim=1, keepdim=True)


def _draw_path(start: Tensor, transitions: Tensor, length: int, generator: torch.Generator) -> list[int]:
    state = int(torch.multinomial(start, 1, generator=generator))
    path = [state]
    while len(path) < length:
        state = int(torch.multinomial(transitions[state], 1, generator=generator))
        path.append(state)
    return path
