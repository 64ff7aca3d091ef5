"""Validators of proteins and of sequences of any kind: one named Check per design, with the position of each finding.

Validators that take a wild type report only what a design introduces, not what the wild type has itself. Gaps are
ignored.
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
from invdesign.domains.sequences.wild_type.design_constraints import DesignConstraints
from invdesign.domains.sequences.wild_type.residue_numbering import (
    number_residues,
    remove_gaps,
    summarize_findings,
)
from invdesign.domains.sequences.wild_type.wild_type import WildType
from invdesign.domains.shared_validators import property_window

Severity = Literal["high", "moderate"]
Refuse = Literal["high", "any"]

SEQUONS: Mapping[str, Severity] = {"N[^P][ST]": "high"}
DEAMIDATION: Mapping[str, Severity] = {"NG": "high", "NS": "moderate", "NT": "moderate", "NH": "moderate"}
ISOMERIZATION: Mapping[str, Severity] = {
    "DG": "high", "DS": "moderate", "DT": "moderate", "DD": "moderate", "DH": "moderate",
}  # fmt: skip
CLEAVAGE: Mapping[str, Severity] = {"DP": "high"}


def alphabet(designs: Sequence[str], *, domain: Sequences) -> list[Check]:
    """Check that a design is not empty and has only letters of the domain, which may include gaps.

    Example:
        >>> alphabet(["MKX"], domain=Sequences())[0].detail
        "'X' at 3"
    """
    allowed = frozenset(_require_sequences(domain).letters)
    checks = []
    for design in designs:
        if not design:
            checks.append(Check("alphabet", False, "the design is empty"))
            continue
        unknown = [i for i, letter in enumerate(design) if letter not in allowed]
        labels = number_residues(design, domain.wild_type)[0] if unknown else ()
        detail = summarize_findings(f"{design[i]!r} at {labels[i]}" for i in unknown)
        checks.append(Check("alphabet", not unknown, detail))
    return checks


def length(designs: Sequence[str], *, min: int = 1, max: int | None = None) -> list[Check]:
    """Check the number of letters, without gaps.

    Args:
        designs: `n` sequences.
        min: Minimum number of letters.
        max: Maximum number of letters; None for no limit.
    """
    allowed = f"{min} to {max}" if max else f"at least {min}"
    sizes = [len(design) - design.count(GAP) for design in designs]
    return [Check("length", min <= n and (not max or n <= max), f"{n} letters, allowed: {allowed}") for n in sizes]


def design_constraints(designs: Sequence[str], *, domain: Sequences) -> list[Check]:
    """Check the constraints of the domain: fixed and designable residues, letters, number of mutations, lengths."""
    constraints = _require_sequences(domain).constraints
    violations = [_describe_violation(constraints, design) for design in designs]
    return [Check("design_constraints", not violation, violation) for violation in violations]


def glycosylation(designs: Sequence[str], *, wild_type: WildType | None = None) -> list[Check]:
    """Check that a design introduces no N-glycosylation sequon, N[^P][ST]."""
    return _check_motifs(designs, "glycosylation", SEQUONS, wild_type, "any")


def deamidation(designs: Sequence[str], *, wild_type: WildType | None = None, refuse: Refuse = "high") -> list[Check]:
    """Check that a design introduces no asparagine deamidation site: NG (high), NS, NT and NH (moderate).

    Args:
        designs: `n` proteins.
        wild_type: Reference; its own sites are ignored.
        refuse: Severity that fails: `"high"` only, or `"any"`. Sites of moderate severity are always reported.
    """
    return _check_motifs(designs, "deamidation", DEAMIDATION, wild_type, refuse)


def isomerization(designs: Sequence[str], *, wild_type: WildType | None = None, refuse: Refuse = "high") -> list[Check]:
    """Check that a design introduces no aspartate isomerization site: DG (high), DS, DT, DD and DH (moderate).

    Args:
        designs: `n` proteins.
        wild_type: Reference; its own sites are ignored.
        refuse: Severity that fails: `"high"` only, or `"any"`. Sites of moderate severity are always reported.
    """
    return _check_motifs(designs, "isomerization", ISOMERIZATION, wild_type, refuse)


def acid_cleavage(designs: Sequence[str], *, wild_type: WildType | None = None) -> list[Check]:
    """Check that a design introduces no DP, a bond that acid cleaves."""
    return _check_motifs(designs, "acid_cleavage", CLEAVAGE, wild_type, "any")


def cysteines(designs: Sequence[str], *, wild_type: WildType | None = None) -> list[Check]:
    """Check that the number of cysteines is even, so that all can be paired, or equal to the wild type's."""
    own = None if wild_type is None else wild_type.sequence.count("C")
    checks = []
    for design in designs:
        n = design.count("C")
        detail = ""
        if n:
            numbered = remove_gaps(design, wild_type)
            labels = [label for letter, label in zip(numbered.text, numbered.labels, strict=True) if letter == "C"]
            detail = f"{n} cysteines: {summarize_findings(labels)}"
        checks.append(Check("cysteines", n % 2 == 0 or n == own, detail))
    return checks


