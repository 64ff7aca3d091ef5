"""Atoms of a unit cell as arrays: what every reader of crystals returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from pymatgen.core.lattice import Lattice
from pymatgen.core.periodic_table import Element
from pymatgen.core.structure import Structure

from invdesign.core import Array

ATOMIC_NUMBERS = {element.symbol: int(element.Z) for element in Element}
"""Atomic number of each chemical symbol."""
SYMBOLS = {number: symbol for symbol, number in ATOMIC_NUMBERS.items() if symbol not in ("D", "T")}
"""Chemical symbol of each atomic number."""


@dataclass(frozen=True, eq=False)
class PeriodicAtoms:
    """Ordered atoms of a cell that is repeated in three dimensions."""

    lattice: Array
    """Lattice vectors as rows [angstrom], `3 x 3`."""
    symbols: tuple[str, ...]
    """Chemical symbol of each of the `n` atoms."""
    positions: Array
    """Fractional coordinates, `n x 3`."""

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """Atomic numbers, `n`."""
        return np.array([ATOMIC_NUMBERS[symbol] for symbol in self.symbols], dtype=np.int64)

    @property
    def volume(self) -> float:
        """Volume of the cell [angstrom^3]."""
        return float(abs(np.linalg.det(self.lattice)))

    @property
    def mass_density(self) -> float:
        """Mass density [g/cm3]."""
        return sum(_mass(symbol) for symbol in self.symbols) / self.volume / 0.602214076

    @property
    def counts(self) -> dict[str, int]:
        """Number of atoms of each element."""
        return {symbol: self.symbols.count(symbol) for symbol in dict.fromkeys(self.symbols)}

    def to_structure(self) -> Structure:
        """Return the atoms as a structure of pymatgen."""
        return Structure(Lattice(self.lattice), self.symbols, self.positions)


def from_parts(lattice: Array, symbols: Sequence[str], positions: Array) -> PeriodicAtoms:
    """Return atoms with deuterium and tritium written as hydrogen."""
    plain = tuple("H" if symbol in ("D", "T") else symbol for symbol in symbols)
    return PeriodicAtoms(np.asarray(lattice, dtype=float), plain, np.asarray(positions, dtype=float).reshape(-1, 3))


@cache
def _mass(symbol: str) -> float:
    return float(Element(symbol).atomic_mass)
