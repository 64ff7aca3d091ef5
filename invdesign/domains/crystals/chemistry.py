"""Chemistry of crystals for oracles and validators: oxidation states, bonds, bond valences and perovskite sites."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt
from pymatgen.core.composition import Composition
from pymatgen.core.periodic_table import Element, Species
from pymatgen.core.structure import Structure

from invdesign.core import Array, InvdesignError
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.canonical import structure_of

Integers = npt.NDArray[np.int64]

# Elements that are anions on anion sites. Carbon, phosphorus and the semimetals are as often cations.
ANIONS = frozenset(("H", "N", "O", "F", "S", "Cl", "Se", "Br", "I"))
STRETCH = 1.15
# Pauling's electronegativities; NaN where there is no value. pymatgen warns once per element without a value, so that
# the warnings are suppressed here, at the first access.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    ELECTRONEGATIVITY = {element.symbol: float(element.X) for element in Element}
# Covalent radius of elements without a tabulated one [angstrom].
UNKNOWN_RADIUS = 1.7
# Longest bond that enters a bond-valence sum [angstrom].
VALENCE_REACH = 4.0
# Cells computed with GGA are slightly too large for bond-valence parameters of measured cells.
VALENCE_SCALE = 1.015
# Softness [angstrom] for which pymatgen's mean bond-valence sums over the ICSD hold.
VALENCE_SOFTNESS = 0.31
# A cell with a smaller value of `(V / (a b c))^2` counts as flat.
MIN_SQUARED_VOLUME = 1e-9


@dataclass(frozen=True, eq=False)
class Bonds:
    """Pairs of atoms of the conventional cell, each in both directions."""

    first: Integers
    """Indices of the first atoms, `k`."""
    second: Integers
    """Indices of the second atoms, `k`."""
    image: Integers
    """Cell of the second atom as a lattice translation, `k x 3`."""
    length: Array
    """Distances [angstrom], `k`."""
    n_atoms: int
    """Number of atoms of the cell."""


@dataclass(frozen=True)
class Perovskite:
    """Elements on the sites of a perovskite ABX3."""

    a: str
    """Element on A."""
    b: str
    """Element on B."""
    x: tuple[tuple[str, float], ...]
    """Elements that share X, each with its fraction."""


def build_structure(crystal: Crystal) -> tuple[Structure | None, str]:
    """Build the conventional cell of a crystal.

    Args:
        crystal: The crystal.

    Returns:
        The structure and an empty string, or None and the reason why it cannot be built. The structure is shared
        through a cache: copy it before you modify it.
    """
    reason = _cell_defect(crystal)
    if reason:
        return None, reason
    try:
        structure = structure_of(crystal)
    except InvdesignError as error:
        return None, str(error)
    if len(structure) != crystal.n_atoms:
        return None, f"atoms on one place: {crystal.n_atoms} atoms at {len(structure)} distinct positions"
    return structure, ""


def has_cell(crystal: Crystal) -> bool:
    """Return whether a crystal has atoms, finite numbers and a cell with a volume."""
    return not _cell_defect(crystal)


@lru_cache(maxsize=65536)
def oxidation_states(formula: str) -> Mapping[str, float]:
    """Return the most likely charge-neutral oxidation states of a formula, by their frequency in the ICSD.

    Args:
        formula: Chemical formula.

    Returns:
        Oxidation state by element; atoms of one element share their mean (Fe in Fe3O4 has +8/3). Empty where no
        neutral choice is known, and where no atom is charged.

    Example:
        >>> sorted(oxidation_states("O3SrTi").items())
        [('O', -2.0), ('Sr', 2.0), ('Ti', 4.0)]
    """
    guesses = Composition(formula).oxi_state_guesses(max_sites=-1)
    states = dict(guesses[0]) if guesses else {}
    return states if any(states.values()) else {}


@lru_cache(maxsize=65536)
def is_neutral(
    formula: str,
    *,
    oxidation_states_set: str = "smact14",
    allow_alloys: bool = True,
    allow_mixed_valence: bool = False,
) -> bool:
    """Return whether some choice of oxidation states is neutral, with anions more electronegative than its cations.

    Args:
        formula: Chemical formula.
        oxidation_states_set: One of SMACT's sets, or the path of a file of your own; newer sets allow more.
        allow_alloys: Whether compounds of metals only pass.
        allow_mixed_valence: Whether atoms of one element may have different states, as in Fe3O4; SMACT lists the
            elements for which they may.

    Raises:
        InvdesignError: If there is no such set.

    References:
        Davies et al., Chem 2016, doi:10.1016/j.chempr.2016.09.010.

    Example:
        >>> is_neutral("Fe3O4"), is_neutral("Fe3O4", allow_mixed_valence=True)
        (False, True)
    """
    from smact.screening import smact_validity

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            is_valid = smact_validity(
                Composition(formula),
                include_alloys=allow_alloys,
                oxidation_states_set=oxidation_states_set,
                mixed_valence=allow_mixed_valence,
            )
        except ValueError as error:
            raise InvdesignError(
                f"neutrality: expected a known oxidation_states_set, got {oxidation_states_set!r} ({error}). "
                f"Use smact14, the default."
            ) from error
    return bool(is_valid)


@lru_cache(maxsize=2048)
def neighbours(crystal: Crystal, reach: float) -> Bonds:
    """Return all pairs of atoms at most `reach` [angstrom] apart.

    Args:
        crystal: The crystal.
        reach: Largest distance [angstrom].

    Raises:
        InvdesignError: If the crystal cannot be built.
    """
    structure, reason = build_structure(crystal)
    if structure is None:
        raise InvdesignError(
            f"neighbours: expected a crystal that can be built, got {crystal.formula}: {reason}. "
            f"Exclude such designs with the screen `distances`."
        )
    return neighbours_in(structure, reach)


def neighbours_in(structure: Structure, reach: float) -> Bonds:
    """Return all pairs of atoms of a structure at most `reach` [angstrom] apart."""
    first, second, image, length = structure.get_neighbor_list(reach, exclude_self=True)
    return Bonds(first, second, image.astype(np.int64), length, len(structure))


def bonds(crystal: Crystal, *, stretch: float = STRETCH) -> Bonds:
    """Return the bonds of a crystal: pairs not longer than `stretch` times the sum of their covalent radii.

    Two cations are not bonded.

    Args:
        crystal: The crystal.
        stretch: Largest ratio of the distance to the sum of the covalent radii.

    References:
        Cordero et al., Dalton Trans. 2008, doi:10.1039/b801115j.
    """
    species, states = _species(crystal), oxidation_states(crystal.formula)
    radii = np.array([covalent_radius(element) for element in species])
    is_cation = np.array([states.get(element, 0) > 0 for element in species])
    pairs = neighbours(crystal, round(2 * stretch * float(radii.max()), 3))
    is_bond = pairs.length <= stretch * (radii[pairs.first] + radii[pairs.second])
    is_bond &= ~(is_cation[pairs.first] & is_cation[pairs.second])
    return Bonds(
        pairs.first[is_bond], pairs.second[is_bond], pairs.image[is_bond], pairs.length[is_bond], pairs.n_atoms
    )


def coordination_numbers(crystal: Crystal, *, stretch: float = STRETCH) -> Integers:
    """Return the number of bonds of each atom of the conventional cell, `n_atoms`; arguments as for `bonds`."""
    pairs = bonds(crystal, stretch=stretch)
    return np.bincount(pairs.first, minlength=pairs.n_atoms)


def dimensionality(crystal: Crystal, *, stretch: float = STRETCH) -> int:
    """Return the number of directions in which the bonds of a crystal are infinite.

    It is 0 for molecules, 1 for chains, 2 for layers and 3 for a network; of several components the highest one counts.
    Paths of bonds from an atom back to its periodic images give lattice translations; their rank is the dimensionality.

    Args:
        crystal: The crystal.
        stretch: Largest ratio of a bond length to the sum of the covalent radii.

    References:
        Larsen et al., Phys. Rev. Materials 2019, doi:10.1103/PhysRevMaterials.3.034003.
    """
    return network_dimensionality(bonds(crystal, stretch=stretch))


def network_dimensionality(pairs: Bonds) -> int:
    """Return the number of directions in which bonded pairs are infinite, see `dimensionality`."""
    order = np.argsort(pairs.first, kind="stable")
    starts = np.searchsorted(pairs.first[order], np.arange(pairs.n_atoms + 1))
    bonds_of = [order[starts[i] : starts[i + 1]] for i in range(pairs.n_atoms)]
    cells: list[Integers | None] = [None] * pairs.n_atoms
    highest = 0
    for root in range(pairs.n_atoms):
        if cells[root] is None:
            loops = _explore_component(root, cells, pairs, bonds_of)
            highest = max(highest, int(np.linalg.matrix_rank(np.array(sorted(loops)))))
    return highest


def _explore_component(
    root: int, cells: list[Integers | None], pairs: Bonds, bonds_of: list[Integers]
) -> set[tuple[int, int, int]]:
    """Assign a cell to every atom of a bonded component, and return the lattice translations of its closed paths.

    Args:
        root: Index of an atom of the component.
        cells: Cell of each atom, None before it is reached; modified in place.
        pairs: All bonds.
        bonds_of: Indices of the bonds of each atom.
    """
    cells[root] = np.zeros(3, dtype=np.int64)
    stack, loops = [root], {(0, 0, 0)}
    while stack:
        i = stack.pop()
        cell = cells[i]
        assert cell is not None  # it was assigned before the atom was put on the stack
        for k in bonds_of[i]:
            j, reached = int(pairs.second[k]), cell + pairs.image[k]
            assigned = cells[j]
            if assigned is None:
                cells[j] = reached
                stack.append(j)
            else:
                x, y, z = (int(v) for v in reached - assigned)
                loops.add((x, y, z))
    return loops


def bond_valence_sums(crystal: Crystal) -> tuple[list[str], Array, Array] | None:
    """Return the bond-valence sums of the atoms of the conventional cell.

    The expected sum of a species is its mean over the ICSD with the same parameters, or its oxidation state where
    that mean is not tabulated.

    Args:
        crystal: The crystal.

    Returns:
        Species, bond-valence sum and expected sum of each atom (`n_atoms` each), or None where the oxidation states
        cannot be guessed or an element has no parameters.

    References:
        O'Keeffe and Brese, J. Am. Chem. Soc. 1991, doi:10.1021/ja00009a002.
    """
    valences = _valences(crystal)
    if valences is None:
        return None
    valence = valences.sign * np.exp(valences.exponent - valences.slope)
    sums = np.bincount(valences.first, weights=valence, minlength=len(valences.names)).astype(np.float64)
    return list(valences.names), sums, valences.expected


def valence_scale(crystal: Crystal) -> float:
    """Return the factor on all lengths at which the bond valences of the cell sum to the expected total.

    Args:
        crystal: The crystal.

    Returns:
        The factor, above 1 for a compressed cell; NaN where `bond_valence_sums` returns None or no bond is in reach.
    """
    valences = _valences(crystal)
    if valences is None or not valences.sign.any():
        return math.nan
    is_bond = valences.sign != 0
    exponent, slope = valences.exponent[is_bond], valences.slope[is_bond]
    log_expected, scale = math.log(float(np.abs(valences.expected).sum())), 1.0
    # The logarithm of the sum is convex and decreasing in the scale, so that Newton's method converges.
    for _ in range(30):
        terms = exponent - scale * slope
        largest = float(terms.max())
        weights = np.exp(terms - largest)
        log_sum = largest + math.log(float(weights.sum()))
        change = (log_sum - log_expected) * float(weights.sum() / (weights * slope).sum())
        scale += change
        if abs(change) < 1e-9:
            break
    return scale


@dataclass(frozen=True, eq=False)
class _Valences:
    """Pairs of atoms with the bond valence `sign * exp(exponent - slope)`, and the expected sum of each atom."""

    names: tuple[str, ...]
    """Species of each atom, `n_atoms`."""
    expected: Array
    """Expected bond-valence sum of each atom, `n_atoms`."""
    first: Integers
    """Index of the atom that receives the valence, `k`."""
    sign: Array
    """1 for a bond of a cation, -1 for that of an anion, 0 for no bond, `k`."""
    exponent: Array
    """Bond length of valence 1 over the softness, `k`."""
    slope: Array
    """Bond length over the softness, `k`."""


def _valences(crystal: Crystal) -> _Valences | None:
    """Return the bond valences of all pairs in reach; None where states or parameters are missing."""
    from pymatgen.analysis.bond_valence import BV_PARAMS

    states = oxidation_states(crystal.formula)
    elements = sorted(crystal.counts)
    if not states or any(Element(element) not in BV_PARAMS for element in elements):
        return None
    sign, length = _valence_parameters(elements)
    expected = [_expected_valence(element, states[element]) for element in elements]
    names = [f"{element}{states[element]:+g}" for element in elements]
    kind = np.array([elements.index(element) for element in _species(crystal)])
    pairs = neighbours(crystal, VALENCE_REACH)
    i, j = kind[pairs.first], kind[pairs.second]
    return _Valences(
        names=tuple(names[k] for k in kind),
        expected=np.array(expected)[kind],
        first=pairs.first,
        sign=sign[i, j],
        exponent=length[i, j] / VALENCE_SOFTNESS,
        slope=pairs.length * VALENCE_SCALE / VALENCE_SOFTNESS,
    )


def _valence_parameters(elements: list[str]) -> tuple[Array, Array]:
    """Return the sign of the valence and the bond length of valence 1 [angstrom] for pairs of elements, `m x m`."""
    from pymatgen.analysis.bond_valence import BV_PARAMS, ELECTRONEG

    r = np.array([BV_PARAMS[Element(element)]["r"] for element in elements])
    c = np.array([BV_PARAMS[Element(element)]["c"] for element in elements])
    x = np.array([ELECTRONEGATIVITY[element] for element in elements])
    is_electronegative = np.array([Element(element) in ELECTRONEG for element in elements])
    gap = np.sqrt(c)[:, None] - np.sqrt(c)[None]
    length = r[:, None] + r[None] - r[:, None] * r[None] * gap**2 / ((c * r)[:, None] + (c * r)[None])
    is_bonded = is_electronegative[:, None] | is_electronegative[None]
    sign = np.where(x[:, None] < x[None], 1.0, -1.0) * is_bonded
    np.fill_diagonal(sign, 0.0)
    return sign, length


def _expected_valence(element: str, charge: float) -> float:
    """Return the mean bond-valence sum of a species over the ICSD, or the charge where it is not tabulated."""
    from pymatgen.analysis.bond_valence import ICSD_BV_DATA

    if charge != round(charge):
        return charge
    data = ICSD_BV_DATA.get(Species(element, round(charge)))
    return float(data["mean"]) if data else charge


def perovskite_sites(crystal: Crystal) -> Perovskite | None:
    """Return the elements on A, B and X of a crystal with the formula ABX3.

    A is the cation with the longer mean distance to its six nearest anions.

    Args:
        crystal: The crystal.

    Returns:
        The sites, or None where the formula is another or the crystal cannot be built.
    """
    counts, n = crystal.counts, crystal.n_atoms
    anions = {element: 5 * k / n for element, k in counts.items() if element in ANIONS}
    cations = {element: 5 * k / n for element, k in counts.items() if element not in ANIONS}
    structure, _ = build_structure(crystal)
    if structure is None or abs(sum(anions.values()) - 3) > 1e-9:
        return None
    x = tuple(sorted((element, k / 3) for element, k in anions.items()))
    if sorted(cations.values()) == [2.0]:
        (cation,) = cations
        return Perovskite(cation, cation, x)
    if sorted(cations.values()) != [1.0, 1.0]:
        return None
    distance_of = _anion_distances(structure)
    if len(distance_of) != 2:
        return None
    b, a = sorted(distance_of, key=lambda element: (distance_of[element], element))
    return Perovskite(a, b, x)


@lru_cache(maxsize=4096)
def shannon_radius(element: str, charge: float, coordination: int) -> float:
    """Return Shannon's ionic radius [angstrom] for the nearest tabulated charge and coordination number.

    Args:
        element: Chemical symbol.
        charge: Oxidation state.
        coordination: Number of nearest neighbours.

    Returns:
        The radius; NaN where no charge of the same sign within 1 is tabulated for a regular site.

    References:
        Shannon, Acta Cryst. A 1976, doi:10.1107/S0567739476001551.
    """
    table = Element(element).data.get("Shannon radii") or {}
    same_sign = {float(q): sites for q, sites in table.items() if float(q) * charge > 0}
    if not same_sign:
        return math.nan
    nearest = min(same_sign, key=lambda q: (abs(q - charge), abs(q)))
    by_coordination = {}
    for label, radii in same_sign[nearest].items():
        n = _parse_roman(label)
        if n:
            by_coordination[n] = radii
    if abs(nearest - charge) > 1 or not by_coordination:
        return math.nan
    spins = by_coordination[min(by_coordination, key=lambda n: (abs(n - coordination), -n))]
    spin = next((name for name in ("", "High Spin", "Low Spin") if name in spins), None)
    return math.nan if spin is None else float(spins[spin]["ionic_radius"])


@cache
def covalent_radius(element: str) -> float:
    """Return Cordero's covalent radius [angstrom]; `UNKNOWN_RADIUS` for an element without one."""
    from pymatgen.analysis.molecule_structure_comparator import CovalentRadius

    return float(CovalentRadius.radius.get(element, UNKNOWN_RADIUS))


