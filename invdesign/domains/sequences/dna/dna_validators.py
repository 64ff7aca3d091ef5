"""Validators of DNA for synthesis: a vendor's limits, restriction sites, reading frame, hairpins.

RNA designs are checked as the DNA that they are transcribed from; gaps are ignored. Positions in details are numbers of
the wild type's bases if there is one, otherwise positions counted from 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from Bio.Data.CodonTable import unambiguous_dna_by_id
from Bio.Data.IUPACData import ambiguous_dna_values
from Bio.Restriction.Restriction_Dictionary import rest_dict
from Bio.Seq import Seq

from invdesign.core import Array, Check, InvdesignError
from invdesign.domains.sequences.alphabet import GAP, LETTERS, reverse_complement
from invdesign.domains.sequences.dna.vendors import ANY, Vendor
from invdesign.domains.sequences.wild_type.residue_numbering import remove_gaps, summarize_findings
from invdesign.domains.sequences.wild_type.wild_type import WildType

# Biopython is untyped.
_seq: Any = Seq

# (sequence, label of each of its positions) -> whether it passes, and the detail.
CheckOne = Callable[[str, Sequence[str]], tuple[bool, str]]


def order_length(designs: Sequence[str], *, vendor: Vendor = ANY) -> list[Check]:
    """Check the number of bases against the vendor's limits."""
    allowed = f"{vendor.min_length} to {vendor.max_length}" if vendor.max_length else f"at least {vendor.min_length}"

    def check_one(dna: str, labels: Sequence[str]) -> tuple[bool, str]:
        fits = vendor.min_length <= len(dna) <= (vendor.max_length or len(dna))
        return fits, f"{len(dna)} bp, {vendor.name}: {allowed}"

    return _check_each(designs, "order_length", check_one, None)


def gc_content(designs: Sequence[str], *, vendor: Vendor = ANY) -> list[Check]:
    """Check the GC content of the whole sequence against the vendor's limits.

    Example:
        >>> gc_content(["GGCCATATAT"])[0].detail
        '40.0 % GC, any vendor: 25 to 65 %'
    """
    low, high = vendor.gc

    def check_one(dna: str, labels: Sequence[str]) -> tuple[bool, str]:
        percent = 100 * (dna.count("G") + dna.count("C")) / len(dna)
        return low <= percent <= high, f"{percent:.1f} % GC, {vendor.name}: {low:g} to {high:g} %"

    return _check_each(designs, "gc_content", check_one, None)


def gc_windows(designs: Sequence[str], *, vendor: Vendor = ANY, wild_type: WildType | None = None) -> list[Check]:
    """Check the GC content of every window against the vendor's limits; the detail reports the worst window."""
    low, high = vendor.window_gc

    def check_one(dna: str, labels: Sequence[str]) -> tuple[bool, str]:
        percents = window_gc_contents(dna, vendor.window)
        excess = np.maximum(low - percents, percents - high)
        n = int((excess > 0).sum())
        if not n:
            return True, ""
        worst = int(excess.argmax())
        where = f"from {labels[worst]} to {labels[worst + vendor.window - 1]}"
        windows = f"{n} windows of {vendor.window} bp" if n > 1 else f"a window of {vendor.window} bp"
        return False, f"{windows}, the worst {percents[worst]:.0f} % GC {where}; {vendor.name}: {low:g} to {high:g} %"

    return _check_each(designs, "gc_windows", check_one, wild_type)


def homopolymers(designs: Sequence[str], *, vendor: Vendor = ANY, wild_type: WildType | None = None) -> list[Check]:
    """Check that no base is repeated more often in a row than the vendor allows."""
    max_run = vendor.max_run
    pattern = re.compile(rf"([ACGT])\1{{{max_run or 0},}}")

    def check_one(dna: str, labels: Sequence[str]) -> tuple[bool, str]:
        runs = [] if max_run is None else list(pattern.finditer(dna))
        return not runs, summarize_findings(f"{len(m[0])} {m[1]} from {labels[m.start()]}" for m in runs)

    return _check_each(designs, "homopolymers", check_one, wild_type)


