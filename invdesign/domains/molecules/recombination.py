"""Recombination of two molecules: a part of each, joined at bonds that were cut in both.

References:
    Jensen, Chem. Sci. 2019, doi:10.1039/C8SC05372C (crossover at chain and ring bonds).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations
from typing import NamedTuple

from rdkit import Chem

from invdesign.domains.molecules.graph_edits import ORDERS, may_join
from invdesign.domains.molecules.smiles import has_radical, molecule

RING_CUT_PROBABILITY = 0.25
"""Probability that rings are cut instead of chains."""
NEW_RING_SIZES = (5, 6)
"""Sizes of the rings that recombination may form [atoms]."""
Neighbors = Sequence[Sequence[int]]
"""The neighbors of each atom."""


class RingCut(NamedTuple):
    """Two bonds of a ring that are cut, and the side that is kept."""

    first: int
    """Kept atom of the first bond."""
    second: int
    """Kept atom of the second bond."""
    orders: tuple[int, int]
    """Orders of both bonds."""
    n_atoms: int
    """Number of ring atoms on the kept side."""
    lost: tuple[int, int]
    """Atoms of both bonds on the other side."""


@dataclass(frozen=True, eq=False)
class Parent:
    """A Kekulé structure with implicit hydrogens, ready to be edited and cut."""

    mol: Chem.Mol
    """The structure; no edit may change it."""

    @cached_property
    def neighbors(self) -> Neighbors:
        """The neighbors of each atom."""
        return [[other.GetIdx() for other in atom.GetNeighbors()] for atom in self.mol.GetAtoms()]

    @cached_property
    def chain_cuts(self) -> list[tuple[int, int]]:
        """Single bonds outside rings."""
        bonds = [bond for bond in self.mol.GetBonds() if bond.GetBondType() == ORDERS[1] and not bond.IsInRing()]
        return [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in bonds]

    @cached_property
    def ring_cuts(self) -> list[RingCut]:
        """Pairs of bonds that belong to one ring only, each once for either side."""
        rings = self.mol.GetRingInfo()
        cuts = []
        for ring in rings.AtomRings():
            n = len(ring)
            bonds = [self.mol.GetBondBetweenAtoms(ring[i], ring[(i + 1) % n]) for i in range(n)]
            single = [i for i, bond in enumerate(bonds) if rings.NumBondRings(bond.GetIdx()) == 1]
            for i, j in combinations(single, 2):
                orders = (int(bonds[i].GetBondTypeAsDouble()), int(bonds[j].GetBondTypeAsDouble()))
                inner, outer = (ring[i + 1], ring[j]), (ring[i], ring[(j + 1) % n])
                cuts.append(RingCut(*inner, orders, j - i, outer))
                cuts.append(RingCut(*outer, orders, n - j + i, inner))
        return cuts

    @cached_property
    def elements(self) -> Counter[int]:
        """Number of atoms of each element by atomic number."""
        return Counter(atom.GetAtomicNum() for atom in self.mol.GetAtoms())

    @cached_property
    def largest_ring(self) -> int:
        """Number of atoms of the largest ring."""
        return max(map(len, self.mol.GetRingInfo().AtomRings()), default=0)


@lru_cache(maxsize=4096)
def parent(design: str) -> Parent | None:
    """Return a design as a parent; None where it is no molecule, has a radical or several components."""
    mol = molecule(design)
    if mol is None or has_radical(mol) or len(Chem.GetMolFrags(mol)) > 1:
        return None
    n_hydrogens = [atom.GetTotalNumHs() for atom in mol.GetAtoms()]
    Chem.Kekulize(mol, clearAromaticFlags=True)
    for atom in mol.GetAtoms():
        atom.SetNoImplicit(False)
        atom.SetNumExplicitHs(0)
    mol.UpdatePropertyCache(strict=False)
    for atom, n in zip(mol.GetAtoms(), n_hydrogens, strict=True):
        if atom.GetTotalNumHs() != n:
            # A hydride or a metal: the usual valences do not describe it.
            atom.SetNoImplicit(True)
            atom.SetNumExplicitHs(n)
    mol.UpdatePropertyCache(strict=False)
    return Parent(mol)


def recombine(first: Parent, second: Parent, rng: random.Random) -> Chem.RWMol | None:
    """Return a part of one parent joined with a part of another; None where the drawn cuts do not fit."""
    if rng.random() < RING_CUT_PROBABILITY:
        return _recombine_rings(first, second, rng)
    return _recombine_chains(first, second, rng)


def _recombine_chains(first: Parent, second: Parent, rng: random.Random) -> Chem.RWMol | None:
    """Join the ends of a chain bond of each parent."""
    if not first.chain_cuts or not second.chain_cuts:
        return None
    kept, dropped = rng.sample(rng.choice(first.chain_cuts), 2)
    grafted, left = rng.sample(rng.choice(second.chain_cuts), 2)
    if not may_join(first.mol.GetAtomWithIdx(kept), second.mol.GetAtomWithIdx(grafted), rng):
        return None
    return _join(
        first,
        second,
        (_reach(first.neighbors, dropped, {(dropped, kept)}), _reach(second.neighbors, left, {(left, grafted)})),
        [(kept, grafted, 1)],
    )


def _recombine_rings(first: Parent, second: Parent, rng: random.Random) -> Chem.RWMol | None:
    """Join the arcs of a ring of each parent into a new ring."""
    if not first.ring_cuts or not second.ring_cuts:
        return None
    own = rng.choice(first.ring_cuts)
    fitting = [
        cut for cut in second.ring_cuts if cut.orders == own.orders and cut.n_atoms + own.n_atoms in NEW_RING_SIZES
    ]
    if not fitting:
        return None
    other = rng.choice(fitting)
    joints = [(own.first, other.first, own.orders[0]), (own.second, other.second, own.orders[1])]
    for i, j, _ in joints:
        if not may_join(first.mol.GetAtomWithIdx(i), second.mol.GetAtomWithIdx(j), rng):
            return None
    dropped = []
    for part, cut in ((first, own), (second, other)):
        blocked = {(cut.lost[0], cut.first), (cut.lost[1], cut.second)}
        lost = _reach(part.neighbors, cut.lost[0], blocked)
        if cut.first in lost:
            return None  # A bridge joins both sides.
        dropped.append(lost)
    return _join(first, second, (dropped[0], dropped[1]), joints)


def _reach(neighbors: Neighbors, start: int, blocked: set[tuple[int, int]]) -> set[int]:
    """Return the atoms that can be reached, blocked steps aside."""
    found, rest = {start}, [start]
    while rest:
        atom = rest.pop()
        for other in neighbors[atom]:
            if other not in found and (atom, other) not in blocked:
                found.add(other)
                rest.append(other)
    return found


def _join(
    first: Parent, second: Parent, dropped: tuple[set[int], set[int]], joints: Sequence[tuple[int, int, int]]
) -> Chem.RWMol:
    """Return what is left of two molecules without the dropped atoms, joined by bonds `(atom, atom, order)`."""
    offset = first.mol.GetNumAtoms()
    joined = Chem.RWMol(first.mol)
    joined.InsertMol(second.mol)
    for i, j, order in joints:
        joined.AddBond(i, j + offset, ORDERS[order])
    joined.BeginBatchEdit()
    for index in (*dropped[0], *(i + offset for i in dropped[1])):
        joined.RemoveAtom(index)
    joined.CommitBatchEdit()
    return joined
