"""Changes of single atoms of a molecule, one by one: another element, or none."""

from __future__ import annotations

from rdkit import Chem

from invdesign.domains.molecules.drawing import quiet
from invdesign.domains.molecules.smiles import parse

ELEMENTS = (6, 7, 8, 9, 16, 17)
"""Elements that are tried in the place of an atom: C, N, O, F, S, Cl."""


def atom_changes(design: str) -> list[list[tuple[str, str]]]:
    """Return for each heavy atom the molecules with another element in its place, and the one without it.

    An atom of one neighbour is removed; of two outside rings, the neighbours are joined. What is no molecule is left
    out.

    Example:
        >>> [design for name, design in atom_changes("CCO")[2]]
        ['CCC', 'CCN', 'CCF', 'CCS', 'CCCl', 'CC']
    """
    mol, _ = parse(design)
    if mol is None:
        return []
    table = Chem.GetPeriodicTable()
    changes: list[list[tuple[str, str]]] = []
    with quiet():
        for atom in mol.GetAtoms():
            name = f"{atom.GetSymbol()}{atom.GetIdx() + 1}"
            tried = [
                (f"{name} to {table.GetElementSymbol(number)}", _with_element(mol, atom.GetIdx(), number))
                for number in ELEMENTS
                if number != atom.GetAtomicNum()
            ]
            tried.append((f"{name} removed", _without(mol, atom.GetIdx())))
            changes.append([(text, changed) for text, changed in tried if changed is not None])
    return changes


def _with_element(mol: Chem.Mol, i: int, number: int) -> str | None:
    changed = Chem.RWMol(mol)
    atom = changed.GetAtomWithIdx(i)
    atom.SetAtomicNum(number)
    atom.SetFormalCharge(0)
    atom.SetNumExplicitHs(0)
    atom.SetNoImplicit(False)
    return text_of(changed)


def _without(mol: Chem.Mol, i: int) -> str | None:
    atom = mol.GetAtomWithIdx(i)
    neighbors = [other.GetIdx() for other in atom.GetNeighbors()]
    if len(neighbors) not in (1, 2) or (len(neighbors) == 2 and atom.IsInRing()):
        return None
    changed = Chem.RWMol(mol)
    if len(neighbors) == 2:
        changed.AddBond(*neighbors, Chem.BondType.SINGLE)
    changed.RemoveAtom(i)
    return text_of(changed)


def text_of(mol: Chem.RWMol) -> str | None:
    """Return the SMILES of a changed molecule, None where it is none or has radicals."""
    try:
        Chem.SanitizeMol(mol)
    except (ValueError, RuntimeError):  # RDKit's errors of valence and aromaticity
        return None
    smiles: str = Chem.MolToSmiles(mol)
    again, _ = parse(smiles)
    if again is None or any(atom.GetNumRadicalElectrons() for atom in again.GetAtoms()):
        return None
    return str(Chem.MolToSmiles(again))