def homopolymers(designs: Sequence[str], *, max: int = 5, wild_type: WildType | None = None) -> list[Check]:
    """Check the length of runs of one letter.

    Args:
        designs: `n` sequences.
        max: Maximum length of a run.
        wild_type: Reference; a run is allowed if the wild type has one of the same letter that is as long.
    """
    pattern = re.compile(rf"(.)\1{{{max},}}")
    longest_own: dict[str, int] = {}
    for match in pattern.finditer("" if wild_type is None else wild_type.sequence.replace(GAP, "")):
        letter, n = match[1], len(match[0])
        longest_own[letter] = n if n > longest_own.get(letter, 0) else longest_own[letter]
    checks = []
    for design in designs:
        runs = [m for m in pattern.finditer(design.replace(GAP, "")) if len(m[0]) > longest_own.get(m[1], 0)]
        labels = remove_gaps(design, wild_type).labels if runs else ()
        detail = summarize_findings(f"{len(m[0])} {m[1]} from {labels[m.start()]}" for m in runs)
        checks.append(Check("homopolymers", not runs, f"{detail}, at most {max}" if runs else ""))
    return checks


def isoelectric_point(designs: Sequence[str], *, min: float = 4.5, max: float = 11.0) -> list[Check]:
    """Check that the isoelectric point [pH] lies in a window."""
    return property_window(
        _without_gaps(designs), oracle=physics.isoelectric_point, name="isoelectric_point", min=min, max=max
    )


def charge(designs: Sequence[str], *, min: float = -30.0, max: float = 30.0, ph: float = 7.4) -> list[Check]:
    """Check that the net charge [elementary charges] at a pH lies in a window."""
    return property_window(
        _without_gaps(designs), oracle=partial(physics.charge, ph=ph), name="charge", min=min, max=max
    )


def gravy(designs: Sequence[str], *, min: float = -2.0, max: float = 1.0) -> list[Check]:
    """Check that the grand average of hydropathy lies in a window."""
    return property_window(_without_gaps(designs), oracle=physics.gravy, name="gravy", min=min, max=max)


def instability(designs: Sequence[str], *, max: float = 40.0, wild_type: WildType | None = None) -> list[Check]:
    """Check that the instability index is at most `max`, or at most the wild type's where that is higher."""
    own = [] if wild_type is None else physics.instability(_without_gaps([wild_type.sequence])).tolist()
    highest = sorted([max, *own])[-1]
    return property_window(_without_gaps(designs), oracle=physics.instability, name="instability", max=highest)


def min_edit_distance(
    designs: Sequence[str], *, references: Collection[str], min: int = 2, against: str = "corpus"
) -> list[Check]:
    """Check the edit distance to the nearest reference: Hamming for equal lengths, else Levenshtein.

    Args:
        designs: `n` designs.
        references: Sequences to differ from; hundreds of thousands are feasible.
        min: Minimum number of edits; 1 rejects identical designs only.
        against: Name of the references; the checks are called `min_edit_distance_<against>`.

    Example:
        >>> min_edit_distance(["ACDE", "AGGE"], references=["ACDF"])[0].detail
        '1 edits from ACDF of the corpus, at least 2'
    """
    by_length: dict[int, list[str]] = {}
    for reference in references:
        by_length.setdefault(len(reference), []).append(reference)
    checks = []
    for design in designs:
        nearest = _nearest_reference(design, by_length, min - 1)
        detail = f"at least {min} edits from the {against}"
        if nearest is not None:
            detail = f"{nearest[1]} edits from {_shorten(nearest[0])} of the {against}, at least {min}"
        checks.append(Check(f"min_edit_distance_{against}", nearest is None, detail))
    return checks


