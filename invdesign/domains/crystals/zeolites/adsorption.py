"""Gas adsorption in a rigid framework at low pressure: Henry coefficients by Widom insertion."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from pymatgen.core.periodic_table import Element
from torch import Tensor

from invdesign.core import Array, InvdesignError
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.zeolites.nets import find_periodic_images
from invdesign.domains.crystals.zeolites.silica import framework_of

BOLTZMANN = 1.380649e-23  # J/K
DALTON = 1.66053906660e-27  # kg
AVOGADRO = 6.02214076e23  # 1/mol
# Pairs of insertion point and atom that are evaluated at once, to bound memory.
MAX_PAIRS = 4_000_000


@dataclass(frozen=True)
class LennardJones:
    """Lennard-Jones parameters of a united atom."""

    sigma: float
    """Diameter [angstrom]."""
    epsilon: float
    """Well depth divided by Boltzmann's constant [K]."""

    def mix(self, other: LennardJones) -> LennardJones:
        """Return the parameters of a pair of unlike atoms by the Lorentz-Berthelot rules.

        Args:
            other: Parameters of the other atom.

        Returns:
            Arithmetic mean of `sigma` and geometric mean of `epsilon`.
        """
        return LennardJones((self.sigma + other.sigma) / 2, math.sqrt(self.epsilon * other.epsilon))


GASES: Mapping[str, LennardJones] = {"H2": LennardJones(2.958, 36.7), "CH4": LennardJones(3.73, 148.0)}
ATOMS: Mapping[str, LennardJones] = {"O": LennardJones(3.30, 53.0), "Si": LennardJones(2.30, 22.0)}


@dataclass(frozen=True)
class Henry:
    """Henry coefficient: uptake per pressure in the limit of zero pressure."""

    per_cell: float
    """Molecules per pascal in the given cell [1/Pa]."""
    per_mass: float
    """Uptake per mass of framework and pressure [mol/(kg Pa)]."""
    boltzmann: float
    """Mean of exp(-U/kT) over the cell: the ratio of the uptake to that of empty space."""
    error: float
    """Standard error of `boltzmann`, estimated as for independent random points."""


def henry_coefficient(
    lattice: Array,
    species: Sequence[str],
    positions: Array,
    *,
    gas: str | LennardJones = "H2",
    temperature: float = 298.0,
    cutoff: float = 14.0,
    n_insertions: int = 8_192,
    atoms: Mapping[str, LennardJones] = ATOMS,
) -> Henry:
    """Compute the Henry coefficient of a gas in a rigid framework by Widom insertion.

    The Boltzmann factor exp(-U/kT) of one inserted gas particle is averaged over quasi-random points of the cell. The
    model is classical; at 77 K quantum effects of hydrogen would lower the result. Pockets that the gas cannot enter
    are included. Beyond the cutoff the atoms are treated as uniformly distributed (tail correction).

    Args:
        lattice: `3 x 3`, rows are vectors [angstrom].
        species: `n` element symbols.
        positions: `n x 3` fractional coordinates.
        gas: `"H2"`, `"CH4"`, or the Lennard-Jones parameters of another gas.
        temperature: Temperature [K].
        cutoff: Range of the interaction [angstrom].
        n_insertions: Number of points of the Sobol sequence, which is the same for every crystal.
        atoms: Lennard-Jones parameters of the framework's elements.

    Returns:
        The coefficient per cell and per mass, with the standard error of the mean Boltzmann factor.

    Raises:
        InvdesignError: An element or the gas has no parameters, or a number is not positive.

    References:
        Widom, J. Chem. Phys. 1963, doi:10.1063/1.1734110; Bai, Tsapatsis, Siepmann, J. Phys. Chem. C 2013,
        doi:10.1021/jp4074224 (framework); Martin and Siepmann, J. Phys. Chem. B 1998, doi:10.1021/jp972543+ (CH4);
        Buch, J. Chem. Phys. 1994, doi:10.1063/1.466854 (H2).

    Example:
        >>> ideal = henry_coefficient(10 * np.eye(3), ["Si"], np.zeros((1, 3)), gas=LennardJones(1.0, 0.0))
        >>> round(ideal.boltzmann, 6)
        1.0
    """
    if min(temperature, cutoff, n_insertions) <= 0:
        raise InvdesignError(
            "henry_coefficient: expected positive temperature, cutoff and n_insertions, "
            f"got {temperature}, {cutoff}, {n_insertions}"
        )
    guest = _find_parameters(gas, GASES, "gas") if isinstance(gas, str) else gas
    pairs = {e: guest.mix(_find_parameters(e, atoms, "element")) for e in sorted(set(species))}
    cell = np.asarray(lattice, dtype=float)
    volume = abs(float(np.linalg.det(cell)))
    points = _draw_points(n_insertions)
    energy = torch.zeros(n_insertions, dtype=torch.float64)
    for element, pair in pairs.items():
        is_element = np.array([e == element for e in species])
        images, _, _ = find_periodic_images(cell, np.asarray(positions, dtype=float)[is_element], cutoff)
        energy += _compute_energies(points @ torch.as_tensor(cell), torch.as_tensor(images), pair, cutoff)
        energy += _compute_tail(pair, cutoff) * is_element.sum() / volume
    factor = torch.exp(-energy / temperature)
    mean = float(factor.mean())
    sd = float(factor.std()) if n_insertions > 1 else math.nan
    mass = sum(float(Element(e).atomic_mass) for e in species) * DALTON
    per_cell = mean * volume * 1e-30 / (BOLTZMANN * temperature)
    return Henry(per_cell, per_cell / AVOGADRO / mass, mean, sd / math.sqrt(n_insertions))


