"""Validators of proteins, and of sequences of any kind: each answers one named Check per design that says where.

What a wild type has itself is no finding: checks that are given one speak of what a design brings in. Gaps count as
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

from rapidfuzz import process
from rapidfuzz.distance import Hamming, Levenshtein

from invdesign.core import Check, InvdesignError
from invdesign.domains.sequences.alphabet import GAP
from invdesign.domains.sequences.domain import Sequences
from invdesign.domains.sequences.oracles import physics
from invdesign.domains.sequences.wild_type.design_constraints import Scope
from invdesign.domains.sequences.wild_type.residue_numbering import numbered, placed, said
from invdesign.domains.sequences.wild_type.wild_type import WildType
from invdesign.domains.shared_validators import within

Severity = Literal["high", "moderate"]
Refuse = Literal["high", "any"]

SEQUONS: Mapping[str, Severity] = {"N[^P][ST]": "high"}
DEAMIDATION: Mapping[str, Severity] = {"NG": "high", "NS": "moderate", "NT": "moderate", "NH": "moderate"}
ISOMERIZATION: Mapping[str, Severity] = {
    "DG": "high", "DS": "moderate", "DT": "moderate", "DD": "moderate", "DH": "moderate",
}  # fmt: skip
CLEAVAGE: Mapping[str, Severity] = {"DP": "high"}


def alphabet(designs: Sequence[str], *, domain: Sequences) -> list[Check]:
    """Only letters of the domain, gaps where it has them; an empty design fails."""
    known = frozenset(_sequences(domain).letters)
    checks = []
    for design in designs:
        strange = [] if known.issuperset(design) else [i for i, letter in enumerate(design) if letter not in known]
        labels = numbered(design, domain.wild_type)[0] if strange else ()
        detail = said(f"{design[i]!r} at {labels[i]}" for i in strange) if design else "it is empty"
        checks.append(Check("alphabet", bool(design) and not strange, detail))
    return checks


def length(designs: Sequence[str], *, min: int = 1, max: int | None = None) -> list[Check]:
    """The number of letters, gaps not counted."""
    allowed = f"{min} to {max}" if max else f"{min} and more"
    sizes = [len(design) - design.count(GAP) for design in designs]
    return [Check("length", min <= n and (not max or n <= max), f"{n} letters, allowed {allowed}") for n in sizes]


def scope(designs: Sequence[str], *, domain: Sequences) -> list[Check]:
    """The design keeps to the task that its domain sets: fixed and designable residues, letters, mutations, lengths."""
    found = [_trouble(_sequences(domain).scope, design) for design in designs]
    return [Check("scope", not trouble, trouble) for trouble in found]


def glycosylation(designs: Sequence[str], *, wild_type: WildType | None = None) -> list[Check]:
    """No new N-glycosylation sequon, N[^P][ST]."""
    return _motifs(designs, "glycosylation", SEQUONS, wild_type, "any")


def deamidation(designs: Sequence[str], *, wild_type: WildType | None = None, refuse: Refuse = "high") -> list[Check]:
    """No new site at which asparagine deamidates: NG (high); NS, NT and NH (moderate) are named, or refused too."""
    return _motifs(designs, "deamidation", DEAMIDATION, wild_type, refuse)


def isomerization(designs: Sequence[str], *, wild_type: WildType | None = None, refuse: Refuse = "high") -> list[Check]:
    """No new site at which aspartate isomerizes: DG (high); DS, DT, DD and DH (moderate) are named, or refused too."""
    return _motifs(designs, "isomerization", ISOMERIZATION, wild_type, refuse)


def cleavage(designs: Sequence[str], *, wild_type: WildType | None = None) -> list[Check]:
    """No new DP, a bond that acid cleaves."""
    return _motifs(designs, "cleavage", CLEAVAGE, wild_type, "any")


def cysteines(designs: Sequence[str], *, wild_type: WildType | None = None) -> list[Check]:
    """An even number of cysteines, so that none must stay unpaired; or as many as the wild type has."""
    own = None if wild_type is None else wild_type.sequence.count("C")
    checks = []
    for design in designs:
        n = design.count("C")
        places = [label for a, label in _letters(design, wild_type) if a == "C"] if n else []
        checks.append(Check("cysteines", n % 2 == 0 or n == own, f"{n} cysteines: {said(places)}" if n else ""))
    return checks


def runs(designs: Sequence[str], *, max: int = 5, wild_type: WildType | None = None) -> list[Check]:
    """No letter more often than so many times in a row, unless the wild type has as long a run of it."""
    pattern = re.compile(rf"(.)\1{{{max},}}")
    own: dict[str, int] = {}
    for match in pattern.finditer("" if wild_type is None else wild_type.sequence.replace(GAP, "")):
        letter, n = match[1], len(match[0])
        own[letter] = n if n > own.get(letter, 0) else own[letter]
    checks = []
    for design in designs:
        found = [m for m in pattern.finditer(design.replace(GAP, "")) if len(m[0]) > own.get(m[1], 0)]
        labels = placed(design, wild_type).labels if found else ()
        detail = said(f"{len(m[0])} {m[1]} from {labels[m.start()]}" for m in found)
        checks.append(Check("runs", not found, f"{detail}, at most {max}" if found else ""))
    return checks


def isoelectric_point(designs: Sequence[str], *, min: float = 4.5, max: float = 11.0) -> list[Check]:
    """The pH at which the protein has no net charge lies in a window."""
    return within(_bare(designs), oracle=physics.isoelectric_point, name="isoelectric_point", min=min, max=max)


def charge(designs: Sequence[str], *, min: float = -30.0, max: float = 30.0, ph: float = 7.4) -> list[Check]:
    """The net charge (elementary charges) at a pH lies in a window."""
    return within(_bare(designs), oracle=partial(physics.charge, ph=ph), name="charge", min=min, max=max)


def gravy(designs: Sequence[str], *, min: float = -2.0, max: float = 1.0) -> list[Check]:
    """The grand average of hydropathy lies in a window."""
    return within(_bare(designs), oracle=physics.gravy, name="gravy", min=min, max=max)


def instability(designs: Sequence[str], *, max: float = 40.0, wild_type: WildType | None = None) -> list[Check]:
    """The instability index is at most a threshold, or at most the wild type's where that is higher."""
    own = [] if wild_type is None else physics.instability(_bare([wild_type.sequence])).tolist()
    highest = sorted([max, *own])[-1]
    return within(_bare(designs), oracle=physics.instability, name="instability", max=highest)