def _anion_distances(structure: Structure) -> dict[str, float]:
    """Return the mean distance [angstrom] from each cation to its six nearest anions.

    Cations without an anion in reach are left out.
    """
    species = np.array([site.specie.symbol for site in structure])
    is_anion = np.isin(species, list(ANIONS))
    pairs = neighbours_in(structure, 2.5 * (structure.volume / len(structure)) ** (1 / 3))
    is_cation_anion = ~is_anion[pairs.first] & is_anion[pairs.second]
    first, length = pairs.first[is_cation_anion], pairs.length[is_cation_anion]
    distances: dict[str, list[float]] = {}
    for atom in np.unique(first):
        nearest_six = np.sort(length[first == atom])[:6]
        distances.setdefault(str(species[atom]), []).append(float(nearest_six.mean()))
    return {element: sum(values) / len(values) for element, values in distances.items()}


def _cell_defect(crystal: Crystal) -> str:
    """Return why a cell cannot be built, or an empty string."""
    a, b, c, *angles = crystal.cell
    cosines = np.cos(np.radians(angles))
    squared_volume = 1 - (cosines**2).sum() + 2 * cosines.prod()
    positions = np.array([orbit.position for orbit in crystal.orbits], dtype=float)
    if not crystal.orbits:
        return "no atoms"
    if not (np.isfinite(crystal.cell).all() and np.isfinite(positions).all()):
        return "cell or coordinates are not finite"
    if min(a, b, c) <= 0 or squared_volume <= MIN_SQUARED_VOLUME:
        return "the cell has no volume"
    return ""


def _species(crystal: Crystal) -> list[str]:
    """Return the element of each atom of the conventional cell, `n_atoms`."""
    return [orbit.element for orbit in crystal.orbits for _ in range(orbit.multiplicity)]


def _parse_roman(label: str) -> int:
    """Return Shannon's Roman numeral as a number; 0 for a label with a suffix, i.e. a square or pyramidal site."""
    digits = {"I": 1, "V": 5, "X": 10}
    if any(letter not in digits for letter in label):
        return 0
    values = [digits[letter] for letter in label]
    total = 0
    for i, value in enumerate(values):
        is_subtracted = i + 1 < len(values) and value < values[i + 1]
        total += -value if is_subtracted else value
    return total