def henry(
    designs: Sequence[Crystal],
    *,
    gas: str = "H2",
    temperature: float = 298.0,
    per: Literal["mass", "cell"] = "mass",
    n_insertions: int = 8_192,
) -> Array:
    """Compute the Henry coefficient of a gas in silica frameworks.

    Args:
        designs: `n` crystals of T sites (oxygens are added) or of complete silica frameworks.
        gas: `"H2"` or `"CH4"`.
        temperature: Temperature [K].
        per: `"mass"` for mol/(kg Pa), `"cell"` for molecules per conventional cell and pascal.
        n_insertions: Number of insertion points per cell.

    Returns:
        `n` coefficients; NaN for a design that is not a 4-connected silica net.

    Raises:
        InvdesignError: The gas has no parameters, or a number is not positive.
    """
    if per not in ("mass", "cell"):
        raise InvdesignError(f"henry: per must be 'mass' or 'cell', got {per!r}")
    _find_parameters(gas, GASES, "gas")
    values = []
    for design in designs:
        coefficient = _measure(design, gas, temperature, n_insertions)
        if coefficient is None:
            values.append(math.nan)
        else:
            values.append(coefficient.per_mass if per == "mass" else coefficient.per_cell)
    return np.array(values, dtype=np.float64)


# Cached, so that a campaign with one objective per mass and one per cell inserts once.
@lru_cache(maxsize=4096)
def _measure(design: Crystal, gas: str, temperature: float, n_insertions: int) -> Henry | None:
    """Return the Henry coefficient of the conventional cell, or None if the design is not a silica framework."""
    try:
        framework = framework_of(design)
    except InvdesignError:
        return None
    if not set(framework.species) <= set(ATOMS):
        return None
    coefficient = henry_coefficient(
        framework.lattice,
        framework.species,
        framework.positions,
        gas=gas,
        temperature=temperature,
        n_insertions=n_insertions,
    )
    n_primitive = len(framework.species) if "O" in design.counts else len(framework.species) // 3
    return replace(coefficient, per_cell=coefficient.per_cell * (design.n_atoms / n_primitive))


def _find_parameters(name: str, table: Mapping[str, LennardJones], kind: str) -> LennardJones:
    if name not in table:
        raise InvdesignError(f"Lennard-Jones parameters: expected a {kind} among {', '.join(table)}, got {name!r}")
    return table[name]


def _draw_points(n: int) -> Tensor:
    """Return `n x 3` fractional coordinates of a scrambled Sobol sequence."""
    engine = torch.quasirandom.SobolEngine(3, scramble=True, seed=0)
    return engine.draw(n, dtype=torch.float64)


def _compute_energies(points: Tensor, images: Tensor, pair: LennardJones, cutoff: float) -> Tensor:
    """Return the energy divided by Boltzmann's constant [K] of a guest at each point, computed in blocks."""
    block_size = max(1, MAX_PAIRS // max(1, len(images)))
    min_squared = (0.1 * pair.sigma) ** 2
    energies = []
    for block in torch.split(points, block_size):
        squared = block.square().sum(1)[:, None] + images.square().sum(1) - 2 * block @ images.T
        inverse_square = torch.where(squared < cutoff**2, pair.sigma**2 / squared.clamp_min(min_squared), 0.0)
        inverse_sixth = inverse_square * inverse_square * inverse_square
        energies.append(4 * pair.epsilon * (inverse_sixth * inverse_sixth - inverse_sixth).sum(1))
    return torch.cat(energies)


def _compute_tail(pair: LennardJones, cutoff: float) -> float:
    """Return the tail correction of one atom, energy divided by Boltzmann's constant times volume [K angstrom^3]."""
    inverse_cube = (pair.sigma / cutoff) ** 3
    return 16 * math.pi / 3 * pair.epsilon * pair.sigma**3 * (inverse_cube**3 / 3 - inverse_cube)
