"""Validators of DNA that is to be made: a vendor's limits, restriction sites, reading frame, hairpins.

Designs of RNA are judged as the DNA that they are transcribed from; gaps count as nothing. Places are numbers of the
wild type's bases where there is one, else positions from 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from Bio.Data.CodonTable import unambiguous_dna_by_id
from Bio.Data.IUPACData import ambiguous_dna_values
from Bio.Seq import Seq

from invdesign.core import Array, Check, InvdesignError
from invdesign.domains.sequences.alphabet import GAP, LETTERS, reverse_complement
from invdesign.domains.sequences.dna.vendors import ANY, Vendor
from invdesign.domains.sequences.wild_type.residue_numbering import placed, said
from invdesign.domains.sequences.wild_type.wild_type import WildType

# (sequence, the label of each of its places) -> whether it passes, and the detail.
CheckOne = Callable[[str, Sequence[str]], tuple[bool, str]]


def order_length(designs: Sequence[str], *, vendor: Vendor = ANY) -> list[Check]:
    """As many bases as the vendor makes."""
    allowed = f"{vendor.min_length} to {vendor.max_length}" if vendor.max_length else f"{vendor.min_length} and more"

    def check_one(dna: str, at: Sequence[str]) -> tuple[bool, str]:
        fits = vendor.min_length <= len(dna) <= (vendor.max_length or len(dna))
        return fits, f"{len(dna)} bp, {vendor.name}: {allowed}"

    return _each(designs, "order_length", check_one, None)


def gc_content(designs: Sequence[str], *, vendor: Vendor = ANY) -> list[Check]:
    """The share of G and C in the whole."""
    low, high = vendor.gc

    def check_one(dna: str, at: Sequence[str]) -> tuple[bool, str]:
        share = 100 * (dna.count("G") + dna.count("C")) / len(dna)
        return low <= share <= high, f"{share:.1f} % GC, {vendor.name}: {low:g} to {high:g} %"

    return _each(designs, "gc_content", check_one, None)


def gc_windows(designs: Sequence[str], *, vendor: Vendor = ANY, wild_type: WildType | None = None) -> list[Check]:
    """The share of G and C in every window; the window farthest from the limits is named."""
    low, high = vendor.window_gc

    def check_one(dna: str, at: Sequence[str]) -> tuple[bool, str]:
        shares = window_shares(dna, vendor.window)
        beyond = np.maximum(low - shares, shares - high)
        n = int((beyond > 0).sum())
        if not n:
            return True, ""
        worst = int(beyond.argmax())
        where = f"from {at[worst]} to {at[worst + vendor.window - 1]}"
        said_of = f"{n} windows of {vendor.window} bp" if n > 1 else f"a window of {vendor.window} bp"
        return False, f"{said_of}, the worst {shares[worst]:.0f} % GC {where}; {vendor.name}: {low:g} to {high:g} %"

    return _each(designs, "gc_windows", check_one, wild_type)


def homopolymers(designs: Sequence[str], *, vendor: Vendor = ANY, wild_type: WildType | None = None) -> list[Check]:
    """No base more often in a row than the vendor takes."""
    most = vendor.max_run
    pattern = re.compile(rf"([ACGT])\1{{{most or 0},}}")

    def check_one(dna: str, at: Sequence[str]) -> tuple[bool, str]:
        found = [] if most is None else list(pattern.finditer(dna))
        return not found, said(f"{len(m[0])} {m[1]} from {at[m.start()]}" for m in found)

    return _each(designs, "homopolymers", check_one, wild_type)


def repeats(designs: Sequence[str], *, vendor: Vendor = ANY, wild_type: WildType | None = None) -> list[Check]:
    """No stretch longer than the vendor takes occurs twice, on either strand."""
    most = vendor.max_repeat

    def check_one(dna: str, at: Sequence[str]) -> tuple[bool, str]:
        found = [] if most is None else repeated(dna, most + 1)
        words = (f"{n} bp at {at[a]} and {at[b]}{' (inverted)' if turned else ''}" for a, b, n, turned in found)
        return not found, said(words)

    return _each(designs, "repeats", check_one, wild_type)


def restriction_sites(
    designs: Sequence[str], *, vendor: Vendor = ANY, wild_type: WildType | None = None
) -> list[Check]:
    """No site of the enzymes in the vendor's profile, on either strand.

    Raises:
        InvdesignError: Biopython knows no such enzyme.
    """

    def check_one(dna: str, at: Sequence[str]) -> tuple[bool, str]:
        found = sorted((start, enzyme) for enzyme in vendor.sites for start in sites(dna, enzyme))
        return not found, said(f"{enzyme} at {at[start]}" for start, enzyme in found)

    return _each(designs, "restriction_sites", check_one, wild_type)


def reading_frame(
    designs: Sequence[str], *, first: int = 1, table: int = 1, wild_type: WildType | None = None
) -> list[Check]:
    """Whole codons from the first base of the frame to the end, and no stop but as the last of them.

    Args:
        designs: `n` designs.
        first: position (from 1) of the first codon's first base.
        table: NCBI's number of the genetic code.
        wild_type: what places are numbered by.
    """
    stops = frozenset(unambiguous_dna_by_id[table].stop_codons)

    def check_one(dna: str, at: Sequence[str]) -> tuple[bool, str]:
        n, over = divmod(max(0, len(dna) - first + 1), 3)
        starts = [first - 1 + 3 * k for k in range(n)]
        found = [f"stop {dna[i : i + 3]} at {at[i]}" for i in starts[:-1] if dna[i : i + 3] in stops]
        wanting = [f"{over} bases beyond whole codons"] if over else [] if n else ["no codon"]
        return not found and not wanting, said(found + wanting)

    return _each(designs, "reading_frame", check_one, wild_type)


def hairpin(
    designs: Sequence[str], *, first: int = 48, stem: int = 8, loop: int = 3, wild_type: WildType | None = None
) -> list[Check]:
    """No stem of so many base pairs among the first bases, which would hide the start from the ribosome.

    Args:
        designs: `n` designs.
        first: bases from the beginning that are looked at.
        stem: base pairs, without a gap between them, of a stem that is refused.
        loop: the fewest bases between the two strands of a stem.
        wild_type: what places are numbered by.
    """

    def check_one(dna: str, at: Sequence[str]) -> tuple[bool, str]:
        found = folded(dna[:first], stem, loop)
        return found is None, "" if found is None else f"{stem} bp from {at[found[0]]} pair with {at[found[1]]}"

    return _each(designs, "hairpin", check_one, wild_type)


def orderable(dna: str, *, vendor: Vendor = ANY) -> list[Check]:
    """Every check of a vendor's limits on one sequence, restriction sites apart."""
    checks = (order_length, gc_content, gc_windows, homopolymers, repeats)
    return [found for check in checks for found in check([dna], vendor=vendor)]


