"""Reverse translation of proteins into genes, with an organism's codon usage and within a vendor's limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from Bio.Seq import Seq

from invdesign.core import Check, InvdesignError
from invdesign.domains.sequences.alphabet import GAP, LETTERS
from invdesign.domains.sequences.dna import dna_validators
from invdesign.domains.sequences.dna.vendors import ANY, Vendor

# Biopython is untyped.
_seq: Any = Seq

STOPS = ("TAA", "TAG", "TGA")
HAIRPIN_WINDOW, STEM_LENGTH = 48, 8


@dataclass(frozen=True)
class GeneSettings:
    """Settings of a gene besides its protein.

    Raises:
        InvdesignError: There is no codon table of the organism, or a sequence or a number is invalid.
    """

    vendor: Vendor = ANY
    """Limits on the whole sequence; its sites are excluded wherever they touch a codon. Flanks may have such sites."""
    organism: str = "e_coli"
    """Organism whose codon usage is applied, by the names of python_codon_tables."""
    upstream: str = ""
    """DNA before the first codon (a promoter, an adapter), which is not changed."""
    downstream: str = ""
    """DNA after the last codon, which is not changed."""
    add_start_codon: bool = True
    """Whether a protein that does not start with methionine gets one."""
    stop_codon: str = "TAA"
    """Stop codon; empty for a part of a longer gene."""
    seed: int = 0
    """Seed of the solver's random numbers."""
    attempts: int = 3
    """Number of starting points of the solver: the most frequent codons, then random ones."""

    def __post_init__(self) -> None:
        from python_codon_tables.python_codon_tables import available_codon_tables_shortnames

        names = sorted(available_codon_tables_shortnames)
        if self.organism not in names:
            raise InvdesignError(
                f"gene: organism must be the name of a codon table, got {self.organism!r}. Choose {', '.join(names)}"
            )
        for name, dna in (("upstream", self.upstream), ("downstream", self.downstream)):
            if set(dna) - set(LETTERS["dna"]):
                raise InvdesignError(f"gene: {name} must be DNA in the capital letters ACGT, got {dna!r}")
        if self.stop_codon and self.stop_codon not in STOPS:
            raise InvdesignError(
                f"gene: stop_codon must be one of {', '.join(STOPS)}, or empty for none, got {self.stop_codon!r}"
            )
        if self.attempts < 1:
            raise InvdesignError(f"gene: attempts must be at least 1, got {self.attempts}")


@dataclass(frozen=True)
class Gene:
    """DNA that encodes a protein, with its flanks."""

    dna: str
    """Whole sequence, 5' to 3'."""
    start: int
    """Position (0-based) of the first codon."""
    end: int
    """End position of the last codon, the stop codon included."""
    protein: str
    """Translation, without the stop."""

    @property
    def coding(self) -> str:
        """Coding sequence."""
        return self.dna[self.start : self.end]


def reverse_translate(protein: str, settings: GeneSettings | None = None) -> Gene:
    """Reverse-translate a protein with the organism's most frequent codons that the vendor's limits allow.

    The same protein and settings give the same gene; the state of other random number generators has no effect.

    Args:
        protein: Residues; gaps are omitted.
        settings: Vendor, organism, flanks, start and stop codons; defaults if None.

    Raises:
        InvdesignError: The protein or the length of the gene is invalid, DNA Chisel is not installed, or no gene within
            the limits was found; the message states the reason.
    """
    settings = settings or GeneSettings()
    chisel = _import_dnachisel()
    residues = _check_protein(protein)
    if settings.add_start_codon and not residues.startswith("M"):
        residues = f"M{residues}"
    _check_gene_length(3 * len(residues), settings)
    reasons: list[str] = []
    with _seed_numpy(settings.seed):
        for attempt in range(settings.attempts):
            if attempt:
                codons = chisel.reverse_translate(residues, randomize_codons=True)
            else:
                codons = _most_frequent_codons(residues, settings.organism)
            dna = settings.upstream + codons + settings.stop_codon + settings.downstream
            initial = Gene(dna, len(settings.upstream), len(dna) - len(settings.downstream), residues)
            reason, solved = _solve(chisel, initial, settings)
            if not reason:
                return solved
            reasons.append(reason)
    raise InvdesignError(
        f"gene: expected a gene within the limits of {settings.vendor.name}, found none in {settings.attempts} "
        f"attempts: {reasons[-1]}"
    )


def check_gene(gene: Gene, *, vendor: Vendor = ANY) -> list[Check]:
    """Check a gene: limits on the whole, sites that touch its codons, reading frame, hairpin and translation.

    Args:
        gene: The gene.
        vendor: Limits.
    """
    checks = [
        *dna_validators.check_vendor_limits(gene.dna, vendor=vendor),
        *dna_validators.reading_frame([gene.coding]),
        *dna_validators.hairpin([gene.coding], window=HAIRPIN_WINDOW, stem_length=STEM_LENGTH),
    ]
    sites = []
    for enzyme in vendor.sites:
        site_length = len(dna_validators.recognition_site(enzyme))
        for position in dna_validators.find_sites(gene.dna, enzyme):
            if position < gene.end and position + site_length > gene.start:
                sites.append(f"{enzyme} at {position + 1}")
    checks.append(Check("restriction_sites", not sites, ", ".join(sites)))
    translation = str(_seq(gene.coding).translate())
    is_correct = translation.removesuffix("*") == gene.protein
    checks.append(Check("translation", is_correct, "" if is_correct else f"translated as {translation}"))
    return checks


