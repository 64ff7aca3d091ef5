"""Peptides that a rule makes: amphipathic, mostly cationic ones of 5 to 50 residues, after textbook patterns."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from invdesign.core import Corpus, InvdesignError, Progress, silent
from invdesign.io.corpora import make_corpus

MIN_LENGTH, MAX_LENGTH = 5, 50
# Letters by what they do, with how often a rule takes each.
OILY = {"L": 30, "I": 14, "V": 12, "F": 12, "A": 16, "W": 8, "M": 4, "Y": 4}
BASIC = {"K": 55, "R": 35, "H": 10}
POLAR = {"S": 18, "N": 14, "Q": 14, "T": 14, "G": 16, "A": 16, "E": 5, "D": 3}
CAPS = {"G": 40, "S": 16, "T": 8, "D": 4, "K": 14, "F": 6, "R": 6, "A": 6}
TURNS = ("GN", "NG", "DG", "PG", "GP", "SN", "PD")
HINGES = ("G", "GP", "P", "GG", "SG", "")


def peptides(*, n: int = 8000, seed: int = 0, progress: Progress = silent) -> Corpus[str]:
    """The built-in corpus: distinct peptides of 5 to 50 residues from rules of our own, offline, in seconds.

    They are no natural peptides, and nothing about them was measured. Four textbook patterns of membrane-active
    peptides are drawn at random, so that a map of them knows which letters go together: amphipathic helices (a face of
    oily residues on a wheel of 100 degrees a residue, basic and polar ones opposite, now and then a hinge), heptads
    (oily at the first and the fourth place of seven), strands with turns (oily and basic residues by turns, half of
    them with a pair of cysteines), and short repeats rich in tryptophan, proline and arginine. Of peptides without a
    net positive charge (K, R: +1, D, E: -1) one in twenty is kept.

    Args:
        n: how many; the first `k` of a longer corpus are the corpus of length `k`.
        seed: of the draws.
        progress: called now and then with ("generating", done, n).

    Raises:
        InvdesignError: where `n` is not positive.

    References:
        Fjell et al., Nat. Rev. Drug Discov. 2012, doi:10.1038/nrd3591 (the classes of such peptides);
        Eisenberg, Weiss and Terwilliger, Nature 1982, doi:10.1038/299371a0 (faces of helices).
    """
    if n < 1:
        raise InvdesignError(f"peptides: n must be at least 1, got {n!r}")
    rng = random.Random(seed)
    found: dict[str, None] = {}
    patterns: list[Callable[[random.Random], str]] = [helix, heptads, strands, repeats]
    while len(found) < n:
        if len(found) % 1000 == 0:
            progress("generating", len(found), n)
        made = rng.choices(patterns, weights=(50, 20, 18, 12))[0](rng)
        charge = sum(made.count(a) for a in "KR") - sum(made.count(a) for a in "DE")
        if MIN_LENGTH <= len(made) <= MAX_LENGTH and (charge > 0 or rng.random() < 0.05):
            found.setdefault(made)
    progress("generating", n, n)
    return make_corpus(tuple(found), name="peptides")


def helix(rng: random.Random) -> str:
    """One or two amphipathic helices: how oily a place is follows from its angle on the wheel."""
    pieces = []
    for _ in range(rng.choices((1, 2), weights=(75, 25))[0]):
        n = rng.randint(5, 26)
        face, width = rng.uniform(0, 360), rng.uniform(-0.35, 0.35)
        letters = []
        for i in range(n):
            towards = math.cos(math.radians(100 * i - face))
            is_oily = rng.random() < 1 / (1 + math.exp(-6 * (towards - width)))
            far = towards < -0.2
            letters.append(_draw(rng, OILY if is_oily else BASIC if rng.random() < (0.6 if far else 0.4) else POLAR))
        pieces.append("".join(letters))
    cap = _draw(rng, CAPS) if rng.random() < 0.7 else ""
    return cap + rng.choice(HINGES).join(pieces)


def heptads(rng: random.Random) -> str:
    """A coiled coil's repeat: oily at the first and the fourth place of seven, charged beside them."""
    start = rng.randrange(7)
    letters = []
    for i in range(start, start + rng.randint(8, 42)):
        place = i % 7
        if place in (0, 3):
            letters.append(_draw(rng, {"L": 45, "I": 25, "V": 15, "A": 10, "F": 5}))
        elif place in (4, 6):
            letters.append(_draw(rng, {"K": 50, "E": 12, "R": 25, "Q": 13}))
        else:
            letters.append(_draw(rng, {"A": 25, "K": 25, "S": 14, "Q": 14, "E": 6, "N": 8, "G": 8}))
    return "".join(letters)


def strands(rng: random.Random) -> str:
    """Two or three strands of alternating faces between turns; half of them with pairs of cysteines."""
    n, has_cysteines = rng.randint(3, 9), rng.random() < 0.5
    made = []
    for _ in range(rng.choices((2, 3), weights=(70, 30))[0]):
        first = rng.randrange(2)
        letters = [_draw(rng, OILY if (i + first) % 2 else BASIC | {"T": 20, "S": 8, "Q": 6}) for i in range(n)]
        made.append(letters)
    if has_cysteines:
        place = rng.randrange(n)
        made[0][place] = made[1][n - 1 - place] = "C"
    return rng.choice(TURNS).join("".join(letters) for letters in made)


def repeats(rng: random.Random) -> str:
    """A short motif of arginine, proline and tryptophan, repeated with changes."""
    motif = [_draw(rng, {"R": 32, "P": 22, "W": 18, "K": 12, "I": 6, "V": 5, "F": 5}) for _ in range(rng.randint(2, 6))]
    letters = motif * rng.randint(2, 6)
    return "".join(_draw(rng, OILY | {"P": 20, "R": 40}) if rng.random() < 0.12 else letter for letter in letters)


def _draw(rng: random.Random, letters: dict[str, int]) -> str:
    return rng.choices(list(letters), weights=list(letters.values()))[0]
