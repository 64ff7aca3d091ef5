"""Oracles that need no interatomic potential: geometry, electrostatics, tolerance factors, tables, convex hulls.

Each takes `n` designs and returns `n` numbers; NaN marks a design that could not be measured.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from pymatgen.core.composition import Composition
from pymatgen.core.periodic_table import Element
from pymatgen.core.structure import Structure

from invdesign.core import Array, InvdesignError, Oracle, ValueSource
from invdesign.core.capabilities import prepare_oracle, prepare_with, stating, value_sources
from invdesign.domains.crystals.chemistry import (
    build_structure,
    oxidation_states,
    perovskite_sites,
    shannon_radius,
    valence_scale,
)
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.io import cif_reader
from invdesign.domains.crystals.io.files import Paths
from invdesign.domains.crystals.io.refusals import MAX_SITES, RefusedError
from invdesign.domains.crystals.oracles import mlip
from invdesign.domains.crystals.symmetry.canonical import structure_of
from invdesign.domains.crystals.symmetry.matching import fits, formula, reduce_cell, rms

if TYPE_CHECKING:
    from pymatgen.analysis.phase_diagram import PhaseDiagram

By = Literal["structure", "formula"]
# Largest magnitude of an Ewald energy [eV/atom]; the sum diverges if atoms coincide.
MAX_ENERGY = 1e4
# Cells of a table that mark a missing value.
MISSING = ("", "nan", "na", "n/a", "none", "null", "-")


def evaluate_structures(designs: Sequence[Crystal], evaluate: Callable[[Crystal, Structure], float]) -> Array:
    """Evaluate a function of each crystal and its conventional cell.

    Args:
        designs: `n` crystals.
        evaluate: Function of a crystal and its structure, which it must not change.

    Returns:
        `n` values; NaN if the structure cannot be build_structure or the value is not finite.
    """
    values = np.full(len(designs), np.nan)
    for i, design in enumerate(designs):
        structure, _ = build_structure(design)
        if structure is not None:
            value = float(evaluate(design, structure))
            values[i] = value if math.isfinite(value) else np.nan
    return values


def mass_density(designs: Sequence[Crystal]) -> Array:
    """Compute the mass density.

    Args:
        designs: `n` crystals.

    Returns:
        `n` mass densities [g/cm^3].
    """
    return evaluate_structures(designs, lambda crystal, structure: float(structure.density))


def volume_per_atom(designs: Sequence[Crystal]) -> Array:
    """Compute the volume per atom.

    Args:
        designs: `n` crystals.

    Returns:
        `n` volumes [angstrom^3].

    Example:
        >>> from invdesign.domains.crystals.crystal import Orbit
        >>> copper = Crystal(225, (3.6, 3.6, 3.6, 90.0, 90.0, 90.0), (Orbit("Cu", "a", (0.0, 0.0, 0.0), 4),))
        >>> volume_per_atom([copper]).round(3).tolist()
        [11.664]
    """
    return evaluate_structures(designs, lambda crystal, structure: structure.volume / len(structure))


def ewald_energy(designs: Sequence[Crystal], *, is_scaled: bool = False) -> Array:
    """Compute the electrostatic (Madelung) energy of point charges by Ewald summation.

    The charges are the most likely neutral oxidation states.

    Args:
        designs: `n` crystals.
        is_scaled: Whether to scale the cell first so that bond valences add up (`chemistry.valence_scale`); the energy
            then cannot be lowered by compression.

    Returns:
        `n` energies [eV/atom]; NaN without oxidation states (metals, elements) or if atoms coincide.
    """

    def evaluate(crystal: Crystal, structure: Structure) -> float:
        states = oxidation_states(crystal.formula)
        if not states:
            return math.nan
        charged = structure_of(crystal, primitive=True).copy()
        charged.add_oxidation_state_by_element(dict(states))
        energy = _sum_charges(charged) / len(charged)
        # The energy of point charges is inversely proportional to their distances.
        energy /= valence_scale(crystal) if is_scaled else 1.0
        return energy if abs(energy) < MAX_ENERGY else math.nan

    return evaluate_structures(designs, evaluate)


def tolerance_factor(designs: Sequence[Crystal]) -> Array:
    """Compute the Goldschmidt tolerance factor t = (r_A + r_X) / (sqrt(2) (r_B + r_X)) of ABX3.

    It is 1 if A fits its cage; perovskites form between about 0.8 and 1.05. The radii are Shannon's for the most likely
    neutral oxidation states, with A in twelvefold, B and X in sixfold coordination.

    Args:
        designs: `n` crystals.

    Returns:
        `n` factors; NaN if the formula is not ABX3 or a radius is not tabulated.

    References:
        Goldschmidt, Naturwissenschaften 1926, doi:10.1007/BF01507527.
    """

    def evaluate(a: float, b: float, x: float, charge: float) -> float:
        return (a + x) / (math.sqrt(2) * (b + x))

    return evaluate_structures(designs, lambda crystal, structure: _evaluate_radii(crystal, evaluate))


def tau_factor(designs: Sequence[Crystal]) -> Array:
    """Compute the tolerance factor tau of Bartel et al. of ABX3.

    tau = r_X / r_B - n_A (n_A - (r_A / r_B) / ln(r_A / r_B)), where n_A is the charge of A. Below 4.18 a perovskite is
    more likely than not. The radii are those of `tolerance_factor`.

    Args:
        designs: `n` crystals.

    Returns:
        `n` factors; NaN as for `tolerance_factor`, and if A is not larger than B, where tau is not defined.

    References:
        Bartel et al., Sci. Adv. 2019, doi:10.1126/sciadv.aav0693.
    """

    def evaluate(a: float, b: float, x: float, charge: float) -> float:
        ratio = a / b
        return x / b - charge * (charge - ratio / math.log(ratio)) if ratio > 1 else math.nan

    return evaluate_structures(designs, lambda crystal, structure: _evaluate_radii(crystal, evaluate))


@stating("measured")
def measured_table(
    designs: Sequence[Crystal],
    *,
    path: Paths,
    column: str,
    by: By = "structure",
    cif_column: str = "cif",
    max_rms: float = 0.3,
) -> Array:
    """Look up measured values in tables of structures.

    Args:
        designs: `n` crystals.
        path: One .csv file or several, plain or gzipped.
        column: Column of the property; an empty cell is a missing value.
        by: How rows are matched. `"structure"` compares structures, which distinguishes phases and the assignment of
            elements to sites. `"formula"` compares reduced formulas in a column `formula`; the first row of a formula
            counts.
        cif_column: Column of the structures.
        max_rms: Largest `matching.rms` of a match, in units of `(V/N)^(1/3)`. Of the rows with the design's formula the
            nearest is used. ABX3 crystals with A and B exchanged differ by 0.4 or more.

    Returns:
        `n` values; NaN if no table contains the design.

    Raises:
        InvdesignError: A table, a column or a cell cannot be read, or `by` is unknown.
    """
    if by not in get_args(By):
        raise InvdesignError(f"measured_table: by must be one of {', '.join(get_args(By))}, got {by!r}")
    files = [_resolve(file, "measured_table") for file in ([path] if isinstance(path, str | Path) else path)]
    if by == "formula":
        values: dict[str, float] = {}
        for file in files:
            for name, value in _read_values_by_formula(file, file.stat().st_mtime_ns, column).items():
                values.setdefault(name, value)
        return evaluate_structures(designs, lambda crystal, structure: values.get(crystal.formula, math.nan))
    tables = [_read_structures(file, file.stat().st_mtime_ns, column, cif_column) for file in files]
    rows = {d.formula: [row for table in tables for row in table.get(d.formula, ())] for d in designs}
    return evaluate_structures(
        designs, lambda crystal, structure: _find_nearest(crystal, rows[crystal.formula], max_rms)
    )


def _prepare_energies(*, energy: Oracle, references: str | Path | None = None) -> None:
    """Read the references, and load what the oracle of the energy needs."""
    _load_references(references or mlip.find_references(energy))
    prepare_oracle(energy)


def _source_of_energy(*, energy: Oracle) -> ValueSource:
    """Return the source of the energy, which that of the difference to the references follows."""
    return value_sources(energy, 1)[0]


@stating(_source_of_energy)
@prepare_with(_prepare_energies)
def formation_energy(designs: Sequence[Crystal], *, energy: Oracle, references: str | Path | None = None) -> Array:
    """Compute the formation energy E - sum_e x_e mu_e from the elements.

    Args:
        designs: `n` crystals.
        energy: Oracle of the energy E [eV/atom], such as `mlip.energy_per_atom`.
        references: A .csv file with the columns `formula` and `energy_per_atom` [eV/atom]; the lowest row of each
            element is its mu. The energies must come from the same method as `energy`. Default: the energies of the
            elements for CHGNet that ship with the package (see `mlip.find_references`).

    Returns:
        `n` formation energies [eV/atom]; NaN if an element is missing in the table.

    Raises:
        InvdesignError: `references` is missing and `energy` is not CHGNet's, or the references cannot be read.
    """
    mu = _find_elements(_load_references(references or mlip.find_references(energy)))
    E = _evaluate_energies(designs, energy)
    fractions = [Composition(design.formula).fractional_composition.as_dict() for design in designs]
    base = [sum(x * mu.get(e, math.nan) for e, x in composition.items()) for composition in fractions]
    return E - np.array(base, dtype=np.float64)


@stating(_source_of_energy)
@prepare_with(_prepare_energies)
def energy_above_hull(designs: Sequence[Crystal], *, references: str | Path, energy: Oracle) -> Array:
    """Compute the energy above the convex hull of given phases; it is negative for a new stable phase.

    Args:
        designs: `n` crystals.
        references: A .csv file with the columns `formula` and `energy_per_atom` [eV/atom]: the competing phases and
            every element. The energies must come from the same method as `energy`; totals of different methods are not
            comparable.
        energy: Oracle of the energy [eV/atom], such as `mlip.relaxed_energy`.

    Returns:
        `n` energies [eV/atom]; NaN if an element is missing in the table.

    Raises:
        InvdesignError: The references cannot be read, or `energy` returns a wrong number of values.
    """
    from pymatgen.analysis.phase_diagram import PDEntry

    phases = _load_references(references)
    values = np.full(len(designs), np.nan)
    for i, e in enumerate(_evaluate_energies(designs, energy)):
        diagram = _build_diagram(phases, frozenset(designs[i].counts)) if math.isfinite(e) else None
        if diagram is None:
            continue
        composition = Composition(designs[i].formula)
        entry = PDEntry(composition, e * composition.num_atoms)
        above = diagram.get_decomp_and_e_above_hull(entry, allow_negative=True)[1]
        values[i] = math.nan if above is None else above
    return values


def _sum_charges(structure: Structure) -> float:
    """Return the Ewald energy [eV] of a structure with oxidation states."""
    from pymatgen.analysis.ewald import EwaldSummation

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return float(EwaldSummation(structure).total_energy)  # type: ignore[no-untyped-call]


def _evaluate_radii(crystal: Crystal, evaluate: Callable[[float, float, float, float], float]) -> float:
    """Evaluate a function of the radii [angstrom] of A, B and X and the charge of A; NaN if one of them is unknown."""
    sites, states = perovskite_sites(crystal), oxidation_states(crystal.formula)
    if sites is None or not states:
        return math.nan
    a, b = shannon_radius(sites.a, states[sites.a], 12), shannon_radius(sites.b, states[sites.b], 6)
    x = sum(fraction * shannon_radius(e, states[e], 6) for e, fraction in sites.x)
    return evaluate(a, b, x, states[sites.a]) if a > 0 and b > 0 and x > 0 else math.nan


def _evaluate_energies(designs: Sequence[Crystal], energy: Oracle) -> Array:
    """Return the energies [eV/atom] of an oracle as an array (`n`)."""
    E = np.asarray(energy(designs), dtype=np.float64)
    if E.size != len(designs):
        raise InvdesignError(f"energy: expected {len(designs)} values in eV/atom, got an array of shape {E.shape}")
    return E.reshape(-1)


def _resolve(path: str | Path, purpose: str) -> Path:
    file = Path(path)
    if not file.is_file():
        raise InvdesignError(f"{purpose}: expected a .csv file, got {file}: no such file. Check the path")
    return file.resolve()


def _read_rows(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a table with their numbers; the header is row 1."""
    raw = path.read_bytes()
    try:
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InvdesignError(f"{path}: expected a .csv file in UTF-8, plain or gzipped, got {error}") from error
    reader = csv.DictReader(io.StringIO(text))
    names = [str(name) for name in reader.fieldnames or ()]
    missing = [name for name in columns if name not in names]
    if missing:
        raise InvdesignError(f"{path}: expected a column {missing[0]!r}, got {', '.join(names)}")
    return list(enumerate(reader, start=2))


