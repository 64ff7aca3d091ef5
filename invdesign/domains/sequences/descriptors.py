"""Published facts of single residues: what a surrogate may read instead of bare letters."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np

from invdesign.core import Array
from invdesign.domains.sequences.alphabet import GAP, LETTERS

RESIDUES = Path(__file__).with_suffix(".csv")
# Each letter's classes: purine or pyrimidine, strong or weak in pairing, amino or keto.
NUCLEOTIDES = {
    letter: {"purine": float(letter in "AG"), "strong": float(letter in "CG"), "amino": float(letter in "AC")}
    for letter in "ACGTU"
}


def descriptors(letters: str) -> Array:
    """Facts of letters (`n_letters x p`), each column with mean 0 and standard deviation 1 over the letters.

    Residues have z-scales (lipophilicity, bulk, polarity and two of electronic effects), hydropathy, volume
    (cubic angstrom), polarity, helix and sheet propensity, charge at pH 7 and flexibility; nucleotides their three
    classes; other alphabets none (`p` is 0). A gap, and a column that is the same for all letters, is 0.

    Args:
        letters: of an alphabet, as `letters_of` gives them; a gap may be among them.

    References:
        z-scales: Sandberg et al., J. Med. Chem. 1998, doi:10.1021/jm9700575. Hydropathy: Kyte and Doolittle, J. Mol.
        Biol. 1982, doi:10.1016/0022-2836(82)90515-0. Volume: Zamyatnin, Prog. Biophys. Mol. Biol. 1972,
        doi:10.1016/0079-6107(72)90005-3. Polarity: Grantham, Science 1974, doi:10.1126/science.185.4154.862.
        Propensities: Chou and Fasman, Adv. Enzymol. 1978, doi:10.1002/9780470122921.ch2. Flexibility: Vihinen et al.,
        Proteins 1994, doi:10.1002/prot.340190207.
    """
    facts = _facts(letters)
    real = [i for i, letter in enumerate(letters) if letter != GAP]
    columns = list(facts[letters[real[0]]]) if facts else []
    raw = np.array([[facts[letters[i]][name] for name in columns] for i in real]).reshape(len(real), len(columns))
    centred, spread = raw - raw.mean(axis=0), raw.std(axis=0)
    values = np.zeros((len(letters), len(columns)))
    values[real] = np.divide(centred, spread, out=np.zeros_like(raw), where=spread > 1e-12)
    return values


def names(letters: str) -> tuple[str, ...]:
    """What the columns of `descriptors` are called."""
    facts = _facts(letters)
    return tuple(next(iter(facts.values()))) if facts else ()


def _facts(letters: str) -> dict[str, dict[str, float]]:
    found = set(letters) - {GAP}
    if found in (set(LETTERS["dna"]), set(LETTERS["rna"])):
        return NUCLEOTIDES
    return residues() if found and found <= set(LETTERS["protein"]) else {}


@cache
def residues() -> dict[str, dict[str, float]]:
    """The facts of the 20 amino acids as published, by letter and name."""
    with RESIDUES.open(encoding="utf-8", newline="") as file:
        return {row.pop("letter"): {name: float(cell) for name, cell in row.items()} for row in csv.DictReader(file)}