def repeats(designs: Sequence[str], *, vendor: Vendor = ANY, wild_type: WildType | None = None) -> list[Check]:
    """Check that no segment longer than the vendor allows occurs twice, on either strand."""
    max_repeat = vendor.max_repeat

    def check_one(dna: str, labels: Sequence[str]) -> tuple[bool, str]:
        found = [] if max_repeat is None else find_repeats(dna, max_repeat + 1)
        details = []
        for first, second, n, is_inverted in found:
            orientation = " (inverted)" if is_inverted else ""
            details.append(f"{n} bp at {labels[first]} and {labels[second]}{orientation}")
        return not found, summarize_findings(details)

    return _check_each(designs, "repeats", check_one, wild_type)


def restriction_sites(
    designs: Sequence[str], *, vendor: Vendor = ANY, wild_type: WildType | None = None
) -> list[Check]:
    """Check that no site of the enzymes in the vendor's profile occurs, on either strand.

    Raises:
        InvdesignError: Biopython has no such enzyme.
    """

    def check_one(dna: str, labels: Sequence[str]) -> tuple[bool, str]:
        found = sorted((start, enzyme) for enzyme in vendor.sites for start in find_sites(dna, enzyme))
        return not found, summarize_findings(f"{enzyme} at {labels[start]}" for start, enzyme in found)

    return _check_each(designs, "restriction_sites", check_one, wild_type)


def reading_frame(
    designs: Sequence[str], *, first: int = 1, table: int = 1, wild_type: WildType | None = None
) -> list[Check]:
    """Check that the frame has whole codons up to the end, and no stop codon except as the last one.

    Args:
        designs: `n` designs.
        first: Position (from 1) of the first base of the first codon.
        table: NCBI's number of the genetic code.
        wild_type: Residue numbers for the details.
    """
    stops = frozenset(unambiguous_dna_by_id[table].stop_codons)

    def check_one(dna: str, labels: Sequence[str]) -> tuple[bool, str]:
        n, remainder = divmod(max(0, len(dna) - first + 1), 3)
        starts = [first - 1 + 3 * k for k in range(n)]
        findings = [f"stop {dna[i : i + 3]} at {labels[i]}" for i in starts[:-1] if dna[i : i + 3] in stops]
        if remainder:
            findings.append(f"{remainder} bases beyond whole codons")
        elif not n:
            findings.append("no codon")
        return not findings, summarize_findings(findings)

    return _check_each(designs, "reading_frame", check_one, wild_type)


def hairpin(
    designs: Sequence[str],
    *,
    window: int = 48,
    stem_length: int = 8,
    min_loop: int = 3,
    wild_type: WildType | None = None,
) -> list[Check]:
    """Check for a hairpin near the start, which would hide the start codon from the ribosome.

    Args:
        designs: `n` designs.
        window: Number of bases from the start that are searched.
        stem_length: Number of consecutive base pairs of a stem that fails.
        min_loop: Minimum number of bases between the two strands of a stem.
        wild_type: Residue numbers for the details.
    """

    def check_one(dna: str, labels: Sequence[str]) -> tuple[bool, str]:
        stem = find_hairpin(dna[:window], stem_length, min_loop)
        if stem is None:
            return True, ""
        return False, f"{stem_length} bp from {labels[stem[0]]} pair with {labels[stem[1]]}"

    return _check_each(designs, "hairpin", check_one, wild_type)


def check_vendor_limits(dna: str, *, vendor: Vendor = ANY) -> list[Check]:
    """Return all checks of a vendor's limits on one sequence, except restriction sites."""
    validators = (order_length, gc_content, gc_windows, homopolymers, repeats)
    return [check for validate in validators for check in validate([dna], vendor=vendor)]


def window_gc_contents(dna: str, window: int) -> Array:
    """Return the GC content [percent] of every window, from first to last; empty for a shorter sequence.

    Example:
        >>> window_gc_contents("GGAA", 2).tolist()
        [100.0, 50.0, 0.0]
    """
    bases = np.frombuffer(dna.encode(), dtype=np.uint8)
    sums = np.concatenate([[0], np.cumsum((bases == ord("G")) | (bases == ord("C")))])
    percents: Array = 100.0 * (sums[window:] - sums[:-window]) / window
    return percents


