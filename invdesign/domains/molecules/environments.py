"""Atoms and their neighbours in a corpus of molecules, and the identifiers that Morgan fingerprints give them."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

from rdkit import Chem

from invdesign.core import InvdesignError

MASK = 0xFFFFFFFF
GOLDEN = 0x9E3779B9
SHIPPED = "environments.json.gz"

AtomType = tuple[int, int, int, int, int]
"""Atomic number, heavy neighbours, hydrogens, formal charge, and 1 for an atom of a ring."""
Environment = tuple[int, tuple[tuple[int, int], ...]]
"""Number of the type of an atom, and bond type and number of the type of each of its neighbours, in order."""


def combine(seed: int, value: int) -> int:
    """Return a hash of 32 bits with a further value, as Boost's `hash_combine`, which RDKit uses."""
    return (seed ^ ((value + GOLDEN + (seed << 6) + (seed >> 2)) & MASK)) & MASK


def first_identifier(atom: AtomType) -> int:
    """Return the identifier of an atom by itself: the Morgan environment of radius 0."""
    number, degree, hydrogens, charge, is_in_ring = atom
    seed = 0
    for part in (number, degree + hydrogens, hydrogens, charge & MASK, 0, *((1,) if is_in_ring else ())):
        seed = combine(seed, part)
    return seed


def next_identifier(radius: int, own: int, neighbours: Iterable[tuple[int, int]]) -> int:
    """Return the identifier of an atom's environment that is one bond larger.

    Args:
        radius: The new radius [bonds].
        own: Identifier of the atom's environment of the radius before.
        neighbours: Bond type and that identifier of each neighbour.
    """
    seed = combine(radius - 1, own)
    for bond, identifier in sorted(neighbours):
        seed = combine(seed, combine(combine(0, bond), identifier))
    return seed


@dataclass(frozen=True, eq=False)
class EnvironmentTable:
    """Types of atoms, and the neighbours that they have."""

    types: tuple[AtomType, ...]
    """Types of atoms."""
    environments: tuple[Environment, ...]
    """An atom with its neighbours, the commonest first."""

    @cached_property
    def first(self) -> tuple[int, ...]:
        """Morgan identifier of each type, radius 0."""
        return tuple(first_identifier(atom) for atom in self.types)

    @cached_property
    def second(self) -> tuple[int, ...]:
        """Morgan identifier of each environment, radius 1."""
        first = self.first
        return tuple(
            next_identifier(1, first[center], ((bond, first[i]) for bond, i in neighbours))
            for center, neighbours in self.environments
        )

    def by_bin(self, n_bits: int) -> dict[int, list[int]]:
        """Return the environments (radius 1) by the bin of a folded fingerprint."""
        bins: dict[int, list[int]] = {}
        for i, identifier in enumerate(self.second):
            bins.setdefault(identifier % n_bits, []).append(i)
        return bins

    def to_bytes(self) -> bytes:
        """Return the table as compressed JSON."""
        text = json.dumps({"types": self.types, "environments": self.environments}, separators=(",", ":"))
        return gzip.compress(text.encode(), mtime=0)

    @classmethod
    def from_bytes(cls, data: bytes) -> EnvironmentTable:
        """Return the table that `to_bytes` wrote."""
        content: dict[str, Any] = json.loads(gzip.decompress(data))
        environments = [
            (center, tuple((b, i) for b, i in neighbours)) for center, neighbours in content["environments"]
        ]
        return cls(tuple((a, b, c, d, e) for a, b, c, d, e in content["types"]), tuple(environments))


def collect_environments(designs: Sequence[str], *, min_count: int = 1) -> EnvironmentTable:
    """Return the table of the atoms of molecules.

    Args:
        designs: SMILES.
        min_count: Environments that are less frequent are left out.

    Raises:
        InvdesignError: No molecule can be read.

    Example:
        >>> len(collect_environments(["CCO"]).environments)
        3
    """
    counts: Counter[tuple[AtomType, tuple[tuple[int, AtomType], ...]]] = Counter()
    for design in designs:
        mol = Chem.MolFromSmiles(design)
        if mol is not None:
            counts.update(_environments_of(mol))
    kept = [environment for environment, n in counts.most_common() if n >= min_count]
    if not kept:
        raise InvdesignError("environments: expected molecules, got none that can be read. Give a corpus of SMILES")
    types = tuple(sorted({atom for center, others in kept for atom in (center, *(other for _, other in others))}))
    number = {atom: i for i, atom in enumerate(types)}
    rows = [(number[center], tuple((bond, number[other]) for bond, other in others)) for center, others in kept]
    return EnvironmentTable(types, tuple(rows))


def shipped_environments() -> EnvironmentTable:
    """Return the table of ZINC250k without its held-out molecules; see `results/benchmarks/fingerprints.py`."""
    data = resources.files("invdesign.domains.molecules").joinpath(SHIPPED).read_bytes()
    return EnvironmentTable.from_bytes(data)


def type_of(atom: Chem.Atom) -> AtomType:
    """Return the type of an atom of a molecule without explicit hydrogens."""
    hydrogens = atom.GetTotalNumHs()
    heavy = atom.GetTotalDegree() - hydrogens
    return atom.GetAtomicNum(), heavy, hydrogens, atom.GetFormalCharge(), int(atom.IsInRing())


def _environments_of(mol: Chem.Mol) -> Iterable[tuple[AtomType, tuple[tuple[int, AtomType], ...]]]:
    types = [type_of(atom) for atom in mol.GetAtoms()]
    for atom, own in zip(mol.GetAtoms(), types, strict=True):
        bonds = sorted((int(b.GetBondType()), types[b.GetOtherAtomIdx(atom.GetIdx())]) for b in atom.GetBonds())
        yield own, tuple(bonds)
