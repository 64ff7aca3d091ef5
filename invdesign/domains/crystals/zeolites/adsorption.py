"""Gas in a rigid framework at low pressure: the Henry coefficient by Widom's insertion of a Lennard-Jones particle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from pymatgen.core import Element
from torch import Tensor

from invdesign.core import Array, InvdesignError
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.zeolites.nets import periodic
from invdesign.domains.crystals.zeolites.silica import framework_of

BOLTZMANN = 1.380649e-23  # J/K
DALTON = 1.66053906660e-27  # kg
AVOGADRO = 6.02214076e23
MAX_PAIRS = 4_000_000


@dataclass(frozen=True)
class LennardJones:
    """A united atom.

    Args:
        sigma: diameter (angstrom).
        epsilon: well depth over Boltzmann's constant (K).
    """

    sigma: float
    epsilon: float

    def with_other(self, other: LennardJones) -> LennardJones:
        """Lorentz-Berthelot mixing."""
        return LennardJones((self.sigma + other.sigma) / 2, math.sqrt(self.epsilon * other.epsilon))


GASES: Mapping[str, LennardJones] = {"H2": LennardJones(2.958, 36.7), "CH4": LennardJones(3.73, 148.0)}
ATOMS: Mapping[str, LennardJones] = {"O": LennardJones(3.30, 53.0), "Si": LennardJones(2.30, 22.0)}


@dataclass(frozen=True)
class Henry:
    """Uptake per pressure as the pressure goes to zero.

    Args:
        per_cell: molecules in the given cell per pascal.
        per_mass: mol/(kg Pa).
        boltzmann: mean of exp(-U/kT) over the cell, the ratio of uptake to that of free space.
        error: standard error of `boltzmann`, as if the points were random.
    """

    per_cell: float
    per_mass: float
    boltzmann: float
    error: float


def henry_coefficient(
    lattice: Array,
    species: Sequence[str],
    positions: Array,
    *,
    gas: str | LennardJones = "H2",
    temperature: float = 298.0,
    cutoff: float = 14.0,
    insertions: int = 8_192,
    atoms: Mapping[str, LennardJones] = ATOMS,
) -> Henry:
    """Insert a gas atom at well-spread points of the cell and average its Boltzmann factor.

    The framework is rigid and classical (at 77 K hydrogen's quantum effects would lower the result), and pockets that
    the gas cannot enter count. Beyond the cutoff the atoms are taken as spread evenly (tail correction).

    Args:
        lattice: `3 x 3`, rows are vectors (angstrom).
        species: `n` symbols.
        positions: `n x 3` fractional coordinates.
        gas: `"H2"`, `"CH4"`, or the parameters of another.
        temperature: kelvin.
        cutoff: angstrom.
        insertions: points of a Sobol sequence; the same for every crystal.
        atoms: parameters of the framework's elements.

    Raises:
        InvdesignError: an element or a gas has no parameters, or a number is not positive.

    References:
        Widom, J. Chem. Phys. 1963, doi:10.1063/1.1734110; Bai, Tsapatsis, Siepmann, J. Phys. Chem. C 2013,
        doi:10.1021/jp4074224 (framework); Martin and Siepmann, J. Phys. Chem. B 1998, doi:10.1021/jp972543+ (CH4);
        Buch, J. Chem. Phys. 1994, doi:10.1063/1.466854 (H2).
    """
    if min(temperature, cutoff, insertions) <= 0:
        raise InvdesignError(
            f"temperature, cutoff and insertions must be positive, got {temperature}, {cutoff}, {insertions}"
        )
    guest = _parameters(gas, GASES, "gas") if isinstance(gas, str) else gas
    pairs = {e: guest.with_other(_parameters(e, atoms, "element")) for e in sorted(set(species))}
    cell = np.asarray(lattice, dtype=float)
    volume = abs(float(np.linalg.det(cell)))
    points = torch.quasirandom.SobolEngine(3, scramble=True, seed=0).draw(insertions, dtype=torch.float64)
    energy = torch.zeros(insertions, dtype=torch.float64)
    for element, pair in pairs.items():
        own = np.array([e == element for e in species])
        images, _, _ = periodic(cell, np.asarray(positions, dtype=float)[own], cutoff)
        energy += _energies(points @ torch.as_tensor(cell), torch.as_tensor(images), pair, cutoff)
        energy += _tail(pair, cutoff) * own.sum() / volume
    factor = torch.exp(-energy / temperature)
    mean, spread = float(factor.mean()), float(factor.std()) if insertions > 1 else math.nan
    mass = sum(float(Element(e).atomic_mass) for e in species) * DALTON
    per_cell = mean * volume * 1e-30 / (BOLTZMANN * temperature)
    return Henry(per_cell, per_cell / AVOGADRO / mass, mean, spread / math.sqrt(insertions))


def henry(
    designs: Sequence[Crystal],
    *,
    gas: str = "H2",
    temperature: float = 298.0,
    per: Literal["mass", "cell"] = "mass",
    insertions: int = 8_192,
) -> Array:
    """Henry coefficient of a gas in silica frameworks (`n`); NaN where a design is no 4-connected net.

    Args:
        designs: crystals of T sites (oxygens are added), or of full silica frameworks.
        gas: `"H2"` or `"CH4"`.
        temperature: kelvin.
        per: `"mass"` answers mol/(kg Pa), `"cell"` molecules per conventional cell and pascal.
        insertions: points per cell.

    Raises:
        InvdesignError: a gas without parameters, or a number that is not positive.
    """
    if per not in ("mass", "cell"):
        raise InvdesignError(f"per: expected 'mass' or 'cell', got {per!r}")
    _parameters(gas, GASES, "gas")
    values = []
    for design in designs:
        found = _measured(design, gas, temperature, insertions)
        values.append(math.nan if found is None else found.per_mass if per == "mass" else found.per_cell)
    return np.array(values, dtype=np.float64)


# A campaign that asks for both, per mass and per cell, inserts once.
@lru_cache(maxsize=4096)
def _measured(design: Crystal, gas: str, temperature: float, insertions: int) -> Henry | None:
    """The Henry coefficient in the conventional cell; None where a design is no silica framework."""
    try:
        f = framework_of(design)
    except InvdesignError:
        return None
    if not set(f.species) <= set(ATOMS):
        return None
    found = henry_coefficient(
        f.lattice, f.species, f.positions, gas=gas, temperature=temperature, insertions=insertions
    )
    n_cells = design.n_atoms / (len(f.species) if "O" in design.counts else len(f.species) // 3)
    return replace(found, per_cell=found.per_cell * n_cells)


def _parameters(name: str, table: Mapping[str, LennardJones], what: str) -> LennardJones:
    if name not in table:
        raise InvdesignError(f"no Lennard-Jones parameters for the {what} {name!r}; known are {', '.join(table)}")
    return table[name]


def _energies(points: Tensor, images: Tensor, pair: LennardJones, cutoff: float) -> Tensor:
    """Energy over Boltzmann's constant (K) of a guest at each point, in blocks that fit in memory."""
    block = max(1, MAX_PAIRS // max(1, len(images)))
    least = (0.1 * pair.sigma) ** 2
    found = []
    for some in points.split(block):
        apart = some.square().sum(1)[:, None] + images.square().sum(1) - 2 * some @ images.T
        near = torch.where(apart < cutoff**2, pair.sigma**2 / apart.clamp_min(least), 0.0)
        sixth = near * near * near
        found.append(4 * pair.epsilon * (sixth * sixth - sixth).sum(1))
    return torch.cat(found)


def _tail(pair: LennardJones, cutoff: float) -> float:
    """Energy (K) times volume that one atom adds beyond the cutoff, spread evenly."""
    third = (pair.sigma / cutoff) ** 3
    return 16 * math.pi / 3 * pair.epsilon * pair.sigma**3 * (third**3 / 3 - third)
