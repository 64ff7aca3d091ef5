"""Mutations of molecules: other substituents on a scaffold that is kept."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from rdkit import Chem

from invdesign.domains.molecules.grammar import ENDS, TAKES
from invdesign.domains.molecules.similarity import pattern
from invdesign.domains.molecules.smiles import canonical, molecule

CONTINUE_PROBABILITY = 0.4
"""Probability of each further edit, up to the radius."""


def decorate(parents: Sequence[str], n: int, *, radius: int, scaffold: str | None = None) -> list[str]:
    """Return molecules with other substituents than a parent, its scaffold unchanged.

    An edit adds a substituent in the place of a hydrogen, removes one, or replaces one by another of the built-in
    fragments, at atoms where the grammar of the built-in corpus allows it.

    Args:
        parents: Parents, the best first. One without the scaffold is not mutated.
        n: Number of molecules to return; fewer where no parent has the scaffold.
        radius: Largest number of edits.
        scaffold: SMARTS or SMILES of the part to keep; None keeps the rings of the parent and what joins them.

    Raises:
        InvdesignError: The scaffold is no SMARTS.

    Example:
        >>> children = decorate(["Cc1ccccc1"], 20, radius=2, scaffold="c1ccccc1")
        >>> all(molecule(child).HasSubstructMatch(pattern("c1ccccc1")) for child in children)
        True
    """
    core = None if scaffold is None else pattern(scaffold)
    rng = random.Random(int(torch.randint(2**62, ())))
    usable = [mol for mol in map(molecule, parents) if mol is not None and _locked(mol, core)]
    if not usable:
        return []
    weights = [1 / (1 + rank) ** 0.5 for rank in range(len(usable))]
    children = []
    for mol in rng.choices(usable, weights, k=n):
        child = _edit(mol, core, rng) or mol
        n_left = radius - 1
        while n_left > 0 and rng.random() < CONTINUE_PROBABILITY:
            child = _edit(child, core, rng) or child
            n_left -= 1
        children.append(Chem.MolToSmiles(child))
    return children


def distance(first: str, second: str) -> float:
    """Return a lower bound of the number of edits between two molecules: 0 for one molecule, else 1."""
    return float(canonical(first) != canonical(second))


def _locked(mol: Chem.Mol, core: Chem.Mol | None) -> set[int]:
    """Return the atoms of the scaffold; none where the molecule does not have it."""
    if core is not None:
        return set(mol.GetSubstructMatch(core))
    return {atom.GetIdx() for atom in mol.GetAtoms() if atom.IsInRing()} or {0}


def _edit(mol: Chem.Mol, core: Chem.Mol | None, rng: random.Random) -> Chem.Mol | None:
    """Return the molecule after one edit; None where the result is no molecule or lost the scaffold."""
    locked = _locked(mol, core)
    sites = [(atom.GetIdx(), kind) for atom in mol.GetAtoms() if (kind := _kind(atom))]
    cuts = _cuts(mol, locked)
    choice = rng.random()
    if cuts and choice < 0.6:
        anchor, removed = rng.choice(cuts)
        kind = _kind(mol.GetAtomWithIdx(anchor), has_freed_bond=True)
        unit = _draw_unit(kind, rng) if kind and choice < 0.4 else None
        edited = _replace(mol, anchor, removed, unit)
    elif sites:
        anchor, kind = rng.choice(sites)
        edited = _replace(mol, anchor, set(), _draw_unit(kind, rng))
    else:
        return None
    if edited is None or (core is not None and not edited.HasSubstructMatch(core)):
        return None
    return edited


def _kind(atom: Chem.Atom, *, has_freed_bond: bool = False) -> str:
    """Return the kind of an attachment point (see `grammar.TAKES`); empty where nothing may be attached."""
    if atom.GetFormalCharge() or not (atom.GetTotalNumHs() or has_freed_bond):
        return ""
    symbol = atom.GetSymbol()
    if symbol == "C":
        if atom.GetIsAromatic():
            return "a"
        if atom.GetHybridization() == Chem.HybridizationType.SP3:
            return "b" if any(other.GetAtomicNum() != 6 for other in atom.GetNeighbors()) else "c"
        return ""
    return "n" if symbol in ("N", "O") else ""


def _cuts(mol: Chem.Mol, locked: set[int]) -> list[tuple[int, set[int]]]:
    """Return the substituents: the atom that keeps each, and the atoms that a cut there removes."""
    cuts = []
    for bond in mol.GetBonds():
        if bond.IsInRing() or bond.GetBondType() != Chem.BondType.SINGLE:
            continue
        ends = (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
        for anchor, first in (ends, ends[::-1]):
            removed = _side(mol, anchor, first)
            if not removed & locked:
                cuts.append((anchor, removed))
    return cuts


def _side(mol: Chem.Mol, anchor: int, first: int) -> set[int]:
    """Return the atoms that are joined to `first` other than through `anchor`."""
    found, rest = {first}, [first]
    while rest:
        for other in mol.GetAtomWithIdx(rest.pop()).GetNeighbors():
            index = other.GetIdx()
            if index != anchor and index not in found:
                found.add(index)
                rest.append(index)
    return found


def _draw_unit(kind: str, rng: random.Random) -> str:
    """Return a substituent that the grammar allows at an attachment point."""
    units = {unit: weight for entry in TAKES[kind] for unit, weight in ENDS[entry].items()}
    return rng.choices(list(units), list(units.values()))[0]


def _replace(mol: Chem.Mol, anchor: int, removed: set[int], unit: str | None) -> Chem.Mol | None:
    """Return a molecule without some atoms and with a unit at the anchor; None where it cannot be sanitized."""
    edited = Chem.RWMol(mol)
    atom = edited.GetAtomWithIdx(anchor)
    if removed and atom.GetNoImplicit():
        atom.SetNumExplicitHs(atom.GetNumExplicitHs() + 1)
    if unit is not None:
        if atom.GetNumExplicitHs():
            atom.SetNumExplicitHs(atom.GetNumExplicitHs() - 1)
        edited.InsertMol(Chem.MolFromSmiles(unit))
        edited.AddBond(anchor, mol.GetNumAtoms(), Chem.BondType.SINGLE)
    for index in sorted(removed, reverse=True):
        edited.RemoveAtom(index)
    return molecule(Chem.MolToSmiles(edited))