def _parse_number(path: Path, row: int, column: str, cell: str | None) -> float:
    """Return the number in a cell, NaN for a missing value."""
    text = (cell or "").strip()
    if text.lower() in MISSING:
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise InvdesignError(
            f"{path}, row {row}: expected a number or an empty cell in {column}, got {text!r}"
        ) from None


def _parse_structure(path: Path, row: int, text: str | None) -> Structure:
    blocks = cif_reader.blocks(text or "")
    try:
        if len(blocks) != 1:
            raise RefusedError(f"expected one structure, got {len(blocks)}", "write one CIF in each row")
        atoms, _ = cif_reader.read_atoms(blocks[0], max_sites=MAX_SITES)
    except RefusedError as error:
        raise InvdesignError(f"{path}, row {row}: {error.reason}; {error.remedy}, or remove the row") from error
    return atoms.to_structure()


@lru_cache(maxsize=4)
def _read_values_by_formula(path: Path, modified: int, column: str) -> dict[str, float]:
    """Return the first value of each formula; `modified` keys the cache."""
    table: dict[str, float] = {}
    for row, cells in _read_rows(path, ("formula", column)):
        value = _parse_number(path, row, column, cells[column])
        if math.isfinite(value):
            table.setdefault(_parse_formula(path, row, cells["formula"]), value)
    return table


