"""Mutations of molecules: edits of the graph, and recombination of two parents.

References:
    Jensen, Chem. Sci. 2019, doi:10.1039/C8SC05372C (graph-based genetic algorithm);
    Tripp and Hernandez-Lobato, 2023, arXiv:2310.09267 (genetic algorithms as a baseline).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import torch
from rdkit import Chem, rdBase

from invdesign.domains.molecules.graph_edits import (
    ORDERS,
    Edit,
    add_atom,
    change_bond_order,
    change_element,
    close_ring,
    delete_atom,
    element_frequencies,
    insert_atom,
    move_substituent,
    open_ring,
    resize_conjugated_ring,
    toggle_aromaticity,
)
from invdesign.domains.molecules.recombination import Parent, parent, recombine
from invdesign.domains.molecules.similarity import pattern

EDITS_WITH_ELEMENTS = {add_atom: 3, change_element: 3}
"""Relative frequency of each edit that draws an element."""
EDITS: dict[Edit, float] = {
    delete_atom: 3,
    insert_atom: 2,
    move_substituent: 2,
    change_bond_order: 1,
    close_ring: 1,
    open_ring: 1,
    toggle_aromaticity: 0.5,
    resize_conjugated_ring: 0.5,
}
"""Relative frequency of each other edit."""
CONTINUE_PROBABILITY = 0.4
"""Probability of each further edit, up to the radius."""
UNSOUND = (
    "[C,N;+0](=*)=*",
    "[#16,#15;v4,v5,v6;!H0]",
    "*#@*",
    "[r3,r4]=,:@[r3,r4]",
    "[#5,#14,#15v3]=,:*",
)
"""SMARTS of groups that are refused: cumulated double bonds, hydrogen on sulfur and phosphorus of a high
valence, strained multiple bonds, and double bonds of boron, silicon and phosphorus of valence 3."""
EDIT_TRIES = 6
"""Edits that are drawn until one is possible."""
PLACE_TRIES = 5
"""Places in the molecule that are drawn for an edit."""
CHILD_TRIES = 30
"""Attempts at a new molecule before a known one is returned."""
MAX_RING = 6
"""Largest new ring [atoms]; a child may have a larger one where a parent has it."""


@dataclass(frozen=True)
class _Variation:
    """How children are made."""

    edits: Mapping[Edit, float]
    radius: int
    crossover_rate: float
    rng: random.Random


def mutate(parents: Sequence[str], n: int, *, radius: int, crossover_rate: float = 0.4) -> list[str]:
    """Return children of molecules.

    The parent of rank r (from 0) is drawn with a weight of 1 / sqrt(1 + r). At the given rate a child combines a part
    of it with a part of another parent, which counts as one edit although it can change many atoms. Otherwise, and in
    half of these cases, atoms, bonds or rings are edited; the number of edits is geometrically distributed and at most
    `radius`. Valences are kept, and children with strained rings, cumulated double bonds, or rings that are larger than
    6 atoms and than those of the parents are not returned. New atoms are those of drug-like molecules, more
    often those of the parents, and rarely phosphorus, boron, silicon and iodine.

    Args:
        parents: SMILES, best first. Those with radicals or several components are not mutated.
        n: Number of molecules to return; none where no parent can be mutated.
        radius: Maximum number of edits.
        crossover_rate: Fraction that is recombined.

    Returns:
        `n` canonical SMILES, distinct and no parents where the parents have enough children.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> len(set(mutate(["CCOc1ccccc1", "CC(=O)Nc1ccccc1"], 50, radius=2)))
        50
    """
    rng = random.Random(int(torch.randint(2**62, ())))
    usable = [item for item in map(parent, parents) if item is not None]
    if not usable:
        return []
    elements = element_frequencies(sum((item.elements for item in usable), Counter()))
    edits: dict[Edit, float] = {partial(edit, elements=elements): n for edit, n in EDITS_WITH_ELEMENTS.items()}
    variation = _Variation({**edits, **EDITS}, radius, crossover_rate, rng)
    weights = [1 / (1 + rank) ** 0.5 for rank in range(len(usable))]
    seen = set(parents)
    children: list[str] = []
    with rdBase.BlockLogs():
        while len(children) < n:
            child = _new_child(usable, weights, seen, variation)
            children.append(child)
            seen.add(child)
    return children


def _new_child(parents: Sequence[Parent], weights: Sequence[float], seen: set[str], variation: _Variation) -> str:
    """Return a child that was not seen; a seen one, or a parent, where the attempts find none."""
    rng, found = variation.rng, ""
    for _ in range(CHILD_TRIES):
        first = rng.choices(parents, weights)[0]
        second = rng.choices(parents, weights)[0] if rng.random() < variation.crossover_rate else None
        made = _make(first, second, variation)
        max_ring = max(MAX_RING, first.largest_ring, second.largest_ring if second else 0)
        child = _finish(made, max_ring) if made else None
        if child is not None and child not in seen:
            return child
        found = child or found
    return found or rng.choice(sorted(seen))


def _make(first: Parent, second: Parent | None, variation: _Variation) -> Chem.RWMol | None:
    """Return a parent after its edits, not sanitized; None where an edit did not work."""
    n_left, rng = variation.radius, variation.rng
    if second is None:
        child = Chem.RWMol(first.mol)
    else:
        combined = recombine(first, second, rng)
        if combined is None or n_left == 1 or rng.random() < 0.5:
            return combined
        child, n_left = combined, n_left - 1
    is_first = True
    while n_left > 0 and (is_first or rng.random() < CONTINUE_PROBABILITY):
        edited = _edit(child, variation)
        if edited is None:
            return None
        child, n_left, is_first = edited, n_left - 1, False
    return child


def _edit(mol: Chem.RWMol, variation: _Variation) -> Chem.RWMol | None:
    """Return the molecule after one edit; None where no place for the drawn edits was found."""
    mol.UpdatePropertyCache(strict=False)
    Chem.GetSSSR(mol)
    edits, rng = variation.edits, variation.rng
    for edit in rng.choices(list(edits), list(edits.values()), k=EDIT_TRIES):
        for _ in range(PLACE_TRIES):
            edited = Chem.RWMol(mol)
            if edit(edited, rng):
                return edited
    return None


def _finish(mol: Chem.RWMol, max_ring: int) -> str | None:
    """Return the canonical SMILES of a Kekulé structure; None where it is no sound molecule."""
    if Chem.SanitizeMol(mol, catchErrors=True) != Chem.SANITIZE_NONE:
        return None
    if not _has_sound_rings(mol, max_ring) or any(mol.HasSubstructMatch(pattern(smarts)) for smarts in UNSOUND):
        return None
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    smiles: str = Chem.MolToSmiles(mol)
    return smiles


def _has_sound_rings(mol: Chem.RWMol, max_ring: int) -> bool:
    """Return whether no ring is too large or strained by a multiple bond or by the ring beside it."""
    atom_rings = mol.GetRingInfo().AtomRings()
    if any(len(ring) > max_ring for ring in atom_rings):
        return False
    for first, second in combinations(map(set, atom_rings), 2):
        shared = first & second
        if len(shared) > 1 and (len(first) < 5 and len(second) < 5):
            return False
        if len(shared) > 2 and any(_is_bridgehead(mol.GetAtomWithIdx(i), first | second) for i in shared):
            return False
    return True


def _is_bridgehead(atom: Chem.Atom, system: set[int]) -> bool:
    """Return whether an unsaturated atom has three neighbors in a bridged ring system (Bredt's rule)."""
    n_inside = sum(other.GetIdx() in system for other in atom.GetNeighbors())
    return n_inside > 2 and any(bond.GetBondType() != ORDERS[1] for bond in atom.GetBonds())