def describe_failures(checks: Sequence[Check]) -> str:
    """Return the failed checks in one line; empty if all passed."""
    return "; ".join(f"{check.name}: {check.detail}" for check in checks if not check.passed)


def _solve(chisel: Any, gene: Gene, settings: GeneSettings) -> tuple[str, Gene]:
    """Exchange synonymous codons until the limits are satisfied; the reason is empty on success."""
    stop = gene.end - len(settings.stop_codon)
    region = chisel.Location(gene.start, stop, 1)
    frozen = [(0, gene.start), (stop, len(gene.dna))]
    constraints = [
        chisel.EnforceTranslation(location=region, translation=gene.protein),
        *(chisel.AvoidChanges(location=chisel.Location(a, b)) for a, b in frozen if b > a),
        *_vendor_constraints(chisel, gene, settings.vendor),
    ]
    objective = chisel.CodonOptimize(species=settings.organism, location=region)
    problem = chisel.DnaOptimizationProblem(gene.dna, constraints=constraints, objectives=[objective], logger=None)
    solver_error = ""
    try:
        problem.resolve_constraints()
        problem.optimize()
    except chisel.NoSolutionError as error:
        solver_error = " ".join(str(error).split())[:200]
    solved = replace(gene, dna=problem.sequence)
    return describe_failures(check_gene(solved, vendor=settings.vendor)) or solver_error, solved


def _vendor_constraints(chisel: Any, gene: Gene, vendor: Vendor) -> list[Any]:
    """Return a vendor's limits as constraints of DNA Chisel."""
    n = len(gene.dna)
    (low, high), (window_low, window_high) = vendor.gc, vendor.window_gc
    constraints = [chisel.EnforceGCContent(mini=low / 100, maxi=high / 100)]
    if n >= vendor.window:
        constraints.append(chisel.EnforceGCContent(mini=window_low / 100, maxi=window_high / 100, window=vendor.window))
    if vendor.max_run is not None:
        constraints += [chisel.AvoidPattern(base * (vendor.max_run + 1)) for base in "AC"]
    if vendor.max_repeat is not None and n > vendor.max_repeat:
        constraints.append(chisel.UniquifyAllKmers(vendor.max_repeat + 1))
    for enzyme in vendor.sites:
        margin = len(dna_validators.recognition_site(enzyme)) - 1
        region = chisel.Location(max(0, gene.start - margin), min(n, gene.end + margin))
        constraints.append(chisel.AvoidPattern(f"{enzyme}_site", location=region))
    window_end = min(gene.start + HAIRPIN_WINDOW, gene.end)
    if window_end - gene.start > 2 * STEM_LENGTH:
        region = chisel.Location(gene.start, window_end)
        constraints.append(chisel.AvoidHairpins(stem_size=STEM_LENGTH, hairpin_window=HAIRPIN_WINDOW, location=region))
    return constraints


def _most_frequent_codons(protein: str, organism: str) -> str:
    """Return the organism's most frequent codon of each residue."""
    import python_codon_tables

    usage = python_codon_tables.get_codons_table(organism)
    best = {residue: max(sorted(codons), key=codons.get) for residue, codons in usage.items()}
    return "".join(best[residue] for residue in protein)


def _check_protein(protein: str) -> str:
    """Return the residues of a protein without gaps, if there are only the 20 amino acids."""
    residues = protein.replace(GAP, "")
    unknown = sorted(set(residues) - set(LETTERS["protein"]))
    if unknown or not residues:
        letters = f"letters {', '.join(map(repr, unknown))}" if unknown else "no letters"
        raise InvdesignError(f"gene: expected a protein of the 20 amino acids, got {letters}")
    return residues


def _check_gene_length(n_coding: int, settings: GeneSettings) -> None:
    """Check that a gene with this number of coding bases (without the stop codon) can be ordered."""
    vendor = settings.vendor
    length = len(settings.upstream) + n_coding + len(settings.stop_codon) + len(settings.downstream)
    if not vendor.min_length <= length <= (vendor.max_length or length):
        allowed = f"{vendor.min_length} to {vendor.max_length or 'any number'}"
        raise InvdesignError(
            f"gene: {vendor.name} requires {allowed} bp, the gene has {length} bp. Choose another vendor, or add "
            "upstream and downstream DNA to a gene that is too short"
        )


@contextmanager
def _seed_numpy(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, from which DNA Chisel draws, and restore its state afterwards."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)


def _import_dnachisel() -> Any:
    try:
        import dnachisel
    except ImportError as error:
        raise InvdesignError(
            "gene: codon optimization needs DNA Chisel, which is not installed. Run pip install 'invdesign[dna]'"
        ) from error
    return dnachisel