@lru_cache(maxsize=4)
def _read_structures(
    path: Path, modified: int, column: str, cif_column: str
) -> dict[str, tuple[tuple[Structure, float], ...]]:
    """Return reduced structures with their values by formula; `modified` keys the cache."""
    table: dict[str, list[tuple[Structure, float]]] = {}
    for row, cells in _read_rows(path, (cif_column, column)):
        value = _parse_number(path, row, column, cells[column])
        if math.isfinite(value):
            structure = _parse_structure(path, row, cells[cif_column])
            table.setdefault(formula(structure), []).append((reduce_cell(structure), value))
    return {name: tuple(rows) for name, rows in table.items()}


def _find_nearest(crystal: Crystal, rows: Sequence[tuple[Structure, float]], max_rms: float) -> float:
    """Return the value of the nearest matching structure; NaN if there is none within `max_rms`."""
    if not rows:
        return math.nan
    design = reduce_cell(crystal)
    matches = [(rms(design, structure), value) for structure, value in rows if fits(design, structure)]
    distance, value = min(matches, default=(math.inf, math.nan))
    return value if distance <= max_rms else math.nan


def _reduce_formula(name: str) -> str:
    """Return a reduced formula in the form of `Crystal.formula`."""
    counts = {Element(e.symbol).symbol: round(n) for e, n in Composition(name).items()}
    divisor = math.gcd(*counts.values())
    return "".join(f"{e}{n // divisor if n > divisor else ''}" for e, n in sorted(counts.items()))


