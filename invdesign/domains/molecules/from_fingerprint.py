"""Molecules from Morgan count fingerprints: assembly of atoms whose environments the fingerprint counts.

A count fingerprint of radius 3 lists the environments of every atom: of itself, and of 1, 2 and 3 bonds. A molecule is
assembled atom by atom; an atom's neighbours are fixed at once, from those that atoms have in real molecules, and every
environment that is complete must be one that the fingerprint still counts. A wrong choice so fails after a few atoms.

References:
    Rogers and Hahn, J. Chem. Inf. Model. 2010, doi:10.1021/ci100050t; Le et al., Neuraldecipher, Chem. Sci. 2020,
    doi:10.1039/D0SC03115A (the same task with a network).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdFingerprintGenerator

from invdesign.core import Array
from invdesign.domains.molecules.environments import EnvironmentTable, next_identifier

MAX_STEPS = 20_000
"""Atoms that are completed before a search is given up."""
MAX_STEPS_OF_START = 4_000
"""The same for one choice of the first atom."""
MAX_DEBTS = 4
"""Environments at a time that are taken for repetitions of ones to come."""
MAX_TILES = 20_000
"""Combinations of neighbours that are compared with the fingerprint; with more an environment is kept as it is."""


@dataclass(frozen=True, eq=False)
class FingerprintDecoder:
    """Finds molecules that have a given Morgan count fingerprint."""

    table: EnvironmentTable
    """Atoms and neighbours to assemble."""
    radius: int = 3
    """Radius of the fingerprints [bonds]; 2 or 3."""
    n_bits: int = 2048
    """Length of the fingerprints."""
    max_steps: int = MAX_STEPS
    """Atoms that are completed before a search is given up."""

    @cached_property
    def bins(self) -> dict[int, list[int]]:
        """Environments of radius 1 by bin."""
        return self.table.by_bin(self.n_bits)

    def decode(self, fingerprint: Array) -> str | None:
        """Return the canonical SMILES of a molecule with exactly this fingerprint; None where none is found.

        Args:
            fingerprint: Counts, `n_bits`.
        """
        counts = {int(i): round(float(fingerprint[i])) for i in np.flatnonzero(fingerprint)}
        if not counts or min(counts.values()) < 0:
            return None
        search = _Assembly(self, counts, fingerprint)
        return search.run()


@dataclass(eq=False)
class _Assembly:
    """State of a search: a molecule in parts, and the environments that are left to be explained."""

    decoder: FingerprintDecoder
    left: dict[int, int]
    """Counts of the bins that no environment explains yet."""
    wanted: Array
    """The fingerprint."""
    steps: int = 0
    """Atoms completed so far, dead ends included."""
    limit: int = 0
    """Steps at which the present start is given up."""
    kinds: list[int] = field(default_factory=list)
    """Type of each atom."""
    bonds: list[list[tuple[int, int]]] = field(default_factory=list)
    """Neighbour and bond type of each bond of each atom."""
    masks: list[list[int]] = field(default_factory=list)
    """Bonds (as bits) within each radius of each atom, as far as they are known; entry 0 is that of radius 1."""
    identifiers: list[list[int]] = field(default_factory=list)
    """Morgan identifiers of each atom, by radius, as far as they are known."""
    is_dead: list[bool] = field(default_factory=list)
    """Whether a larger environment of an atom repeats another one, so that the fingerprint leaves it out."""
    debts: list[int] = field(default_factory=list)
    """Atoms with an environment that the fingerprint does not count, so that an atom to come must have the same bonds
    within the same radius, and be counted for both."""
    candidates: dict[int, list[int]] = field(default_factory=dict)
    """Environments that may occur, by type of the atom."""
    n_bonds: int = 0
    """Bonds so far."""
    changes: list[tuple[str, int]] = field(default_factory=list)
    """What to take back: a bin that was used, or an atom whose last identifier or death was new."""

    def run(self) -> str | None:
        """Return the molecule that is found first."""
        for needs_tiles in (True, False):
            # Without tiles for molecules so small that an environment of radius 2 is left out as a repetition.
            self.steps, self.candidates = 0, self._consistent_environments(needs_tiles)
            found = self._search()
            if found is not None:
                return found
        return None

    def _search(self) -> str | None:
        starts = [(len(group), i) for group in self.candidates.values() for i in group]
        for _, start in sorted(starts):
            self.limit = min(self.decoder.max_steps, self.steps + MAX_STEPS_OF_START)
            found = self._start(start)
            if found is not None:
                return found
            if self.steps >= self.decoder.max_steps:
                break
        return None

    def _start(self, environment: int) -> str | None:
        kind = self.decoder.table.environments[environment][0]
        if not self._add_atom(kind):
            return None
        found = self._complete(0, [environment])
        self._remove_atom()
        return found

    def _consistent_environments(self, needs_tiles: bool) -> dict[int, list[int]]:
        """Return by type of the atom the environments that the fingerprint counts, with possible neighbours."""
        table, left, n = self.decoder.table, self.left, self.decoder.n_bits
        types = {i for i, identifier in enumerate(table.first) if left.get(identifier % n, 0) > 0}
        kept: dict[int, list[int]] = {}
        for bin_number in left:
            for i in self.decoder.bins.get(bin_number, []):
                center, neighbours = table.environments[i]
                if center in types and all(other in types for _, other in neighbours):
                    kept.setdefault(center, []).append(i)
        for _ in range(4):
            after = {
                kind: found
                for kind, group in kept.items()
                if (found := [i for i in group if self._has_tile(i, kept, needs_tiles)])
            }
            is_stable = sum(map(len, after.values())) == sum(map(len, kept.values()))
            kept = after
            if is_stable:
                break
        return kept

    def _has_tile(self, environment: int, kept: dict[int, list[int]], needs_tiles: bool) -> bool:
        """Return whether some environments of an atom's neighbours make one of radius 2 that the fingerprint counts."""
        table, n = self.decoder.table, self.decoder.n_bits
        center, neighbours = table.environments[environment]
        choices = []
        for bond, other in neighbours:
            fitting = [i for i in kept.get(other, []) if (bond, center) in table.environments[i][1]]
            if not fitting:
                return False
            choices.append([(bond, table.second[i]) for i in fitting])
        if len(neighbours) < 2 or not needs_tiles:
            return True
        size = 1
        for choice in choices:
            size *= len(choice)
        if size > MAX_TILES:
            return True
        own = table.second[environment]
        return any(next_identifier(2, own, tile) % n in self.left for tile in itertools.product(*choices))

    def _add_atom(self, kind: int) -> bool:
        """Add an atom without bonds; false where the fingerprint counts no more of its type."""
        identifier = self.decoder.table.first[kind]
        if not self._use(identifier):
            return False
        self.kinds.append(kind)
        self.bonds.append([])
        self.masks.append([0])
        self.identifiers.append([identifier])
        self.is_dead.append(False)
        return True

    def _remove_atom(self) -> None:
        bin_number = self.identifiers.pop()[0] % self.decoder.n_bits
        self.left[bin_number] += 1
        for parts in (self.kinds, self.bonds, self.masks, self.is_dead):
            parts.pop()

    def _use(self, identifier: int) -> bool:
        bin_number = identifier % self.decoder.n_bits
        if self.left.get(bin_number, 0) <= 0:
            return False
        self.left[bin_number] -= 1
        return True

    def _options(self, atom: int) -> list[int]:
        """Return the environments that an atom with its present bonds may have."""
        table, n = self.decoder.table, self.decoder.n_bits
        present = [(bond, self.kinds[other]) for other, bond in self.bonds[atom]]
        options = []
        for i in self.candidates.get(self.kinds[atom], []):
            if self.left.get(table.second[i] % n, 0) > 0 and _without(table.environments[i][1], present) is not None:
                options.append(i)
        return options

    def _next(self) -> str | None:
        """Complete the open atom with the fewest options, or return the molecule where no atom is open."""
        best: tuple[int, list[int]] | None = None
        for atom in range(len(self.kinds)):
            if len(self.identifiers[atom]) == 1:
                options = self._options(atom)
                if not options:
                    return None
                if best is None or len(options) < len(best[1]):
                    best = atom, options
        if best is None:
            return None if self.debts or any(self.left.values()) else self._molecule()
        return self._complete(*best)

    def _complete(self, atom: int, options: list[int]) -> str | None:
        """Try environments of an atom, with all ways to make its new bonds."""
        table = self.decoder.table
        for i in options:
            present = [(bond, self.kinds[other]) for other, bond in self.bonds[atom]]
            missing = _without(table.environments[i][1], present)
            if missing is None:
                continue
            for ways in self._ways(atom, missing):
                self.steps += 1
                if self.steps > self.limit:
                    return None
                found = self._with_bonds(atom, i, missing, ways)
                if found is not None:
                    return found
        return None

    def _ways(self, atom: int, missing: list[tuple[int, int]]) -> Iterator[tuple[int | None, ...]]:
        """Yield for each new bond the open atom that it closes a ring with, or None for a new atom."""
        table = self.decoder.table
        choices: list[list[int | None]] = []
        bonded = {other for other, _ in self.bonds[atom]}
        for _, kind in missing:
            targets: list[int | None] = []
            if table.types[kind][4] and table.types[self.kinds[atom]][4]:
                targets += [
                    other
                    for other in range(len(self.kinds))
                    if other != atom
                    and self.kinds[other] == kind
                    and len(self.identifiers[other]) == 1
                    and other not in bonded
                    and len(self.bonds[other]) < table.types[kind][1]
                ]
            choices.append([*targets, None])
        seen = set()
        for way in itertools.product(*choices):
            rings = [other for other in way if other is not None]
            label = tuple(sorted(zip(missing, (-1 if x is None else x for x in way), strict=True)))
            if len(set(rings)) == len(rings) and label not in seen:
                seen.add(label)
                yield way

    def _with_bonds(
        self, atom: int, environment: int, missing: list[tuple[int, int]], way: tuple[int | None, ...]
    ) -> str | None:
        """Make the bonds of an atom, compare what is complete with the fingerprint, and go on; take all back."""
        n_atoms, bonded = len(self.kinds), []
        found = None
        is_possible = self._use(self.decoder.table.second[environment])
        if is_possible:
            for (bond, kind), target in zip(missing, way, strict=True):
                if target is None and not self._add_atom(kind):
                    is_possible = False
                    break
                other = len(self.kinds) - 1 if target is None else target
                self._bond(atom, other, bond)
                bonded.append(other)
            mark = len(self.changes)
            if is_possible:
                self.identifiers[atom].append(self.decoder.table.second[environment])
                if self._grow(atom):
                    found = self._next()
                self._take_back(mark)
                self.identifiers[atom].pop()
            for other in reversed(bonded):
                self._unbond(atom, other)
            while len(self.kinds) > n_atoms:
                self._remove_atom()
            self.left[self.decoder.table.second[environment] % self.decoder.n_bits] += 1
        return found

    def _bond(self, first: int, second: int, bond: int) -> None:
        bit = 1 << self.n_bonds
        self.n_bonds += 1
        for one, other in ((first, second), (second, first)):
            self.bonds[one].append((other, bond))
            self.masks[one][0] |= bit

    def _unbond(self, first: int, second: int) -> None:
        self.n_bonds -= 1
        bit = 1 << self.n_bonds
        for one in (first, second):
            self.bonds[one].pop()
            self.masks[one][0] ^= bit

    def _grow(self, atom: int) -> bool:
        """Add the identifiers of radius 2 and 3 that are complete; false where the fingerprint does not count one."""
        for radius in range(2, self.decoder.radius + 1):
            near = {atom} | {other for other, _ in self.bonds[atom]}
            if radius == 3:
                near |= {other for one in tuple(near) for other, _ in self.bonds[one]}
            for one in sorted(near):
                if len(self.identifiers[one]) != radius:
                    continue
                others = self.bonds[one]
                if any(len(self.identifiers[other]) < radius for other, _ in others):
                    continue
                if not self._grow_one(one, radius):
                    return False
        return True

    def _grow_one(self, one: int, radius: int) -> bool:
        others = self.bonds[one]
        pairs = [(bond, self.identifiers[other][radius - 1]) for other, bond in others]
        mask = 0
        for other, _ in others:
            mask |= self.masks[other][radius - 2]
        identifier = next_identifier(radius, self.identifiers[one][radius - 1], pairs)
        if not self.is_dead[one] and not self._explain(one, identifier, mask):
            return False
        self.identifiers[one].append(identifier)
        self.masks[one].append(mask)
        self.changes.append(("identifier", one))
        return True

    def _explain(self, one: int, identifier: int, mask: int) -> bool:
        """Use the count of an environment, or mark its atom where the fingerprint leaves it out as a repetition.

        RDKit counts each set of bonds once: at the smallest radius, and of several atoms the lowest identifier.
        """
        index = len(self.masks[one])
        rivals = []
        for i, masks in enumerate(self.masks):
            if len(self.identifiers[i]) < 2 or mask not in masks:
                continue
            if masks.index(mask) < index:
                return self._bury(one)
            if not self.is_dead[i] or i in self.debts:
                rivals.append(i)
        for rival in rivals:
            other = self.identifiers[rival][index + 1]
            if identifier >= other:
                # An atom in debt should have been the one that is counted.
                return rival not in self.debts and self._bury(one)
            if rival in self.debts:
                self._pay(rival)
                continue
            self.left[other % self.decoder.n_bits] += 1
            self.changes.append(("freed", other % self.decoder.n_bits))
            self._bury(rival)
        if self._use_new(identifier):
            return True
        if len(self.debts) >= MAX_DEBTS:
            return False
        self.debts.append(one)
        self.changes.append(("debt", one))
        return self._bury(one)

    def _pay(self, one: int) -> None:
        self.debts.remove(one)
        self.changes.append(("paid", one))

    def _use_new(self, identifier: int) -> bool:
        if not self._use(identifier):
            return False
        self.changes.append(("bin", identifier % self.decoder.n_bits))
        return True

    def _bury(self, one: int) -> bool:
        self.is_dead[one] = True
        self.changes.append(("death", one))
        return True

    def _take_back(self, mark: int) -> None:
        while len(self.changes) > mark:
            kind, value = self.changes.pop()
            if kind == "bin":
                self.left[value] += 1
            elif kind == "freed":
                self.left[value] -= 1
            elif kind == "debt":
                self.debts.remove(value)
            elif kind == "paid":
                self.debts.append(value)
            elif kind == "death":
                self.is_dead[value] = False
            else:
                self.identifiers[value].pop()
                self.masks[value].pop()

    def _molecule(self) -> str | None:
        """Return the canonical SMILES of the assembled molecule; None where it has another fingerprint."""
        table = self.decoder.table
        mol = Chem.RWMol()
        for kind in self.kinds:
            number, _, hydrogens, charge, _ = table.types[kind]
            atom = Chem.Atom(number)
            atom.SetFormalCharge(charge)
            atom.SetNumExplicitHs(hydrogens)
            atom.SetNoImplicit(True)
            mol.AddAtom(atom)
        for i, bonds in enumerate(self.bonds):
            for j, bond in bonds:
                if i < j:
                    kind = Chem.BondType.values[bond]
                    mol.AddBond(i, j, kind)
                    if kind == Chem.BondType.AROMATIC:
                        mol.GetBondBetweenAtoms(i, j).SetIsAromatic(True)
                        for k in (i, j):
                            mol.GetAtomWithIdx(k).SetIsAromatic(True)
        with rdBase.BlockLogs():
            smiles = _canonical(mol)
        return smiles if smiles is not None and self._has_fingerprint(smiles) else None

    def _has_fingerprint(self, smiles: str) -> bool:
        generator = rdFingerprintGenerator.GetMorganGenerator(radius=self.decoder.radius, fpSize=self.decoder.n_bits)
        found = generator.GetCountFingerprintAsNumPy(Chem.MolFromSmiles(smiles))
        return bool((found == self.wanted).all())


def _without(neighbours: tuple[tuple[int, int], ...], present: list[tuple[int, int]]) -> list[tuple[int, int]] | None:
    """Return the neighbours that are not present; None where one that is present is not among them."""
    missing = list(neighbours)
    for pair in present:
        if pair not in missing:
            return None
        missing.remove(pair)
    return missing


def _canonical(mol: Chem.RWMol) -> str | None:
    """Return the canonical SMILES of a molecule in parts; None where RDKit refuses it."""
    try:
        Chem.SanitizeMol(mol)
    except (Chem.MolSanitizeException, ValueError):
        return None
    smiles: str = Chem.MolToSmiles(mol)
    again = Chem.MolFromSmiles(smiles)
    return None if again is None else Chem.MolToSmiles(again)
