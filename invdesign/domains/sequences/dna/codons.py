"""Genes for proteins: reverse translation that an organism reads well and a vendor can make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from Bio.Seq import Seq

from invdesign.core import Check, InvdesignError
from invdesign.domains.sequences.alphabet import GAP, LETTERS
from invdesign.domains.sequences.dna import dna_validators as dna_checks
from invdesign.domains.sequences.dna.vendors import ANY, Vendor

STOPS = ("TAA", "TAG", "TGA")
HAIRPIN_WITHIN, STEM = 48, 8


@dataclass(frozen=True)
class Gene:
    """DNA that codes for a protein, with what stands around it.

    Args:
        dna: all of it, 5' to 3'.
        start: where (0-based) the first codon begins.
        end: where the last codon ends, that of the stop too.
        protein: what is translated, the stop left out.
    """

    dna: str
    start: int
    end: int
    protein: str

    @property
    def coding(self) -> str:
        """The codons."""
        return self.dna[self.start : self.end]


def gene(
    protein: str,
    *,
    vendor: Vendor = ANY,
    organism: str = "e_coli",
    upstream: str = "",
    downstream: str = "",
    start: bool = True,
    stop: str = "TAA",
    seed: int = 0,
    attempts: int = 3,
) -> Gene:
    """Reverse-translate a protein: the organism's best codons, but for those that a vendor's limits forbid.

    The same protein and settings give the same gene, whatever was drawn before.

    Args:
        protein: residues; gaps are left out.
        vendor: limits on the whole, its sites on all that touches a codon; flanks may hold sites of their own.
        organism: whose codon usage, by the names of python_codon_tables.
        upstream: DNA in front of the first codon (a promoter, an adapter); stays as it is.
        downstream: DNA behind the last one.
        start: whether a protein that does not begin with methionine gets one.
        stop: the stop codon; empty for a part of a longer gene.
        seed: of the solver's random numbers.
        attempts: starts from which a solution is looked for: the best codons, then random ones.

    Raises:
        InvdesignError: settings that make no sense, no DNA Chisel, or no solution was found; the message says why.
    """
    chisel = _chisel()
    _check(protein, organism, upstream, downstream, stop, attempts)
    residues = protein.replace(GAP, "")
    residues = residues if residues.startswith("M") or not start else f"M{residues}"
    length = len(upstream) + 3 * len(residues) + len(stop) + len(downstream)
    if not vendor.min_length <= length <= (vendor.max_length or length):
        raise InvdesignError(
            f"the gene has {length} bp, {vendor.name} makes {vendor.min_length} to "
            f"{vendor.max_length or 'any number'}; "
            "choose another vendor, or add upstream and downstream DNA where it is too short"
        )
    reasons: list[str] = []
    with _seeded(seed):
        for attempt in range(attempts):
            codons = chisel.reverse_translate(residues, randomize_codons=True) if attempt else _best(residues, organism)
            whole = upstream + codons + stop + downstream
            made = Gene(whole, len(upstream), len(whole) - len(downstream), residues)
            reason, made = _solved(chisel, made, vendor, organism, len(stop))
            if not reason:
                return made
            reasons.append(reason)
    raise InvdesignError(f"no gene within the limits of {vendor.name} in {attempts} attempts: {reasons[-1]}")


def findings(made: Gene, *, vendor: Vendor = ANY) -> list[Check]:
    """What the checks of DNA say of a gene: limits on the whole, sites that touch its codons, its frame, its start."""
    found = [
        *dna_checks.orderable(made.dna, vendor=vendor),
        *dna_checks.reading_frame([made.coding]),
        *dna_checks.hairpin([made.coding], first=HAIRPIN_WITHIN, stem=STEM),
    ]
    sites = [
        f"{enzyme} at {at + 1}"
        for enzyme in vendor.sites
        for at in dna_checks.sites(made.dna, enzyme)
        if at < made.end and at + len(dna_checks.site_of(enzyme)) > made.start
    ]
    found.append(Check("restriction_sites", not sites, ", ".join(sites)))
    read = str(Seq(made.coding).translate())
    is_read = read.removesuffix("*") == made.protein
    found.append(Check("translation", is_read, "" if is_read else f"it is read as {read}"))
    return found


def failed(checks: Sequence[Check]) -> str:
    """What did not pass, in one line; empty where all did."""
    return "; ".join(f"{check.name}: {check.detail}" for check in checks if not check.passed)


def _solved(chisel: Any, made: Gene, vendor: Vendor, organism: str, n_stop: int) -> tuple[str, Gene]:
    """A gene with synonymous codons exchanged until it keeps the limits; the reason where that does not succeed."""
    stop = made.end - n_stop
    region = chisel.Location(made.start, stop, 1)
    frozen = [(0, made.start), (stop, len(made.dna))]
    constraints = [
        chisel.EnforceTranslation(location=region, translation=made.protein),
        *(chisel.AvoidChanges(location=chisel.Location(a, b)) for a, b in frozen if b > a),
        *_limits(chisel, made, vendor),
    ]
    optimal = chisel.CodonOptimize(species=organism, location=region)
    problem = chisel.DnaOptimizationProblem(made.dna, constraints=constraints, objectives=[optimal], logger=None)
    complaint = ""
    try:
        problem.resolve_constraints()
        problem.optimize()
    except chisel.NoSolutionError as error:
        complaint = " ".join(str(error).split())[:200]
    solved = replace(made, dna=problem.sequence)
    return failed(findings(solved, vendor=vendor)) or complaint, solved


def _limits(chisel: Any, made: Gene, vendor: Vendor) -> list[Any]:
    """A vendor's limits in the words of DNA Chisel."""
    n = len(made.dna)
    (low, high), (window_low, window_high) = vendor.gc, vendor.window_gc
    found = [chisel.EnforceGCContent(mini=low / 100, maxi=high / 100)]
    if n >= vendor.window:
        found.append(chisel.EnforceGCContent(mini=window_low / 100, maxi=window_high / 100, window=vendor.window))
    if vendor.max_run is not None:
        found += [chisel.AvoidPattern(base * (vendor.max_run + 1)) for base in "AC"]
    if vendor.max_repeat is not None and n > vendor.max_repeat:
        found.append(chisel.UniquifyAllKmers(vendor.max_repeat + 1))
    for enzyme in vendor.sites:
        beside = len(dna_checks.site_of(enzyme)) - 1
        region = chisel.Location(max(0, made.start - beside), min(n, made.end + beside))
        found.append(chisel.AvoidPattern(f"{enzyme}_site", location=region))
    first = min(made.start + HAIRPIN_WITHIN, made.end)
    if first - made.start > 2 * STEM:
        region = chisel.Location(made.start, first)
        found.append(chisel.AvoidHairpins(stem_size=STEM, hairpin_window=HAIRPIN_WITHIN, location=region))
    return found