def window_shares(dna: str, window: int) -> Array:
    """GC (percent) of every window, from the first to the last; empty where the sequence is shorter."""
    bases = np.frombuffer(dna.encode(), dtype=np.uint8)
    sums = np.concatenate([[0], np.cumsum((bases == ord("G")) | (bases == ord("C")))])
    return 100.0 * (sums[window:] - sums[:-window]) / window


def repeated(dna: str, k: int) -> list[tuple[int, int, int, bool]]:
    """Stretches of at least `k` bases that occur twice: both starts (0-based), their length, whether inverted."""
    back, n = reverse_complement(dna), len(dna)
    first: dict[str, int] = {}
    found: list[tuple[int, int, int, bool]] = []
    for b in range(n - k + 1):
        word, turned = dna[b : b + k], back[n - b - k : n - b]
        is_inverted = word not in first and turned in first
        a = first.get(turned if is_inverted else word)
        if a is None:
            first[word] = b
            continue
        if found:
            start, other, size, was_inverted = found[-1]
            grown = (a, start) if is_inverted else (start, a - (size - k + 1))
            is_next = b == other + size - k + 1 and was_inverted == is_inverted
            if is_next and (a == start - 1 if is_inverted else grown[0] == grown[1]):
                found[-1] = (grown[0], other, size + 1, is_inverted)
                continue
        found.append((a, b, k, is_inverted))
    return found


def sites(dna: str, enzyme: str) -> list[int]:
    """Where (0-based) the recognition sites of an enzyme begin in the sequence as written, those of both strands."""
    return sorted({match.start() for pattern in _patterns(enzyme) for match in pattern.finditer(dna)})


def site_of(enzyme: str) -> str:
    """The recognition site of an enzyme, in IUPAC's letters.

    Raises:
        InvdesignError: Biopython knows no such enzyme.
    """
    from Bio.Restriction.Restriction_Dictionary import rest_dict

    if enzyme not in rest_dict:
        raise InvdesignError(f"restriction enzyme {enzyme!r}: Biopython knows none of that name; write it as BsaI")
    return str(rest_dict[enzyme]["site"])


def folded(dna: str, stem: int, loop: int) -> tuple[int, int] | None:
    """The first two stretches (0-based starts) of `stem` bases that pair with at least `loop` bases between them."""
    for a in range(len(dna) - 2 * stem - loop + 1):
        b = dna.find(reverse_complement(dna[a : a + stem]), a + stem + loop)
        if b >= 0:
            return a, b
    return None


@lru_cache(maxsize=256)
def _patterns(enzyme: str) -> tuple[re.Pattern[str], ...]:
    """What finds a site on either strand, overlapping ones too."""
    site = site_of(enzyme)
    both = dict.fromkeys((site, str(Seq(site).reverse_complement())))
    return tuple(re.compile(f"(?={''.join(f'[{ambiguous_dna_values[a]}]' for a in text)})") for text in both)


def _each(designs: Sequence[str], name: str, check_one: CheckOne, wild_type: WildType | None) -> list[Check]:
    """One check per design; what is no DNA fails."""
    known = frozenset(LETTERS["dna"])
    checks = []
    for design in designs:
        dna = design.replace(GAP, "").replace("U", "T")
        if dna and known.issuperset(dna):
            checks.append(Check(name, *check_one(dna, placed(design, wild_type).labels)))
        else:
            checks.append(Check(name, False, "no DNA of the letters ACGT"))
    return checks