def find_repeats(dna: str, k: int) -> list[tuple[int, int, int, bool]]:
    """Find segments of at least `k` bases that occur twice.

    Args:
        dna: Sequence.
        k: Minimum length [bp].

    Returns:
        For each repeat both starts (0-based), its length, and whether it is inverted.
    """
    opposite, n = reverse_complement(dna), len(dna)
    first: dict[str, int] = {}
    repeats: list[tuple[int, int, int, bool]] = []
    for b in range(n - k + 1):
        word, inverted = dna[b : b + k], opposite[n - b - k : n - b]
        is_inverted = word not in first and inverted in first
        a = first.get(inverted if is_inverted else word)
        if a is None:
            first[word] = b
            continue
        extended = _extend_repeat(repeats[-1], a, b, k, is_inverted) if repeats else None
        if extended is None:
            repeats.append((a, b, k, is_inverted))
        else:
            repeats[-1] = extended
    return repeats


def _extend_repeat(
    last: tuple[int, int, int, bool], a: int, b: int, k: int, is_inverted: bool
) -> tuple[int, int, int, bool] | None:
    """Extend the last repeat by a base if the match of words at `a` and `b` continues it; otherwise return None."""
    start, other, size, was_inverted = last
    if b != other + size - k + 1 or was_inverted != is_inverted:
        return None
    if is_inverted:
        # The first occurrence of an inverted repeat grows to the left.
        return (a, other, size + 1, True) if a == start - 1 else None
    return (start, other, size + 1, False) if a == start + size - k + 1 else None


def find_sites(dna: str, enzyme: str) -> list[int]:
    """Return the starts (0-based) of an enzyme's recognition sites on both strands, in the sequence as written.

    Raises:
        InvdesignError: Biopython has no such enzyme.
    """
    return sorted({match.start() for pattern in _site_patterns(enzyme) for match in pattern.finditer(dna)})


def recognition_site(enzyme: str) -> str:
    """Return the recognition site of an enzyme, in IUPAC letters.

    Raises:
        InvdesignError: Biopython has no such enzyme.

    Example:
        >>> recognition_site("EcoRI")
        'GAATTC'
    """
    if enzyme not in rest_dict:
        raise InvdesignError(
            f"restriction enzyme {enzyme!r}: expected an enzyme of Biopython, which has none of this name. Write its "
            "name as in BsaI"
        )
    return str(rest_dict[enzyme]["site"])


def find_hairpin(dna: str, stem_length: int, min_loop: int) -> tuple[int, int] | None:
    """Return the starts (0-based) of the first two segments that pair, with at least `min_loop` bases between them."""
    for a in range(len(dna) - 2 * stem_length - min_loop + 1):
        b = dna.find(reverse_complement(dna[a : a + stem_length]), a + stem_length + min_loop)
        if b >= 0:
            return a, b
    return None


@lru_cache(maxsize=256)
def _site_patterns(enzyme: str) -> tuple[re.Pattern[str], ...]:
    """Return patterns of a site on either strand, which also match overlapping sites."""
    site = recognition_site(enzyme)
    both = dict.fromkeys((site, str(_seq(site).reverse_complement())))
    patterns = []
    for text in both:
        letters = "".join(f"[{ambiguous_dna_values[letter]}]" for letter in text)
        patterns.append(re.compile(f"(?={letters})"))
    return tuple(patterns)


def _check_each(designs: Sequence[str], name: str, check_one: CheckOne, wild_type: WildType | None) -> list[Check]:
    """Return one check per design; a design that is not DNA or RNA fails."""
    bases = frozenset(LETTERS["dna"])
    checks = []
    for design in designs:
        dna = design.replace(GAP, "").replace("U", "T")
        if dna and bases.issuperset(dna):
            checks.append(Check(name, *check_one(dna, remove_gaps(design, wild_type).labels)))
        else:
            checks.append(Check(name, False, "not DNA of the letters ACGT"))
    return checks
