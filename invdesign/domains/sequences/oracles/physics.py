"""Oracles computed from the sequence alone: charge, hydropathy, amphipathicity, melting of DNA.

Each takes `n` designs and answers `n` numbers; NaN where a design is empty or has letters that the property is not
defined for. Gaps are letters too: take them out first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from Bio.SeqUtils import gc_fraction
from Bio.SeqUtils.MeltingTemp import DNA_NN4, Tm_NN
from Bio.SeqUtils.ProtParam import ProteinAnalysis
from Bio.SeqUtils.ProtParamData import gravy_scales

from invdesign.core import Array, InvdesignError
from invdesign.domains.sequences.alphabet import LETTERS

# Residues that the antimicrobial peptide database counts as hydrophobic.
HYDROPHOBIC = "ACFILMVW"


def isoelectric_point(designs: Sequence[str]) -> Array:
    """The pH at which a protein carries no net charge (`n`), 4.05 to 12.

    References:
        Bjellqvist et al., Electrophoresis 1993, doi:10.1002/elps.11501401163.
    """
    return _protein(designs, lambda design: ProteinAnalysis(design).isoelectric_point())


def charge(designs: Sequence[str], *, ph: float = 7.4) -> Array:
    """Net charge of a protein at a pH in elementary charges (`n`), by the pK values of `isoelectric_point`."""
    return _protein(designs, lambda design: ProteinAnalysis(design).charge_at_pH(ph))


def gravy(designs: Sequence[str]) -> Array:
    """Grand average of hydropathy (`n`), -4.5 to 4.5; positive is hydrophobic.

    References:
        Kyte and Doolittle, J. Mol. Biol. 1982, doi:10.1016/0022-2836(82)90515-0.
    """
    return _protein(designs, lambda design: ProteinAnalysis(design).gravy())


def instability(designs: Sequence[str]) -> Array:
    """Instability index (`n`); above 40 a protein is held to be short-lived.

    References:
        Guruprasad et al., Protein Eng. 1990, doi:10.1093/protein/4.2.155.
    """
    return _protein(designs, lambda design: ProteinAnalysis(design).instability_index())


def protein_weight(designs: Sequence[str]) -> Array:
    """Molecular weight of a protein in g/mol, natural isotopes (`n`)."""
    return _protein(designs, lambda design: ProteinAnalysis(design).molecular_weight())


def aromaticity(designs: Sequence[str]) -> Array:
    """Share of phenylalanine, tryptophan and tyrosine, 0 to 1 (`n`).

    References:
        Lobry and Gautier, Nucleic Acids Res. 1994, doi:10.1093/nar/22.15.3174.
    """
    return _protein(designs, lambda design: sum(design.count(a) for a in "FWY") / len(design))


def hydrophobic_share(designs: Sequence[str]) -> Array:
    """Share of the residues A, C, F, I, L, M, V and W, 0 to 1 (`n`), as antimicrobial peptides are described.

    References:
        Wang et al., Nucleic Acids Res. 2016, doi:10.1093/nar/gkv1278.
    """
    return _protein(designs, lambda design: sum(design.count(a) for a in HYDROPHOBIC) / len(design))


def hydrophobic_moment(designs: Sequence[str], *, angle: float = 100.0, window: int = 0) -> Array:
    """How far the hydrophobic residues point to one side, per residue, on the consensus scale (`n`).

    Args:
        designs: `n` proteins.
        angle: degrees from one residue to the next: 100 in a helix, about 170 in a strand.
        window: the largest moment of any so many residues in a row; 0, or more than there are, for the whole design.

    Raises:
        InvdesignError: a negative window.

    References:
        Eisenberg, Weiss and Terwilliger, Nature 1982, doi:10.1038/299371a0; the scale: Eisenberg et al., J. Mol. Biol.
        1984, doi:10.1016/0022-2836(84)90309-7.
    """
    if window < 0:
        raise InvdesignError(f"hydrophobic_moment: window must be 0 or more, got {window!r}")
    scale = gravy_scales["Eisenberg"]

    def moment(design: str) -> float:
        n = min(window or len(design), len(design))
        turns = np.exp(1j * math.radians(angle) * np.arange(len(design)))
        sums = np.concatenate([[0], np.cumsum(np.array([scale[a] for a in design]) * turns)])
        return float(np.abs(sums[n:] - sums[:-n]).max() / n)

    return _protein(designs, moment)


def gc_content(designs: Sequence[str]) -> Array:
    """Share of G and C in DNA or RNA, 0 to 1 (`n`)."""
    return _scored(designs, "ACGTU", lambda design: float(gc_fraction(design)))


def melting_temperature(
    designs: Sequence[str], *, sodium: float = 50.0, strand: float = 25.0, magnesium: float = 0.0
) -> Array:
    """Melting temperature of DNA with its complement in degrees Celsius, by nearest neighbours (`n`).

    For short duplexes, to some 60 base pairs. NaN for designs of one letter.

    Args:
        designs: `n` strands of DNA.
        sodium: ions, mmol/l.
        strand: concentration of either strand, nmol/l.
        magnesium: ions, mmol/l.

    References:
        SantaLucia and Hicks, Annu. Rev. Biophys. Biomol. Struct. 2004, doi:10.1146/annurev.biophys.32.110601.141800.
    """

    def melting(design: str) -> float:
        if len(design) < 2:
            return math.nan
        return float(Tm_NN(design, nn_table=DNA_NN4, Na=sodium, Mg=magnesium, dnac1=strand, dnac2=strand))

    return _scored(designs, LETTERS["dna"], melting)


def _protein(designs: Sequence[str], score: Callable[[str], float]) -> Array:
    return _scored(designs, LETTERS["protein"], score)


def _scored(designs: Sequence[str], letters: str, score: Callable[[str], float]) -> Array:
    known = set(letters)
    return np.array([score(d) if d and known.issuperset(d) else math.nan for d in designs], dtype=np.float64)
