"""Chemical facts that oracles and validators share: charges, bonds, bond valences, the sites of a perovskite."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt
from pymatgen.core import Composition, Element, Species, Structure

from invdesign.core import Array, InvdesignError
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.canonical import structure_of

# What stands where an anion does; carbon, phosphorus and the semimetals are as often cations.
ANIONS = frozenset(("H", "N", "O", "F", "S", "Cl", "Se", "Br", "I"))
STRETCH = 1.15
# Pauling's; NaN where none is known, of which pymatgen warns once for each element, wherever it is asked first.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    ELECTRONEGATIVITY = {element.symbol: float(element.X) for element in Element}
UNKNOWN_RADIUS = 1.7
VALENCE_REACH = 4.0
# Cells computed with GGA are a little too large for bond-valence parameters of measured ones.
VALENCE_SCALE = 1.015
# The softness (angstrom) that pymatgen's means over the ICSD were taken with.
VALENCE_SOFTNESS = 0.31


@dataclass(frozen=True, eq=False)
class Bonds:
    """Pairs of atoms of the conventional cell, each in both directions.

    Args:
        first: `k` atoms.
        second: `k` atoms that they are bonded to.
        image: `k x 3` whole numbers, the cell that the second lies in.
        length: `k`, angstrom.
        n_atoms: atoms of the cell.
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    image: npt.NDArray[np.int64]
    length: Array
    n_atoms: int


@dataclass(frozen=True)
class Perovskite:
    """Which element stands on which site of ABX3; several elements may share X, each with its share."""

    a: str
    b: str
    x: tuple[tuple[str, float], ...]


def built(crystal: Crystal) -> tuple[Structure | None, str]:
    """The conventional cell, or None with the reason why there is none. It is shared: copy it before changing it."""
    a, b, c, *angles = crystal.cell
    cosines = np.cos(np.radians(angles))
    squared = 1 - (cosines**2).sum() + 2 * cosines.prod()
    positions = np.array([orbit.position for orbit in crystal.orbits], dtype=float)
    if not crystal.orbits:
        return None, "no atoms"
    if not (np.isfinite(crystal.cell).all() and np.isfinite(positions).all()):
        return None, "cell or coordinates are not finite"
    if min(a, b, c) <= 0 or squared <= 1e-9:
        return None, "the cell has no volume"
    try:
        return structure_of(crystal), ""
    except InvdesignError as error:
        return None, str(error)


@lru_cache(maxsize=65536)
def oxidation_states(formula: str) -> Mapping[str, float]:
    """The likeliest neutral oxidation states of the elements of a formula, by how often the ICSD has them.

    Atoms of one element share their mean (Fe3O4 has +8/3). Empty where no neutral choice is known, and where no atom
    is charged.
    """
    guesses = Composition(formula).oxi_state_guesses(max_sites=-1)
    states = dict(guesses[0]) if guesses else {}
    return states if any(states.values()) else {}


@lru_cache(maxsize=2048)
def neighbours(crystal: Crystal, reach: float) -> Bonds:
    """All pairs of atoms at most `reach` angstrom apart.

    Raises:
        InvdesignError: the crystal cannot be built.
    """
    structure, reason = built(crystal)
    if structure is None:
        raise InvdesignError(f"{crystal.formula}: {reason}; refuse such designs with the screen `distances`")
    return neighbours_in(structure, reach)


def neighbours_in(structure: Structure, reach: float) -> Bonds:
    """All pairs of atoms of a structure at most `reach` angstrom apart."""
    first, second, image, length = structure.get_neighbor_list(reach, exclude_self=True)
    return Bonds(first, second, image.astype(np.int64), length, len(structure))


def bonds(crystal: Crystal, *, stretch: float = STRETCH) -> Bonds:
    """Pairs at most `stretch` times the sum of their covalent radii apart; two cations are not bonded.

    References:
        Cordero et al., Dalton Trans. 2008, doi:10.1039/b801115j.
    """
    species, states = _species(crystal), oxidation_states(crystal.formula)
    radii = np.array([covalent_radius(element) for element in species])
    is_cation = np.array([states.get(element, 0) > 0 for element in species])
    near = neighbours(crystal, round(2 * stretch * float(radii.max()), 3))
    keep = near.length <= stretch * (radii[near.first] + radii[near.second])
    keep &= ~(is_cation[near.first] & is_cation[near.second])
    return Bonds(near.first[keep], near.second[keep], near.image[keep], near.length[keep], near.n_atoms)


