"""Edits of one molecule: atoms, bonds and rings that appear, change, move or go.

Edits work on Kekulé structures whose hydrogens are implicit (see `recombination.Parent`), so that RDKit fills the open
valences and no radical arises. Each returns False where the drawn place does not allow it; the molecule may then be
changed in part and is to be discarded.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from rdkit import Chem

Edit = Callable[[Chem.RWMol, random.Random], bool]
"""Function that changes a molecule in place and returns whether it did."""

ORDERS = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}
"""Bond type of each order."""
VALENCES = {5: 3, 6: 4, 7: 3, 8: 2, 9: 1, 14: 4, 15: 3, 16: 2, 17: 1, 35: 1, 53: 1}
"""Smallest usual valence of each element by atomic number; an atom in this state may be edited."""
ELEMENTS = {6: 10, 7: 4, 8: 4, 9: 2, 16: 1, 17: 1.5, 35: 0.3, 5: 0.1, 14: 0.1, 15: 0.1, 53: 0.1}
"""Relative frequency of each element among new atoms by atomic number, the least one for molecules with other elements.
Up to a factor these are the square roots of the frequencies in drug-like molecules. Children with an element that the
corpus lacks cannot be encoded and are dropped."""
FREQUENCY_SCALE = 11.7
"""Relative frequency among new atoms of an element that all atoms of the parents are."""
HALOGENS = frozenset((9, 17, 35, 53))
"""Atomic numbers of the halogens."""
RING_SIZES = {3: 1, 4: 0.3, 5: 4, 6: 6}
"""Relative frequency of each size among new rings [atoms]."""
HETERO_BOND_PROBABILITY = 0.3
"""Probability with which a new bond between nitrogen and another heteroatom is accepted."""
DOUBLE_BOND_PROBABILITY = 0.2
"""Probability that a new atom is attached by a double bond where the valences allow one."""


def element_frequencies(counts: Mapping[int, int]) -> dict[int, float]:
    """Return the relative frequency of each element among new atoms: that of `ELEMENTS`, or more where parents have it.

    Args:
        counts: Number of atoms of each element in the parents, by atomic number.
    """
    total = max(1, sum(counts.values()))
    return {
        element: max(least, FREQUENCY_SCALE * (counts.get(element, 0) / total) ** 0.5)
        for element, least in ELEMENTS.items()
    }


def add_atom(mol: Chem.RWMol, rng: random.Random, *, elements: Mapping[int, float]) -> bool:
    """Attach a new atom in the place of hydrogens."""
    atom = _draw_atom(mol, rng)
    n_free = atom.GetTotalNumHs()
    if not n_free or not is_plain(atom):
        return False
    element = _draw(elements, rng)
    allows_double = n_free > 1 and element in (6, 7, 8) and not _has_double_bond(atom)
    order = 2 if allows_double and rng.random() < DOUBLE_BOND_PROBABILITY else 1
    new = mol.AddAtom(Chem.Atom(element))
    mol.AddBond(atom.GetIdx(), new, ORDERS[order])
    return may_join(mol.GetAtomWithIdx(new), mol.GetAtomWithIdx(atom.GetIdx()), rng)


def insert_atom(mol: Chem.RWMol, rng: random.Random) -> bool:
    """Insert an atom into a single bond."""
    bond = _draw_bond(mol, rng)
    if bond is None or bond.GetBondType() != ORDERS[1]:
        return False
    begin, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
    if bond.IsInRing() and any(begin in ring and end in ring for ring in conjugated_rings(mol)):
        return False
    element = _draw({6: 6, 7: 3, 8: 3, 16: 1}, rng)
    new = mol.AddAtom(Chem.Atom(element))
    mol.RemoveBond(begin, end)
    mol.AddBond(begin, new, ORDERS[1])
    mol.AddBond(new, end, ORDERS[1])
    inserted = mol.GetAtomWithIdx(new)
    return all(may_join(inserted, mol.GetAtomWithIdx(i), rng) for i in (begin, end))


def delete_atom(mol: Chem.RWMol, rng: random.Random) -> bool:
    """Remove an atom of one or two neighbors; two are joined by a single bond."""
    atom = _draw_atom(mol, rng)
    neighbors = atom.GetNeighbors()
    if not 1 <= len(neighbors) <= 2 or not all(is_plain(other) for other in neighbors):
        return False
    indices = [other.GetIdx() for other in neighbors]
    if len(indices) == 2:
        if atom.IsInRing() and any(atom.GetIdx() in ring for ring in conjugated_rings(mol)):
            return False
        if mol.GetBondBetweenAtoms(*indices) is not None or not may_join(neighbors[0], neighbors[1], rng):
            return False
        mol.AddBond(*indices, ORDERS[1])
    mol.RemoveAtom(atom.GetIdx())
    return True


def change_element(mol: Chem.RWMol, rng: random.Random, *, elements: Mapping[int, float]) -> bool:
    """Replace an atom by one of another element whose valence suffices."""
    atom = _draw_atom(mol, rng)
    if not is_plain(atom):
        return False
    n_used = VALENCES[atom.GetAtomicNum()] - atom.GetTotalNumHs()
    allowed = {
        element: weight
        for element, weight in elements.items()
        if VALENCES[element] >= n_used and element != atom.GetAtomicNum()
    }
    if not allowed:
        return False
    atom.SetAtomicNum(_draw(allowed, rng))
    return all(may_join(atom, other, rng) for other in atom.GetNeighbors())


def change_bond_order(mol: Chem.RWMol, rng: random.Random) -> bool:
    """Raise or lower the order of a bond by one."""
    bond = _draw_bond(mol, rng)
    if bond is None:
        return False
    ends = (bond.GetBeginAtom(), bond.GetEndAtom())
    order = int(bond.GetBondTypeAsDouble())
    if not all(map(is_plain, ends)):
        return False
    if rng.random() < 0.5:
        indices = {end.GetIdx() for end in ends}
        _set_order(bond, max(1, order - 1))
        return order > 1 and not any(indices <= set(ring) for ring in conjugated_rings(mol, n_double=1))
    if order == 3 or not all(end.GetTotalNumHs() for end in ends):
        return False
    _set_order(bond, order + 1)
    return True


def close_ring(mol: Chem.RWMol, rng: random.Random) -> bool:
    """Join two atoms of a chain into a ring of 3 to 6 atoms."""
    first = _draw_atom(mol, rng)
    size = _draw(RING_SIZES, rng)
    if not first.GetTotalNumHs() or not is_plain(first):
        return False
    ends = [mol.GetAtomWithIdx(i) for i in _at_distance(first, size - 1)]
    ends = [end for end in ends if end.GetTotalNumHs() and is_plain(end)]
    if not ends:
        return False
    second = rng.choice(ends)
    mol.AddBond(first.GetIdx(), second.GetIdx(), ORDERS[1])
    return may_join(first, second, rng)


def open_ring(mol: Chem.RWMol, rng: random.Random) -> bool:
    """Remove a single bond of a ring."""
    rings = mol.GetRingInfo()
    if not rings.NumRings():
        return False
    position = rng.randrange(rings.NumRings())
    bond = mol.GetBondWithIdx(rng.choice(rings.BondRings()[position]))
    if _is_conjugated(mol, rings.BondRings()[position], n_double=2):
        return False
    if bond.GetBondType() != ORDERS[1] or not (is_plain(bond.GetBeginAtom()) and is_plain(bond.GetEndAtom())):
        return False
    mol.RemoveBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
    return True


def toggle_aromaticity(mol: Chem.RWMol, rng: random.Random) -> bool:
    """Make an aromatic ring saturated, or the other way about."""
    rings = [ring for ring in mol.GetRingInfo().AtomRings() if len(ring) in (5, 6)]
    if not rings:
        return False
    ring = rng.choice(rings)
    n = len(ring)
    bonds = [mol.GetBondBetweenAtoms(ring[i], ring[(i + 1) % n]) for i in range(n)]
    n_double: int = sum(bond.GetBondType() == ORDERS[2] for bond in bonds)
    if n_double:
        # A bond that is shared with a fused ring may be one of its double bonds.
        for bond in bonds:
            if mol.GetRingInfo().NumBondRings(bond.GetIdx()) == 1:
                _set_order(bond, 1)
        return n_double > 1
    start = rng.randrange(n)
    for i in range(start, start + n - 1, 2)[: n // 2]:
        bond = bonds[i % n]
        if not all(end.GetTotalNumHs() and is_plain(end) for end in (bond.GetBeginAtom(), bond.GetEndAtom())):
            return False
        _set_order(bond, 2)
    pivot: int = mol.GetAtomWithIdx(ring[(start - 1) % n]).GetAtomicNum()
    return n == 6 or pivot in (7, 8, 16)


def resize_conjugated_ring(mol: Chem.RWMol, rng: random.Random) -> bool:
    """Replace a double bond of a six-membered aromatic ring by a heteroatom, or the other way about."""
    rings = conjugated_rings(mol)
    if not rings:
        return False
    ring = rng.choice(rings)
    return _contract(mol, ring, rng) if len(ring) == 6 else _expand(mol, ring, rng)


def move_substituent(mol: Chem.RWMol, rng: random.Random) -> bool:
    """Move a substituent to another atom of the molecule that has a hydrogen."""
    bond = _draw_bond(mol, rng)
    if bond is None or bond.GetBondType() != ORDERS[1] or bond.IsInRing():
        return False
    anchor, first = bond.GetBeginAtom(), bond.GetEndAtom()
    if rng.random() < 0.5:
        anchor, first = first, anchor
    moved = _side(anchor, first)
    # The smaller part moves: the larger one would, relative to it, do the same.
    if 2 * len(moved) > mol.GetNumAtoms() or not is_plain(anchor):
        return False
    target = _draw_atom(mol, rng)
    if target.GetIdx() in moved or target.GetIdx() == anchor.GetIdx():
        return False
    if not target.GetTotalNumHs() or not is_plain(target) or not may_join(target, first, rng):
        return False
    mol.RemoveBond(anchor.GetIdx(), first.GetIdx())
    mol.AddBond(target.GetIdx(), first.GetIdx(), ORDERS[1])
    return True


def is_plain(atom: Chem.Atom) -> bool:
    """Return whether an atom is neutral and in the smallest usual valence of its element."""
    valence = VALENCES.get(atom.GetAtomicNum())
    return valence is not None and not atom.GetFormalCharge() and atom.GetTotalValence() == valence


def may_join(first: Chem.Atom, second: Chem.Atom, rng: random.Random) -> bool:
    """Return whether two atoms may be joined by a new bond; at random for nitrogen beside another heteroatom."""
    elements = {first.GetAtomicNum(), second.GetAtomicNum()}
    if elements & HALOGENS:
        return 6 in elements
    if not (_is_hetero(first) and _is_hetero(second)):
        return True
    if elements == {8, 15}:
        return True
    if 7 not in elements:
        return False
    return rng.random() < HETERO_BOND_PROBABILITY


def conjugated_rings(mol: Chem.RWMol, *, n_double: int = 2) -> list[tuple[int, ...]]:
    """Return the rings of 5 and 6 atoms with at least two double bonds, most of which are aromatic."""
    rings = mol.GetRingInfo()
    return [
        atoms
        for atoms, bonds in zip(rings.AtomRings(), rings.BondRings(), strict=True)
        if _is_conjugated(mol, bonds, n_double=n_double)
    ]


def _is_conjugated(mol: Chem.RWMol, bonds: Sequence[int], *, n_double: int) -> bool:
    """Return whether a ring has 5 or 6 atoms and enough double bonds."""
    return len(bonds) in (5, 6) and sum(mol.GetBondWithIdx(i).GetBondType() == ORDERS[2] for i in bonds) >= n_double


def _contract(mol: Chem.RWMol, ring: tuple[int, ...], rng: random.Random) -> bool:
    """Remove an atom of a ring; the other end of its double bond becomes a heteroatom."""
    position = rng.randrange(6)
    removed, before, after = (mol.GetAtomWithIdx(ring[(position + k) % 6]) for k in (0, -1, 1))
    if mol.GetBondBetweenAtoms(removed.GetIdx(), before.GetIdx()).GetBondType() != ORDERS[2]:
        before, after = after, before
    double = mol.GetBondBetweenAtoms(removed.GetIdx(), before.GetIdx())
    if double.GetBondType() != ORDERS[2] or removed.GetDegree() != 2 or not is_plain(before):
        return False
    element = _draw({7: 2, 8: 1, 16: 1}, rng) if before.GetDegree() == 2 else 7
    mol.AddBond(before.GetIdx(), after.GetIdx(), ORDERS[1])
    before.SetAtomicNum(element)
    mol.RemoveAtom(removed.GetIdx())
    return True


def _expand(mol: Chem.RWMol, ring: tuple[int, ...], rng: random.Random) -> bool:
    """Replace the heteroatom of a ring of five by two carbon atoms with a double bond."""
    pivots = [
        k
        for k in range(5)
        if not _has_double_bond(mol.GetAtomWithIdx(ring[k])) and is_plain(mol.GetAtomWithIdx(ring[k]))
    ]
    if not pivots:
        return False
    k = rng.choice(pivots)
    pivot, beside = mol.GetAtomWithIdx(ring[k]), ring[(k + 1) % 5]
    pivot.SetAtomicNum(6)
    new = mol.AddAtom(Chem.Atom(6))
    mol.RemoveBond(ring[k], beside)
    mol.AddBond(ring[k], new, ORDERS[2])
    mol.AddBond(new, beside, ORDERS[1])
    return True


def _is_hetero(atom: Chem.Atom) -> bool:
    """Return whether an atom is a heteroatom; sulfur and phosphorus of a high valence count as an acyl carbon."""
    element: int = atom.GetAtomicNum()
    if element in (15, 16):
        return not any(bond.GetBondType() == ORDERS[2] for bond in atom.GetBonds())
    return element != 6


def _set_order(bond: Chem.Bond, order: int) -> None:
    """Change the order of a bond; its stereochemistry is left open."""
    bond.SetBondType(ORDERS[order])
    bond.SetStereo(Chem.BondStereo.STEREONONE)


def _has_double_bond(atom: Chem.Atom) -> bool:
    return any(bond.GetBondType() != ORDERS[1] for bond in atom.GetBonds())


def _draw_atom(mol: Chem.RWMol, rng: random.Random) -> Chem.Atom:
    return mol.GetAtomWithIdx(rng.randrange(mol.GetNumAtoms()))


def _draw_bond(mol: Chem.RWMol, rng: random.Random) -> Chem.Bond | None:
    n = mol.GetNumBonds()
    return mol.GetBondWithIdx(rng.randrange(n)) if n else None


def _draw(weights: Mapping[int, float], rng: random.Random) -> int:
    return rng.choices(list(weights), list(weights.values()))[0]


def _at_distance(start: Chem.Atom, n_bonds: int) -> list[int]:
    """Return the atoms at a distance in bonds."""
    seen, shell = {start.GetIdx()}, [start]
    for _ in range(n_bonds):
        shell = [other for atom in shell for other in atom.GetNeighbors() if other.GetIdx() not in seen]
        seen.update(other.GetIdx() for other in shell)
    return sorted({atom.GetIdx() for atom in shell})


def _side(anchor: Chem.Atom, first: Chem.Atom) -> set[int]:
    """Return the atoms that are joined to `first` other than through `anchor`."""
    found, rest = {first.GetIdx()}, [first]
    while rest:
        for other in rest.pop().GetNeighbors():
            index = other.GetIdx()
            if index != anchor.GetIdx() and index not in found:
                found.add(index)
                rest.append(other)
    return found