def apart(designs: Sequence[str], *, known: Collection[str], min: int = 2, against: str = "corpus") -> list[Check]:
    """The design is at least so many edits from each of those that are known: Hamming where lengths are equal.

    Args:
        designs: `n` designs.
        known: what is known; hundreds of thousands are fine.
        min: the fewest edits that pass; 1 refuses the same designs only.
        against: what is known; the checks are called `apart_<against>`.
    """
    by_length: dict[int, list[str]] = {}
    for other in known:
        by_length.setdefault(len(other), []).append(other)
    checks = []
    for design in designs:
        found = _nearest(design, by_length, min - 1)
        detail = f"at least {min} edits from the {against}"
        if found is not None:
            detail = f"{found[1]} edits from {_short(found[0])} of the {against}, at least {min}"
        checks.append(Check(f"apart_{against}", found is None, detail))
    return checks


def apart_from_file(
    designs: Sequence[str], *, path: str | Path, domain: Sequences, min: int = 2, against: str | None = None
) -> list[Check]:
    """The design is at least so many edits from each of a file that the domain can read; the file is read once.

    Raises:
        InvdesignError: there is no such file.
    """
    place = Path(path)
    if not place.is_file():
        raise InvdesignError(f"cannot keep apart from {place}: no such file. Check the path")
    known = _designs(domain, place.resolve(), place.stat().st_mtime_ns)
    return apart(designs, known=known, min=min, against=against or place.name.split(".")[0])


@lru_cache(maxsize=4)
def _designs(domain: Sequences, path: Path, changed: int) -> frozenset[str]:
    return frozenset(domain.read(path).designs)


def _nearest(design: str, by_length: Mapping[int, list[str]], most: int) -> tuple[str, int] | None:
    """The nearest known design within so many edits, with their number."""
    best: tuple[str, int] | None = None
    for size, others in by_length.items():
        if abs(size - len(design)) > most:
            continue
        scorer = Hamming.distance if size == len(design) else Levenshtein.distance
        found = process.extractOne(design, others, scorer=scorer, processor=None, score_cutoff=most)
        if found is not None and (best is None or found[1] < best[1]):
            best, most = (found[0], int(found[1])), int(found[1])
    return best


def _motifs(
    designs: Sequence[str], name: str, motifs: Mapping[str, Severity], wild_type: WildType | None, refuse: Refuse
) -> list[Check]:
    """Motifs that begin where the wild type has none of the same kind; overlapping ones are all found."""
    patterns = {motif: re.compile(f"(?=({motif}))") for motif in motifs}
    own = set()
    if wild_type is not None:
        native = placed(wild_type.sequence, wild_type)
        own = {(motif, native.origins[m.start()]) for motif, p in patterns.items() for m in p.finditer(native.text)}
    checks = []
    for design in designs:
        text = design.replace(GAP, "")
        found = [(match.start(), motif, match[1]) for motif, p in patterns.items() for match in p.finditer(text)]
        if not found:
            checks.append(Check(name, True))
            continue
        place = placed(design, wild_type)
        new = [hit for hit in sorted(found) if (hit[1], place.origins[hit[0]]) not in own]
        is_refused = any(refuse == "any" or motifs[motif] == "high" for _, motif, _ in new)
        graded = len(set(motifs.values())) > 1
        words = [f"{hit} at {place.labels[i]}{f' ({motifs[motif]})' if graded else ''}" for i, motif, hit in new]
        checks.append(Check(name, not is_refused, said(words)))
    return checks


def _sequences(domain: Sequences) -> Sequences:
    """The domain, if it is that of sequences: a configuration may name any."""
    if not isinstance(domain, Sequences):
        raise InvdesignError(f"validators of sequences: expected their domain, got {type(domain).__name__}")
    return domain


def _trouble(task: Scope, design: str) -> str:
    """What the scope says, led by the fixed residues that changed."""
    trouble, wild_type = task.trouble(design), task.wild_type
    if trouble and wild_type is not None and len(design) == len(wild_type.sequence):
        pairs = enumerate(zip(wild_type.sequence, design, strict=True))
        numbered = [(wild_type.number(i), a, b) for i, (a, b) in pairs if a != b]
        changed = [f"{a}{number}{b}" for number, a, b in numbered if number in task.fixed]
        if changed:
            return f"fixed residues changed: {', '.join(changed)}; {trouble}"
    return trouble


def _letters(design: str, wild_type: WildType | None) -> list[tuple[str, str]]:
    place = placed(design, wild_type)
    return list(zip(place.text, place.labels, strict=True))


def _bare(designs: Sequence[str]) -> list[str]:
    return [design.replace(GAP, "") for design in designs]


def _short(design: str) -> str:
    return design if len(design) <= 24 else f"{design[:12]}...{design[-8:]}"