def coordination_numbers(crystal: Crystal, *, stretch: float = STRETCH) -> npt.NDArray[np.int64]:
    """Bonds of each atom of the conventional cell (`n_atoms`)."""
    found = bonds(crystal, stretch=stretch)
    return np.bincount(found.first, minlength=found.n_atoms)


def dimensionality(crystal: Crystal, *, stretch: float = STRETCH) -> int:
    """In how many directions the best connected piece goes on without end: 0 molecules, 1 chains, 2 layers, 3 a net.

    The walk along bonds from an atom back to itself ends in another cell; the rank of those cells is the answer.

    References:
        Larsen et al., Phys. Rev. Materials 2019, doi:10.1103/PhysRevMaterials.3.034003.
    """
    found = bonds(crystal, stretch=stretch)
    order = np.argsort(found.first, kind="stable")
    starts = np.searchsorted(found.first[order], np.arange(found.n_atoms + 1))
    cells: list[npt.NDArray[np.int64] | None] = [None] * found.n_atoms
    best = 0
    for root in range(found.n_atoms):
        if cells[root] is not None:
            continue
        cells[root] = np.zeros(3, dtype=np.int64)
        queue, loops = [root], {(0, 0, 0)}
        while queue:
            i = queue.pop()
            here = cells[i]
            assert here is not None
            for k in order[starts[i] : starts[i + 1]]:
                j, there = int(found.second[k]), here + found.image[k]
                known = cells[j]
                if known is None:
                    cells[j] = there
                    queue.append(j)
                else:
                    x, y, z = (int(v) for v in there - known)
                    loops.add((x, y, z))
        best = max(best, int(np.linalg.matrix_rank(np.array(sorted(loops)))))
    return best


def bond_valence_sums(crystal: Crystal) -> tuple[list[str], Array, Array] | None:
    """Species, bond-valence sum and the sum expected of the species, for each atom of the conventional cell.

    What is expected is the mean over the ICSD with the same parameters, or the oxidation state where that is unknown.
    None where oxidation states cannot be guessed or an element has no parameters.

    References:
        O'Keeffe and Brese, J. Am. Chem. Soc. 1991, doi:10.1021/ja00009a002.
    """
    found = _valences(crystal)
    if found is None:
        return None
    valence = found.sign * np.exp(found.exponent - found.slope)
    sums = np.bincount(found.first, weights=valence, minlength=len(found.names)).astype(np.float64)
    return list(found.names), sums, found.expected


def valence_scale(crystal: Crystal) -> float:
    """The factor on all lengths at which bond valences add up, over the whole cell, to what is expected.

    Above 1 where the cell is squeezed; NaN where `bond_valence_sums` has no answer or no bonds are near.
    """
    found = _valences(crystal)
    if found is None or not found.sign.any():
        return math.nan
    is_bond = found.sign != 0
    exponent, slope = found.exponent[is_bond], found.slope[is_bond]
    wanted, scale = math.log(float(np.abs(found.expected).sum())), 1.0
    # The logarithm of the sum is convex and falls with the scale: Newton's steps cannot go astray.
    for _ in range(30):
        parts = exponent - scale * slope
        top = float(parts.max())
        weights = np.exp(parts - top)
        change = (top + math.log(float(weights.sum())) - wanted) * float(weights.sum() / (weights * slope).sum())
        scale += change
        if abs(change) < 1e-9:
            break
    return scale


@dataclass(frozen=True, eq=False)
class _Valences:
    """Pairs of atoms whose valence is `sign exp(exponent - slope)`, and what is expected of each atom."""

    names: tuple[str, ...]
    expected: Array
    first: npt.NDArray[np.int64]
    sign: Array
    exponent: Array
    slope: Array


