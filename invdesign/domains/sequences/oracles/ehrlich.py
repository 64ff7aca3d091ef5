"""Ehrlich functions: landscapes of sequences with motifs, epistasis, forbidden transitions and a known optimum of 1.

A Markov chain with forbidden steps says which sequences are feasible; hidden motifs, each with its own spacing, say how
good they are. All follows from the numbers of the definition and a seed, exactly as in pytorch-holo 0.0.5.

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
    """One function: `n_letters` V, `length` L, `n_motifs` c of `motif_length` k, `quantization` q, `epistasis` e.

    Args:
        letters: of the alphabet; the numbers below count in it.
        transitions: `V x V`, the chance of each letter (column) to follow each (row); 0 where it must not.
        motifs: `c x k` letters that are wanted.
        offsets: `c x k`, where a motif's letters stand, counted from its first.
        length: of every feasible sequence.
        quantization: levels that the presence of a motif is counted in; divides k.
        epistasis: how much a motif that is there in part falls behind its share.
        initial: a feasible design that campaigns start from.
    """

    letters: str
    transitions: Array
    motifs: Numbers
    offsets: Numbers
    length: int
    quantization: int
    epistasis: float
    initial: str

    def value(self, designs: Sequence[str]) -> Array:
        """Values of `n` designs, 0 to 1; NaN where a design is not feasible."""
        values = np.full(len(designs), np.nan)
        numbers, rows = self._numbers(designs)
        if len(rows):
            values[rows] = self._presence(numbers).prod(axis=1)
        return values

    def presence(self, designs: Sequence[str]) -> Array:
        """How far each motif is there, with epistasis (`n x c`); NaN where a design is not feasible."""
        found = np.full((len(designs), len(self.motifs)), np.nan)
        numbers, rows = self._numbers(designs)
        if len(rows):
            found[rows] = self._presence(numbers)
        return found

    def optimum(self) -> str:
        """A feasible design of value 1: every motif in turn, each letter repeated up to the next.

        The motifs are cut from one path of the chain and letters may always follow themselves, so that this is
        feasible.
        """
        spans = self.offsets[:, -1] + 1
        starts = np.concatenate([[0], np.cumsum(spans)[:-1]])
        places = (starts[:, None] + self.offsets).ravel()
        repeats = np.diff([*places, self.length])
        return self._text(np.repeat(self.motifs.ravel(), repeats))

    def draws(self, n: int, rng: np.random.Generator) -> list[str]:
        """Designs that the chain makes (`n`, all feasible)."""
        cumulative = np.cumsum(self.transitions, axis=1)
        cumulative /= cumulative[:, -1:]
        start = np.cumsum(stationary(self.transitions))
        numbers = np.empty((n, self.length), dtype=np.int64)
        numbers[:, 0] = np.searchsorted(start / start[-1], rng.random(n), side="right")
        for t in range(1, self.length):
            numbers[:, t] = (cumulative[numbers[:, t - 1]] <= rng.random(n)[:, None]).sum(axis=1)
        return [self._text(row) for row in numbers]

    def _text(self, numbers: Numbers) -> str:
        return "".join(self.letters[i] for i in numbers)

    def _numbers(self, designs: Sequence[str]) -> tuple[Numbers, Numbers]:
        """The feasible designs as numbers of letters (`r x L`), and their rows."""
        rows = np.array([i for i, design in enumerate(designs) if len(design) == self.length], dtype=np.int64)
        if not len(rows):
            return np.empty((0, self.length), dtype=np.int64), rows
        number_of = np.full(256, -1, dtype=np.int64)
        number_of[np.frombuffer(self.letters.encode(), dtype=np.uint8)] = np.arange(len(self.letters))
        text = "".join(designs[i] for i in rows).encode("ascii", errors="replace")
        numbers = number_of[np.frombuffer(text, dtype=np.uint8)].reshape(-1, self.length)
        # An unknown letter is -1, the last column and row: taken out by the first condition.
        steps = self.transitions[numbers[:, :-1], numbers[:, 1:]]
        is_feasible = (numbers >= 0).all(axis=1) & (steps > 0).all(axis=1)
        return numbers[is_feasible], rows[is_feasible]

    def _presence(self, numbers: Numbers) -> Array:
        n_motifs, k = self.motifs.shape
        found = np.empty((len(numbers), n_motifs))
        step = -(-k // self.quantization)
        for i, (motif, offset) in enumerate(zip(self.motifs, self.offsets, strict=True)):
            n_places = self.length - int(offset[-1])
            hits = sum((numbers[:, o : o + n_places] == a).astype(np.int64) for a, o in zip(motif, offset, strict=True))
            best = np.asarray(hits).max(axis=1)
            found[:, i] = best // step * step / k
        return found * (1 + self.epistasis * found * (found - 1))


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
    """Values of an Ehrlich function, 0 to 1 (`n`); NaN where a design is not feasible. See `function`."""
    return function(n_letters, length, n_motifs, motif_length, quantization, epistasis, seed).value(designs)


def letters(n_letters: int) -> str:
    """The alphabet of so many letters: the 20 amino acids first, then the other capital letters, then digits.

    Raises:
        InvdesignError: fewer than 2 or more than 36.
    """
    if not 2 <= n_letters <= len(ALPHABET):
        raise InvdesignError(f"ehrlich: n_letters must be 2 to {len(ALPHABET)}, got {n_letters!r}")
    return ALPHABET[:n_letters]


@lru_cache(maxsize=64)
def function(
    n_letters: int = 20,
    length: int = 32,
    n_motifs: int = 4,
    motif_length: int = 4,
    quantization: int | None = None,
    epistasis: float = 0.0,
    seed: int = 0,
) -> Ehrlich:
    """The Ehrlich function of these numbers.

    Args:
        n_letters: V, of the alphabet `letters(V)`.
        length: L.
        n_motifs: c.
        motif_length: k; `c k` may not exceed L.
        quantization: q, a divisor of k; k where it is not given.
        epistasis: e, 0 for none.
        seed: of everything random in it.

    Raises:
        InvdesignError: the numbers do not fit together.
    """
    alphabet = letters(n_letters)
    q = motif_length if quantization is None else quantization
    if motif_length < 2 or n_motifs < 1 or n_motifs * motif_length > length:
        raise InvdesignError(
            f"ehrlich: {n_motifs} motifs of {motif_length} letters do not fit into length {length}; expected at least "
            "one motif of at least 2 letters, and n_motifs * motif_length at most length"
        )
    if q < 1 or motif_length % q:
        raise InvdesignError(f"ehrlich: quantization {q} does not divide motif_length {motif_length}")
    if epistasis < 0:
        raise InvdesignError(f"ehrlich: epistasis must be 0 or more, got {epistasis!r}")
    random = torch.Generator().manual_seed(seed)
    transitions = _transitions(n_letters, random)
    start = torch.from_numpy(stationary(transitions.double().numpy())).float()
    motifs = _path(start, transitions, n_motifs * motif_length, random)
    room = (length - n_motifs * motif_length) // n_motifs
    offsets = []
    for _ in range(n_motifs):
        shares = torch.rand(motif_length - 1, generator=random)
        gaps = 1 + torch.floor(shares / shares.sum() * room).long()
        offsets.append([0, *torch.cumsum(gaps, dim=0).tolist()])
    initial = _path(start, transitions, length, torch.Generator().manual_seed(seed))
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


def chain(
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
    """A corpus of feasible designs, drawn from the chain of an Ehrlich function: its start first, then `n - 1` draws.

    They tell which letters may follow each other, and nothing of the motifs beyond that.

    Args:
        n: distinct designs; the first `k` of a longer corpus are the corpus of length `k`.
        n_letters: as `function`.
        length: as `function`.
        n_motifs: as `function`.
        motif_length: as `function`.
        seed: of the function.
        draw_seed: of the draws.
        progress: called now and then with ("generating", done, n).

    Raises:
        InvdesignError: as `function`, or the chain runs dry.
    """
    landscape = function(n_letters, length, n_motifs, motif_length, seed=seed)
    rng = np.random.default_rng([seed, draw_seed])
    found = {landscape.initial: None}
    for _ in range(100):
        progress("generating", min(len(found), n), n)
        if len(found) >= n:
            return make_corpus(tuple(found)[:n], name=f"ehrlich_{n_letters}_{length}_{n_motifs}_{motif_length}_{seed}")
        found |= dict.fromkeys(landscape.draws(1_000, rng))
    raise InvdesignError(f"ehrlich: only {len(found):,} of {n:,} distinct designs after 100,000 draws; ask for fewer")


def mutants(
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
    """A corpus that grows from the one start of an Ehrlich function by single feasible mutations of its members.

    What the published genetic algorithm starts from; arguments and errors as `chain`.
    """
    landscape = function(n_letters, length, n_motifs, motif_length, seed=seed)
    rng = np.random.default_rng([seed, draw_seed])
    found = [landscape.initial]
    known = set(found)
    for i in range(1_000 + 100 * n):
        if i % 1_000 == 0:
            progress("generating", min(len(found), n), n)
        if len(found) >= n:
            break
        parent, at = found[int(rng.integers(len(found)))], int(rng.integers(length))
        child = parent[:at] + landscape.letters[int(rng.integers(n_letters))] + parent[at + 1 :]
        if child not in known and not np.isnan(landscape.value([child])[0]):
            known.add(child)
            found.append(child)
    if len(found) < n:
        raise InvdesignError(f"ehrlich: only {len(found):,} of {n:,} distinct feasible mutants; ask for fewer")
    progress("generating", n, n)
    return make_corpus(tuple(found[:n]), name=f"ehrlich_mutants_{n_letters}_{length}_{n_motifs}_{motif_length}_{seed}")


def stationary(transitions: Array) -> Array:
    """The stationary distribution of a chain (`V`)."""
    n = len(transitions)
    equations = np.vstack([transitions.T - np.eye(n), np.ones(n)])
    solution = np.linalg.lstsq(equations, np.array([*np.zeros(n), 1.0]), rcond=None)[0]
    return np.asarray(solution.clip(min=0), dtype=np.float64)


def _transitions(n: int, random: torch.Generator) -> Tensor:
    """A random chain (`n x n`, float32) in which every letter can follow itself and may not be followed by some."""
    weights = torch.softmax(torch.randn(n, n, generator=random) / TEMPERATURE, dim=1)
    apart = (torch.arange(n)[:, None] - torch.arange(n)[None, :]) % n
    half = int(BAND * n)
    in_band = torch.minimum(apart, n - apart) <= half
    is_allowed = in_band[torch.randperm(n, generator=random)] | torch.eye(n, dtype=torch.bool)
    weights = weights * is_allowed
    reachable = np.linalg.matrix_power(is_allowed.double().numpy(), n)
    if not (reachable > 0).all():
        raise InvdesignError(f"ehrlich: a chain of {n} letters that cannot reach them all; take another seed")
    return weights / weights.sum(dim=1, keepdim=True)


def _path(start: Tensor, transitions: Tensor, length: int, random: torch.Generator) -> list[int]:
    state = int(torch.multinomial(start, 1, generator=random))
    path = [state]
    while len(path) < length:
        state = int(torch.multinomial(transitions[state], 1, generator=random))
        path.append(state)
    return path
