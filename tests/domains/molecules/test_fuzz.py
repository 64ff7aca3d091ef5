"""Malformed files end in a reason within 2 s and 1 GB: no crash, hang, traceback, or molecule that cannot be."""

import os
from functools import partial
from pathlib import Path

import fuzzing
import pytest
from rdkit import Chem

from invdesign.domains.molecules.corpus import table
from invdesign.domains.molecules.files import read
from invdesign.domains.molecules.smiles import canonical, molecule

SMILES = "CC(=O)Oc1ccccc1C(=O)O aspirin\nC[C@H](N)C(=O)O alanine\nOC/C=C/c1ccccc1 other\n[Na+].CC(=O)[O-] salt\n"
SDF = Chem.MolToMolBlock(Chem.MolFromSmiles("C[C@H](N)C(=O)O")) + "> <y>\n3.5\n\n$$$$\n"
FILES = {
    ".smi": [SMILES],
    ".csv": [
        "id,smiles,IC50 (nM)\na,CCO,5.0\nb,c1ccccc1O,>50\nc,CC(=O)N,5 ± 0.4\n",
        "smiles;y\nCCO;1,5\nCCN;2,5\n",
        'name,SMILES,y\n"a, b",C[C@H](F)Cl |o1:1|,1e3\nc,CCO,n.d.\n',
    ],
    ".sdf": [SDF * 2, Chem.MolToV3KMolBlock(Chem.MolFromSmiles("C[C@H](N)C(=O)O")) + "$$$$\n"],
}
WORDS = (
    *fuzzing.WORDS, "[999U]", "[CH9]", "C1CC1" * 300, "[C+9]", "c1cccc1", "*", "[*:1]", "[2000C]", "[C]", "[C-][C+]",
    "%99", "C%(100)CC%(100)", "|o1:1|", "M  END", "V3000", "999 999", "> <y>", "[Pt]", "F(F)(F)F", "N#N#N", "C" * 3000,
    "[H][H]",
)  # fmt: skip


def fault_of(path: Path) -> str:
    """Return what is wrong with the molecules of a file; an empty string where nothing is."""
    load = partial(table, properties={"y": "y"}) if path.suffix == ".csv" and int(path.stem) % 2 else read
    for design in load(path).designs:
        mol = molecule(design)
        if mol is None or canonical(design) != design:
            return f"accepted {design}"[:300]
        if any(atom.GetNumRadicalElectrons() > 2 or atom.GetIsotope() > 300 for atom in mol.GetAtoms()):
            return f"accepted {design}"[:300]
    return ""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs child processes of POSIX")
def test_malformed_files_are_refused_with_a_reason_in_time(tmp_path: Path) -> None:
    (tmp_path / "warm.smi").write_text(SMILES)
    read(tmp_path / "warm.smi")
    faults = fuzzing.find_faults(tmp_path, FILES, fault_of, words=WORDS)
    assert not faults, "\n".join(faults)