def _valences(crystal: Crystal) -> _Valences | None:
    from pymatgen.analysis.bond_valence import BV_PARAMS, ELECTRONEG, ICSD_BV_DATA

    states = oxidation_states(crystal.formula)
    kinds = sorted(crystal.counts)
    if not states or any(Element(e) not in BV_PARAMS for e in kinds):
        return None
    r = np.array([BV_PARAMS[Element(e)]["r"] for e in kinds])
    c = np.array([BV_PARAMS[Element(e)]["c"] for e in kinds])
    x = np.array([ELECTRONEGATIVITY[e] for e in kinds])
    is_taker = np.array([Element(e) in ELECTRONEG for e in kinds])
    gap = np.sqrt(c)[:, None] - np.sqrt(c)[None]
    length = r[:, None] + r[None] - r[:, None] * r[None] * gap**2 / ((c * r)[:, None] + (c * r)[None])
    sign = np.where(x[:, None] < x[None], 1.0, -1.0) * (is_taker[:, None] | is_taker[None])
    np.fill_diagonal(sign, 0.0)

    kind = np.array([kinds.index(e) for e in _species(crystal)])
    near = neighbours(crystal, VALENCE_REACH)
    i, j = kind[near.first], kind[near.second]
    expected = []
    for element in kinds:
        charge = states[element]
        data = ICSD_BV_DATA.get(Species(element, round(charge))) if charge == round(charge) else None
        expected.append(float(data["mean"]) if data else charge)
    names = [f"{e}{states[e]:+g}" for e in kinds]
    slope = near.length * VALENCE_SCALE / VALENCE_SOFTNESS
    return _Valences(
        tuple(names[k] for k in kind),
        np.array(expected)[kind],
        near.first,
        sign[i, j],
        length[i, j] / VALENCE_SOFTNESS,
        slope,
    )


def perovskite_sites(crystal: Crystal) -> Perovskite | None:
    """A (the cation whose six nearest X are farther), B and X of an ABX3 crystal; None where the formula is another."""
    counts, n = crystal.counts, crystal.n_atoms
    anions = {e: 5 * k / n for e, k in counts.items() if e in ANIONS}
    cations = {e: 5 * k / n for e, k in counts.items() if e not in ANIONS}
    structure, _ = built(crystal)
    if structure is None or abs(sum(anions.values()) - 3) > 1e-9:
        return None
    shares = tuple(sorted((e, k / 3) for e, k in anions.items()))
    if sorted(cations.values()) == [2.0]:
        (only,) = cations
        return Perovskite(only, only, shares)
    if sorted(cations.values()) != [1.0, 1.0]:
        return None
    apart = _anion_distances(structure)
    if len(apart) != 2:
        return None
    b, a = sorted(apart, key=lambda e: (apart[e], e))
    return Perovskite(a, b, shares)


@lru_cache(maxsize=4096)
def shannon_radius(element: str, charge: float, coordination: int) -> float:
    """Shannon's ionic radius (angstrom), of the nearest charge and coordination that he gives; NaN where he has none.

    References:
        Shannon, Acta Cryst. A 1976, doi:10.1107/S0567739476001551.
    """
    table = Element(element).data.get("Shannon radii") or {}
    signed = {float(q): by for q, by in table.items() if float(q) * charge > 0}
    if not signed:
        return math.nan
    nearest = min(signed, key=lambda q: (abs(q - charge), abs(q)))
    sites = {n: by for name, by in signed[nearest].items() if (n := _coordination(name))}
    if abs(nearest - charge) > 1 or not sites:
        return math.nan
    spins = sites[min(sites, key=lambda n: (abs(n - coordination), -n))]
    spin = next((s for s in ("", "High Spin", "Low Spin") if s in spins), None)
    return math.nan if spin is None else float(spins[spin]["ionic_radius"])


@cache
def covalent_radius(element: str) -> float:
    """Cordero's covalent radius, angstrom."""
    from pymatgen.analysis.molecule_structure_comparator import CovalentRadius

    return float(CovalentRadius.radius.get(element, UNKNOWN_RADIUS))


def _anion_distances(structure: Structure) -> dict[str, float]:
    """Mean distance (angstrom) from each cation to its six nearest anions; those without any near are left out."""
    species = np.array([site.specie.symbol for site in structure])
    is_anion = np.isin(species, list(ANIONS))
    near = neighbours_in(structure, 2.5 * (structure.volume / len(structure)) ** (1 / 3))
    to_anion = ~is_anion[near.first] & is_anion[near.second]
    first, length = near.first[to_anion], near.length[to_anion]
    found: dict[str, list[float]] = {}
    for atom in np.unique(first):
        six = np.sort(length[first == atom])[:6]
        found.setdefault(str(species[atom]), []).append(float(six.mean()))
    return {element: sum(values) / len(values) for element, values in found.items()}


def _species(crystal: Crystal) -> list[str]:
    return [orbit.element for orbit in crystal.orbits for _ in range(orbit.multiplicity)]


def _coordination(name: str) -> int:
    """Shannon's Roman numeral as a number; 0 for a site of special shape (square, pyramid), told by its letters."""
    digits = {"I": 1, "V": 5, "X": 10}
    if any(letter not in digits for letter in name):
        return 0
    values = [digits[letter] for letter in name]
    return sum(-v if i + 1 < len(values) and v < values[i + 1] else v for i, v in enumerate(values))
