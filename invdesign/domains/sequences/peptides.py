"""Random peptides from rules: amphipathic, mostly cationic, 5 to 50 residues, after textbook patterns."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from invdesign.core import Corpus, InvdesignError, Progress, silent
from invdesign.io.corpora import make_corpus

MIN_LENGTH, MAX_LENGTH = 5, 50
# Letters by property, with their relative frequencies.
HYDROPHOBIC = {"L": 30, "I": 14, "V": 12, "F": 12, "A": 16, "W": 8, "M": 4, "Y": 4}
BASIC = {"K": 55, "R": 35, "H": 10}
POLAR = {"S": 18, "N": 14, "Q": 14, "T": 14, "G": 16, "A": 16, "E": 5, "D": 3}
CAPS = {"G": 40, "S": 16, "T": 8, "D": 4, "K": 14, "F": 6, "R": 6, "A": 6}
TURNS = ("GN", "NG", "DG", "PG", "GP", "SN", "PD")
HINGES = ("G", "GP", "P", "GG", "SG", "")


def peptides(*, n: int = 8000, seed: int = 0, progress: Progress = silent) -> Corpus[str]:
    """Return the built-in corpus: distinct random peptides of 5 to 50 residues, generated offline in seconds.

    The peptides are not natural, and none of their properties is measured. They follow four textbook patterns of
    membrane-active peptides, chosen at random, so that a latent space learns which residues occur together: amphipathic
    helices (hydrophobic residues on one face of a wheel of 100 degrees per residue, basic and polar ones opposite,
    sometimes a hinge), heptads (hydrophobic at the first and the fourth of seven positions), strands with turns
    (hydrophobic and basic residues alternate, half of the strands have a pair of cysteines), and short repeats rich in
    tryptophan, proline and arginine. Of peptides without a net positive charge (K, R: +1, D, E: -1) 5 % are kept.

    Args:
        n: Number of peptides; the first `k` of a longer corpus are the corpus of length `k`.
        seed: Seed of the random draws.
        progress: Called with ("generating", done, n).

    Raises:
        InvdesignError: `n` is not positive.

    References:
        Fjell et al., Nat. Rev. Drug Discov. 2012, doi:10.1038/nrd3591 (the classes of such peptides);
        Eisenberg, Weiss and Terwilliger, Nature 1982, doi:10.1038/299371a0 (faces of helices).

    Example:
        >>> len(peptides(n=3, seed=0))
        3
    """
    if n < 1:
        raise InvdesignError(f"peptides: n must be at least 1, got {n!r}")
    rng = random.Random(seed)
    designs: dict[str, None] = {}
    patterns: list[Callable[[random.Random], str]] = [helix, heptads, strands, repeats]
    while len(designs) < n:
        if len(designs) % 1000 == 0:
            progress("generating", len(designs), n)
        peptide = rng.choices(patterns, weights=(50, 20, 18, 12))[0](rng)
        charge = sum(peptide.count(a) for a in "KR") - sum(peptide.count(a) for a in "DE")
        if MIN_LENGTH <= len(peptide) <= MAX_LENGTH and (charge > 0 or rng.random() < 0.05):
            designs.setdefault(peptide)
    progress("generating", n, n)
    return make_corpus(tuple(designs), name="peptides")


def helix(rng: random.Random) -> str:
    """Return one or two amphipathic helices: the angle of a residue on the wheel decides its hydrophobicity."""
    pieces = []
    for _ in range(rng.choices((1, 2), weights=(75, 25))[0]):
        n = rng.randint(5, 26)
        face, width = rng.uniform(0, 360), rng.uniform(-0.35, 0.35)
        letters = []
        for i in range(n):
            alignment = math.cos(math.radians(100 * i - face))
            if rng.random() < 1 / (1 + math.exp(-6 * (alignment - width))):
                table = HYDROPHOBIC
            else:
                p_basic = 0.6 if alignment < -0.2 else 0.4
                table = BASIC if rng.random() < p_basic else POLAR
            letters.append(_draw_letter(rng, table))
        pieces.append("".join(letters))
    cap = _draw_letter(rng, CAPS) if rng.random() < 0.7 else ""
    return cap + rng.choice(HINGES).join(pieces)


def heptads(rng: random.Random) -> str:
    """Return a coiled-coil repeat: hydrophobic at the first and the fourth of seven positions, charged beside them."""
    start = rng.randrange(7)
    letters = []
    for i in range(start, start + rng.randint(8, 42)):
        position = i % 7
        if position in (0, 3):
            letters.append(_draw_letter(rng, {"L": 45, "I": 25, "V": 15, "A": 10, "F": 5}))
        elif position in (4, 6):
            letters.append(_draw_letter(rng, {"K": 50, "E": 12, "R": 25, "Q": 13}))
        else:
            letters.append(_draw_letter(rng, {"A": 25, "K": 25, "S": 14, "Q": 14, "E": 6, "N": 8, "G": 8}))
    return "".join(letters)


def strands(rng: random.Random) -> str:
    """Return two or three strands of alternating faces between turns; half of them have a pair of cysteines."""
    n, has_cysteines = rng.randint(3, 9), rng.random() < 0.5
    pieces = []
    for _ in range(rng.choices((2, 3), weights=(70, 30))[0]):
        first = rng.randrange(2)
        letters = [
            _draw_letter(rng, HYDROPHOBIC if (i + first) % 2 else BASIC | {"T": 20, "S": 8, "Q": 6}) for i in range(n)
        ]
        pieces.append(letters)
    if has_cysteines:
        position = rng.randrange(n)
        pieces[0][position] = pieces[1][n - 1 - position] = "C"
    return rng.choice(TURNS).join("".join(letters) for letters in pieces)


def repeats(rng: random.Random) -> str:
    """Return a short motif of arginine, proline and tryptophan, repeated with changes."""
    motif = [
        _draw_letter(rng, {"R": 32, "P": 22, "W": 18, "K": 12, "I": 6, "V": 5, "F": 5})
        for _ in range(rng.randint(2, 6))
    ]
    letters = motif * rng.randint(2, 6)
    return "".join(
        _draw_letter(rng, HYDROPHOBIC | {"P": 20, "R": 40}) if rng.random() < 0.12 else letter for letter in letters
    )


def _draw_letter(rng: random.Random, letters: dict[str, int]) -> str:
    return rng.choices(list(letters), weights=list(letters.values()))[0]
