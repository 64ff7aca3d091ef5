"""Oracles computed from the sequence alone: charge, hydropathy, amphipathicity, melting temperature of DNA.

Each takes `n` designs and returns `n` values; NaN where a design is empty or has letters that the property is not
defined for. Gaps are letters too: remove them first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from Bio.SeqUtils import gc_fraction
from Bio.SeqUtils.MeltingTemp import DNA_NN4, Tm_NN
from Bio.SeqUtils.ProtParam import ProteinAnalysis
from Bio.SeqUtils.ProtParamData import gravy_scales

from invdesign.core import Array, InvdesignError
from invdesign.domains.sequences.alphabet import LETTERS

# Biopython is untyped.
_protein_analysis: Any = ProteinAnalysis
_gc_fraction: Any = gc_fraction
_nearest_neighbour_temperature: Any = Tm_NN

# Residues that the antimicrobial peptide database counts as hydrophobic.
HYDROPHOBIC = "ACFILMVW"


def isoelectric_point(designs: Sequence[str]) -> Array:
    """Return the pH at which a protein carries no net charge (`n`), 4.05 to 12.

    References:
        Bjellqvist et al., Electrophoresis 1993, doi:10.1002/elps.11501401163.
    """
    return _evaluate_proteins(designs, lambda design: _protein_analysis(design).isoelectric_point())


def charge(designs: Sequence[str], *, ph: float = 7.4) -> Array:
    """Return the net charge of a protein at a pH [elementary charges] (`n`), with the pK values of `isoelectric_point`.

    Args:
        designs: `n` proteins.
        ph: The pH; 7.4 is that of blood plasma.

    Example:
        >>> charge(["AKKKA"]).round().tolist()
        [3.0]
    """
    return _evaluate_proteins(designs, lambda design: _protein_analysis(design).charge_at_pH(ph))


def gravy(designs: Sequence[str]) -> Array:
    """Return the grand average of hydropathy (`n`), -4.5 to 4.5; positive is hydrophobic.

    References:
        Kyte and Doolittle, J. Mol. Biol. 1982, doi:10.1016/0022-2836(82)90515-0.
    """
    return _evaluate_proteins(designs, lambda design: _protein_analysis(design).gravy())


def instability(designs: Sequence[str]) -> Array:
    """Return the instability index (`n`); a protein with an index above 40 is considered short-lived.

    References:
        Guruprasad et al., Protein Eng. 1990, doi:10.1093/protein/4.2.155.
    """
    return _evaluate_proteins(designs, lambda design: _protein_analysis(design).instability_index())


def protein_weight(designs: Sequence[str]) -> Array:
    """Return the molecular weight of a protein [g/mol] with natural isotopes (`n`)."""
    return _evaluate_proteins(designs, lambda design: _protein_analysis(design).molecular_weight())


def aromaticity(designs: Sequence[str]) -> Array:
    """Return the fraction of phenylalanine, tryptophan and tyrosine, 0 to 1 (`n`).

    References:
        Lobry and Gautier, Nucleic Acids Res. 1994, doi:10.1093/nar/22.15.3174.
    """
    return _evaluate_proteins(designs, lambda design: sum(design.count(a) for a in "FWY") / len(design))


def hydrophobic_share(designs: Sequence[str]) -> Array:
    """Return the fraction of the residues A, C, F, I, L, M, V and W, 0 to 1 (`n`).

    The antimicrobial peptide database uses this set of hydrophobic residues.

    References:
        Wang et al., Nucleic Acids Res. 2016, doi:10.1093/nar/gkv1278.
    """
    return _evaluate_proteins(designs, lambda design: sum(design.count(a) for a in HYDROPHOBIC) / len(design))


def hydrophobic_moment(designs: Sequence[str], *, angle: float = 100.0, window: int = 0) -> Array:
    """Return the mean hydrophobic moment per residue, on the consensus scale (`n`).

    The moment of `n` residues with hydrophobicities H is `|sum_k H_k exp(i k angle)| / n`. It is large where the
    hydrophobic residues are on one side.

    Args:
        designs: `n` proteins.
        angle: Rotation from one residue to the next [degree]: 100 in a helix, about 170 in a strand.
        window: Number of consecutive residues, of which the largest moment is returned; 0, or more than the design has,
            for the whole design.

    Raises:
        InvdesignError: The window is negative.

    References:
        Eisenberg, Weiss and Terwilliger, Nature 1982, doi:10.1038/299371a0; the scale: Eisenberg et al., J. Mol. Biol.
        1984, doi:10.1016/0022-2836(84)90309-7.
    """
    if window < 0:
        raise InvdesignError(f"hydrophobic_moment: window must be at least 0, got {window!r}")
    scale = gravy_scales["Eisenberg"]

    def moment(design: str) -> float:
        n = min(window or len(design), len(design))
        phases = np.exp(1j * math.radians(angle) * np.arange(len(design)))
        sums = np.concatenate([[0], np.cumsum(np.array([scale[a] for a in design]) * phases)])
        return float(np.abs(sums[n:] - sums[:-n]).max() / n)

    return _evaluate_proteins(designs, moment)


def gc_content(designs: Sequence[str]) -> Array:
    """Return the fraction of G and C in DNA or RNA, 0 to 1 (`n`)."""
    return _evaluate(designs, "ACGTU", lambda design: float(_gc_fraction(design)))


def melting_temperature(
    designs: Sequence[str], *, sodium: float = 50.0, strand: float = 25.0, magnesium: float = 0.0
) -> Array:
    """Return the melting temperature of DNA with its complement [degree Celsius], by nearest neighbours (`n`).

    The model is for short duplexes, up to about 60 base pairs. Designs of one letter have NaN.

    Args:
        designs: `n` strands of DNA.
        sodium: Concentration of sodium ions [mmol/l].
        strand: Concentration of either strand [nmol/l].
        magnesium: Concentration of magnesium ions [mmol/l].

    References:
        SantaLucia and Hicks, Annu. Rev. Biophys. Biomol. Struct. 2004, doi:10.1146/annurev.biophys.32.110601.141800.
    """

    def melting(design: str) -> float:
        if len(design) < 2:
            return math.nan
        temperature = _nearest_neighbour_temperature(
            design, nn_table=DNA_NN4, Na=sodium, Mg=magnesium, dnac1=strand, dnac2=strand
        )
        return float(temperature)

    return _evaluate(designs, LETTERS["dna"], melting)


def _evaluate_proteins(designs: Sequence[str], value: Callable[[str], float]) -> Array:
    return _evaluate(designs, LETTERS["protein"], value)


def _evaluate(designs: Sequence[str], letters: str, value: Callable[[str], float]) -> Array:
    """Evaluate a property of each design; NaN for an empty design and for letters outside the alphabet."""
    alphabet = set(letters)
    return np.array([value(d) if d and alphabet.issuperset(d) else math.nan for d in designs], dtype=np.float64)