def _best(protein: str, organism: str) -> str:
    """The most frequent codon of each residue."""
    import python_codon_tables

    usage = python_codon_tables.get_codons_table(organism)
    best = {residue: max(sorted(codons), key=codons.get) for residue, codons in usage.items()}
    return "".join(best[residue] for residue in protein)


def _check(protein: str, organism: str, upstream: str, downstream: str, stop: str, attempts: int) -> None:
    from python_codon_tables.python_codon_tables import available_codon_tables_shortnames

    strange = sorted(set(protein.replace(GAP, "")) - set(LETTERS["protein"]))
    if strange or not protein.replace(GAP, ""):
        said = f"letters {', '.join(map(repr, strange))}" if strange else "no letters"
        raise InvdesignError(f"a gene is made for a protein of the 20 residues, this design has {said}")
    known = sorted(available_codon_tables_shortnames)
    if organism not in known:
        raise InvdesignError(f"organism {organism!r}: there is no codon table of that name; choose {', '.join(known)}")
    for name, dna in (("upstream", upstream), ("downstream", downstream)):
        if set(dna) - set(LETTERS["dna"]):
            raise InvdesignError(f"{name} must be DNA in the capital letters ACGT, got {dna!r}")
    if stop and stop not in STOPS:
        raise InvdesignError(f"stop must be one of {', '.join(STOPS)}, or empty for none, got {stop!r}")
    if attempts < 1:
        raise InvdesignError(f"attempts must be at least 1, got {attempts}")


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """NumPy's global random numbers, which DNA Chisel draws from, seeded for a while."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)


def _chisel() -> Any:
    try:
        import dnachisel
    except ImportError as error:
        raise InvdesignError(
            "codon optimization needs DNA Chisel, which is not installed; pip install 'invdesign[dna]'"
        ) from error
    return dnachisel