def _parse_formula(path: Path, row: int, cell: str | None) -> str:
    try:
        return _reduce_formula((cell or "").strip())
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise InvdesignError(f"{path}, row {row}: expected a formula such as SrTiO3, got {cell!r} ({error})") from error


def _load_references(references: str | Path) -> tuple[tuple[str, float], ...]:
    file = _resolve(references, "references (columns formula, energy_per_atom in eV/atom)")
    return _read_references(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read_references(path: Path, modified: int) -> tuple[tuple[str, float], ...]:
    """Return formulas and energies [eV/atom]; `modified` keys the cache."""
    rows = []
    for row, cells in _read_rows(path, ("formula", "energy_per_atom")):
        value = _parse_number(path, row, "energy_per_atom", cells["energy_per_atom"])
        if not math.isfinite(value):
            raise InvdesignError(
                f"{path}, row {row}: expected a number in energy_per_atom, got {cells['energy_per_atom']!r}. Fill the "
                "cell or remove the row"
            )
        rows.append((_parse_formula(path, row, cells["formula"]), value))
    return tuple(rows)


@lru_cache(maxsize=4)
def _find_elements(rows: tuple[tuple[str, float], ...]) -> dict[str, float]:
    """Return the lowest energy [eV/atom] of each element."""
    lowest: dict[str, float] = {}
    for name, energy in rows:
        if len(Composition(name)) == 1:
            lowest[name] = min(energy, lowest.get(name, math.inf))
    return lowest


@lru_cache(maxsize=512)
def _build_diagram(rows: tuple[tuple[str, float], ...], elements: frozenset[str]) -> PhaseDiagram | None:
    """Return the phase diagram of the phases of some elements; None if the energy of an element is missing."""
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram

    if not elements <= set(_find_elements(rows)):
        return None
    entries = []
    for name, energy in rows:
        composition = Composition(name)
        if {element.symbol for element in composition} <= elements:
            entries.append(PDEntry(composition, energy * composition.num_atoms))
    return PhaseDiagram(entries)
