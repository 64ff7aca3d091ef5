"""Published physicochemical descriptors of residues and nucleotides, as inputs of a surrogate."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np

from invdesign.core import Array
from invdesign.domains.sequences.alphabet import GAP, LETTERS

RESIDUE_TABLE = Path(__file__).with_suffix(".csv")
# Classes of each nucleotide: purine or pyrimidine, strong or weak base pairing, amino or keto.
NUCLEOTIDES = {
    letter: {"purine": float(letter in "AG"), "strong": float(letter in "CG"), "amino": float(letter in "AC")}
    for letter in "ACGTU"
}


def descriptors(letters: str) -> Array:
    """Return descriptors of letters, each column with mean 0 and standard deviation 1 over the letters.

    Residues have z-scales (lipophilicity, bulk, polarity and two of electronic effects), hydropathy, volume
    [cubic angstrom], polarity, helix and sheet propensity, charge at pH 7 and flexibility; nucleotides have their three
    classes; other alphabets have no descriptors (`p` is 0). The row of a gap, and a column that is constant over the
    letters, is 0.

    Args:
        letters: Letters of an alphabet, as returned by `letters_of`; may include a gap.

    Returns:
        `n_letters x p` values.

    References:
        z-scales: Sandberg et al., J. Med. Chem. 1998, doi:10.1021/jm9700575. Hydropathy: Kyte and Doolittle, J. Mol.
        Biol. 1982, doi:10.1016/0022-2836(82)90515-0. Volume: Zamyatnin, Prog. Biophys. Mol. Biol. 1972,
        doi:10.1016/0079-6107(72)90005-3. Polarity: Grantham, Science 1974, doi:10.1126/science.185.4154.862.
        Propensities: Chou and Fasman, Adv. Enzymol. 1978, doi:10.1002/9780470122921.ch2. Flexibility: Vihinen et al.,
        Proteins 1994, doi:10.1002/prot.340190207.

    Example:
        >>> descriptors("ACGT").shape
        (4, 3)
    """
    table = _table(letters)
    rows = [i for i, letter in enumerate(letters) if letter != GAP]
    columns = list(table[letters[rows[0]]]) if table else []
    raw = np.array([[table[letters[i]][name] for name in columns] for i in rows]).reshape(len(rows), len(columns))
    centred, spread = raw - raw.mean(axis=0), raw.std(axis=0)
    values = np.zeros((len(letters), len(columns)))
    values[rows] = np.divide(centred, spread, out=np.zeros_like(raw), where=spread > 1e-12)
    return values


def descriptor_names(letters: str) -> tuple[str, ...]:
    """Return the names of the columns of `descriptors`."""
    table = _table(letters)
    return tuple(next(iter(table.values()))) if table else ()


@cache
def residue_descriptors() -> dict[str, dict[str, float]]:
    """Return the published descriptors of the 20 amino acids, by letter and name."""
    with RESIDUE_TABLE.open(encoding="utf-8", newline="") as file:
        return {row.pop("letter"): {name: float(cell) for name, cell in row.items()} for row in csv.DictReader(file)}


def _table(letters: str) -> dict[str, dict[str, float]]:
    """Return the descriptors of an alphabet by letter and name; empty where there are none."""
    alphabet = set(letters) - {GAP}
    if alphabet in (set(LETTERS["dna"]), set(LETTERS["rna"])):
        return NUCLEOTIDES
    return residue_descriptors() if alphabet and alphabet <= set(LETTERS["protein"]) else {}