def min_edit_distance_to_file(
    designs: Sequence[str], *, path: str | Path, domain: Sequences, min: int = 2, against: str | None = None
) -> list[Check]:
    """Check the edit distance to the nearest sequence of a file, which is read once and cached.

    Args:
        designs: `n` designs.
        path: File in a format that the domain reads.
        domain: Domain that reads the file.
        min: Minimum number of edits; 1 rejects identical designs only.
        against: Name of the references (see `min_edit_distance`); by default the file's name up to its first dot.

    Raises:
        InvdesignError: There is no such file.
    """
    file = Path(path)
    if not file.is_file():
        raise InvdesignError(f"min_edit_distance_to_file: cannot read {file}: no such file. Check the path")
    references = _read_designs(domain, file.resolve(), file.stat().st_mtime_ns)
    return min_edit_distance(designs, references=references, min=min, against=against or file.name.split(".")[0])


@lru_cache(maxsize=4)
def _read_designs(domain: Sequences, path: Path, modified: int) -> frozenset[str]:
    """Read a file; its time of modification is part of the cache key."""
    return frozenset(domain.read(path).designs)


def _nearest_reference(design: str, by_length: Mapping[int, list[str]], max_distance: int) -> tuple[str, int] | None:
    """Return the nearest reference within a number of edits, with its distance."""
    nearest: tuple[str, int] | None = None
    for size, references in by_length.items():
        if abs(size - len(design)) > max_distance:
            continue
        scorer = Hamming.distance if size == len(design) else Levenshtein.distance
        match = process.extractOne(design, references, scorer=scorer, processor=None, score_cutoff=max_distance)
        if match is not None and (nearest is None or match[1] < nearest[1]):
            nearest, max_distance = (match[0], int(match[1])), int(match[1])
    return nearest


def _check_motifs(
    designs: Sequence[str], name: str, motifs: Mapping[str, Severity], wild_type: WildType | None, refuse: Refuse
) -> list[Check]:
    """Check for motifs that start where the wild type has none of the same kind; overlapping ones are all found."""
    patterns = {motif: re.compile(f"(?=({motif}))") for motif in motifs}
    own = _own_motifs(patterns, wild_type)
    is_graded = len(set(motifs.values())) > 1
    checks = []
    for design in designs:
        text = design.replace(GAP, "")
        hits = [(match.start(), motif, match[1]) for motif, p in patterns.items() for match in p.finditer(text)]
        if not hits:
            checks.append(Check(name, True))
            continue
        numbered = remove_gaps(design, wild_type)
        new = [hit for hit in sorted(hits) if (hit[1], numbered.origins[hit[0]]) not in own]
        is_refused = any(refuse == "any" or motifs[motif] == "high" for _, motif, _ in new)
        details = []
        for position, motif, letters in new:
            severity = f" ({motifs[motif]})" if is_graded else ""
            details.append(f"{letters} at {numbered.labels[position]}{severity}")
        checks.append(Check(name, not is_refused, summarize_findings(details)))
    return checks


def _own_motifs(patterns: Mapping[str, re.Pattern[str]], wild_type: WildType | None) -> set[tuple[str, int]]:
    """Return the motifs of the wild type, each with the position (0-based) where it starts."""
    if wild_type is None:
        return set()
    native = remove_gaps(wild_type.sequence, wild_type)
    return {
        (motif, native.origins[match.start()])
        for motif, pattern in patterns.items()
        for match in pattern.finditer(native.text)
    }


def _require_sequences(domain: Sequences) -> Sequences:
    """Return the domain if it is the sequence domain: a configuration may name any."""
    if not isinstance(domain, Sequences):
        raise InvdesignError(
            f"validators of sequences: expected the domain Sequences, got {type(domain).__name__}. Set `domain: "
            "${domain}` in a campaign of sequences"
        )
    return domain


def _describe_violation(constraints: DesignConstraints, design: str) -> str:
    """Describe the violation of the constraints; changed fixed residues are named first."""
    violation, wild_type = constraints.violation(design), constraints.wild_type
    if not violation or wild_type is None or len(design) != len(wild_type.sequence):
        return violation
    changed = []
    for i, (old, new) in enumerate(zip(wild_type.sequence, design, strict=True)):
        if old != new and wild_type.number(i) in constraints.fixed:
            changed.append(f"{old}{wild_type.number(i)}{new}")
    return f"fixed residues changed: {', '.join(changed)}; {violation}" if changed else violation


def _without_gaps(designs: Sequence[str]) -> list[str]:
    return [design.replace(GAP, "") for design in designs]


def _shorten(design: str) -> str:
    return design if len(design) <= 24 else f"{design[:12]}...{design[-8:]}"
