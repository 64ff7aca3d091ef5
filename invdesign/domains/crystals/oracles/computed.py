"""Oracles of crystals that need no potential: geometry, electrostatics, tolerance factors, tables, convex hulls.

Each takes `n` designs and answers `n` numbers; NaN says that a design could not be measured.
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
from typing import Literal, get_args

import numpy as np
from pymatgen.core.composition import Composition
from pymatgen.core.periodic_table import Element
from pymatgen.core.structure import Structure

from invdesign.core import Array, InvdesignError, Oracle
from invdesign.domains.crystals.chemistry import (
    built,
    oxidation_states,
    perovskite_sites,
    shannon_radius,
    valence_scale,
)
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.io import cif
from invdesign.domains.crystals.io.files import Paths
from invdesign.domains.crystals.oracles import mlip
from invdesign.domains.crystals.symmetry.canonical import structure_of
from invdesign.domains.crystals.symmetry.matching import fits, formula, reduced, rms

By = Literal["structure", "formula"]
# Ewald sums diverge where atoms coincide.
NO_ENERGY = 1e4
MAX_SITES = 3000


def scored(designs: Sequence[Crystal], score: Callable[[Crystal, Structure], float]) -> Array:
    """A score per design (`n`) of the crystal and its conventional cell, NaN where that cannot be built."""
    values = np.full(len(designs), np.nan)
    for i, design in enumerate(designs):
        structure, _ = built(design)
        if structure is not None:
            value = float(score(design, structure))
            values[i] = value if math.isfinite(value) else np.nan
    return values


def density(designs: Sequence[Crystal]) -> Array:
    """Density in g/cm3 (`n`)."""
    return scored(designs, lambda crystal, structure: float(structure.density))


def volume_per_atom(designs: Sequence[Crystal]) -> Array:
    """Volume per atom in cubic angstrom (`n`)."""
    return scored(designs, lambda crystal, structure: structure.volume / len(structure))


def ewald_energy(designs: Sequence[Crystal], *, is_scaled: bool = False) -> Array:
    """Electrostatic (Madelung) energy of point charges in eV/atom (`n`).

    The charges are the likeliest neutral oxidation states; NaN where there are none (metals, elements).

    Args:
        designs: `n` crystals.
        is_scaled: in the cell scaled until bond valences add up (`chemistry.valence_scale`): squeezing wins nothing.
    """
    from pymatgen.analysis.ewald import EwaldSummation

    def score(crystal: Crystal, structure: Structure) -> float:
        states = oxidation_states(crystal.formula)
        if not states:
            return math.nan
        charged = structure_of(crystal, primitive=True).copy()
        charged.add_oxidation_state_by_element(dict(states))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            energy = float(EwaldSummation(charged).total_energy) / len(charged)
        # The energy of point charges is inverse to their distances.
        energy /= valence_scale(crystal) if is_scaled else 1.0
        return energy if abs(energy) < NO_ENERGY else math.nan

    return scored(designs, score)


def tolerance_factor(designs: Sequence[Crystal]) -> Array:
    """Goldschmidt's tolerance factor of ABX3 (`n`): 1 where A fits its cage, perovskites from about 0.8 to 1.05.

    Radii are Shannon's, A in twelvefold, B and X in sixfold coordination, for the likeliest neutral oxidation states.
    NaN where the formula is not ABX3 or a radius is unknown.

    References:
        Goldschmidt, Naturwissenschaften 1926, doi:10.1007/BF01507527.
    """

    def score(a: float, b: float, x: float, charge: float) -> float:
        return (a + x) / (math.sqrt(2) * (b + x))

    return scored(designs, lambda crystal, structure: _of_radii(crystal, score))


def tau_factor(designs: Sequence[Crystal]) -> Array:
    """Bartel's tolerance factor tau of ABX3 (`n`): below 4.18 the perovskite is likelier than not.

    Radii as for `tolerance_factor`. NaN where A is not larger than B, for which tau is not defined.

    References:
        Bartel et al., Sci. Adv. 2019, doi:10.1126/sciadv.aav0693.
    """

    def score(a: float, b: float, x: float, charge: float) -> float:
        ratio = a / b
        return x / b - charge * (charge - ratio / math.log(ratio)) if ratio > 1 else math.nan

    return scored(designs, lambda crystal, structure: _of_radii(crystal, score))


def measured_table(
    designs: Sequence[Crystal],
    *,
    path: Paths,
    column: str,
    by: By = "structure",
    cif_column: str = "cif",
    max_rms: float = 0.3,
) -> Array:
    """Look measured values up in tables of structures (`n`); NaN where no table has one.

    Args:
        designs: `n` crystals.
        path: a .csv file or several, plain or gzipped.
        column: the property. An empty cell is unknown.
        by: what makes a row and a design the same: their structures, which tells phases apart and which element sits on
            which site; or the reduced formulas alone, from a column `formula`, of which the first row counts.
        cif_column: where the tables have their structures.
        max_rms: of rows with the design's formula the nearest by `matching.rms` counts, if it is at most so far (in
            units of `(V/N)^(1/3)`). ABX3 with A and B exchanged are 0.4 or more apart.

    Raises:
        InvdesignError: a table, a column or a cell of it cannot be read.
    """
    if by not in get_args(By):
        raise InvdesignError(f"measured_table: by must be one of {', '.join(get_args(By))}, got {by!r}")
    places = [_existing(one, "measured table") for one in ([path] if isinstance(path, str | Path) else path)]
    if by == "formula":
        known = [_by_formula(place, place.stat().st_mtime_ns, column) for place in places]
        table = {name: value for one in reversed(known) for name, value in one.items()}
        return scored(designs, lambda crystal, structure: table.get(crystal.formula, math.nan))
    tables = [_structures(place, place.stat().st_mtime_ns, column, cif_column) for place in places]
    rows = {d.formula: [row for one in tables for row in one.get(d.formula, ())] for d in designs}
    return scored(designs, lambda crystal, structure: _nearest(crystal, rows[crystal.formula], max_rms))


def formation_energy(designs: Sequence[Crystal], *, energy: Oracle, references: str | Path | None = None) -> Array:
    """Energy less that of its elements, in eV/atom (`n`).

    Args:
        designs: `n` crystals.
        energy: an oracle in eV/atom, such as `mlip.energy_per_atom`.
        references: a .csv file with columns `formula` and `energy_per_atom` (eV/atom); of each element the lowest
            row counts. Its energies must come from the same method as `energy`. CHGNet's elements ship with the
            package (see `mlip.own_references`) and need not be given.

    Returns:
        NaN where the table lacks an element.

    Raises:
        InvdesignError: no references for an energy of another method than CHGNet, or they cannot be read.
    """
    lowest = _elements(_reference_rows(references or mlip.own_references(energy)))
    E = _energies(designs, energy)
    shares = [Composition(design.formula).fractional_composition.as_dict() for design in designs]
    base = [sum(x * lowest.get(e, math.nan) for e, x in share.items()) for share in shares]
    return E - np.array(base, dtype=np.float64)


def energy_above_hull(designs: Sequence[Crystal], *, references: str | Path, energy: Oracle) -> Array:
    """Energy above the convex hull of a user's phases, in eV/atom (`n`); below zero where the design is a new phase.

    Args:
        designs: `n` crystals.
        references: a .csv file with columns `formula` and `energy_per_atom` (eV/atom): the competing phases, and every
            element by itself. Its energies must come from the same method as `energy`: never mix totals.
        energy: an oracle in eV/atom, such as `mlip.relaxed_energy`.

    Returns:
        NaN where the table lacks an element by itself.
    """
    from pymatgen.analysis.phase_diagram import PDEntry

    rows = _reference_rows(references)
    values = np.full(len(designs), np.nan)
    for i, e in enumerate(_energies(designs, energy)):
        diagram = _diagram(rows, frozenset(designs[i].counts)) if math.isfinite(e) else None
        if diagram is None:
            continue
        whole = Composition(designs[i].formula)
        entry = PDEntry(whole, e * whole.num_atoms)
        above = diagram.get_decomp_and_e_above_hull(entry, allow_negative=True)[1]
        values[i] = math.nan if above is None else above
    return values


def _of_radii(crystal: Crystal, score: Callable[[float, float, float, float], float]) -> float:
    """A score of the radii (angstrom) of A, B and X and the charge of A; NaN where one of them is unknown."""
    sites, states = perovskite_sites(crystal), oxidation_states(crystal.formula)
    if sites is None or not states:
        return math.nan
    a, b = shannon_radius(sites.a, states[sites.a], 12), shannon_radius(sites.b, states[sites.b], 6)
    x = sum(share * shannon_radius(e, states[e], 6) for e, share in sites.x)
    return score(a, b, x, states[sites.a]) if a > 0 and b > 0 and x > 0 else math.nan


def _energies(designs: Sequence[Crystal], energy: Oracle) -> Array:
    E = np.asarray(energy(designs), dtype=np.float64)
    if E.size != len(designs):
        raise InvdesignError(f"energy: expected {len(designs)} values in eV/atom, got an array of {E.shape}")
    return E.reshape(-1)


def _existing(path: str | Path, what: str) -> Path:
    place = Path(path)
    if not place.is_file():
        raise InvdesignError(f"cannot read {place}: no such file. Check the path of the {what}")
    return place.resolve()


def _read(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a table with their numbers; the header is row 1."""
    raw = path.read_bytes()
    try:
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InvdesignError(f"cannot read {path}: {error}; expected a .csv file in UTF-8, plain or gzipped") from error
    reader = csv.DictReader(io.StringIO(text))
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        has = ", ".join(str(name) for name in reader.fieldnames or ())
        raise InvdesignError(f"{path}: no column {missing[0]!r}; it has {has}")
    return list(enumerate(reader, start=2))


def _number(path: Path, row: int, column: str, cell: str | None) -> float:
    text = (cell or "").strip()
    if text.lower() in ("", "nan", "na", "n/a", "none", "null", "-"):
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise InvdesignError(f"{path}, row {row}: {column} is {text!r}; expected a number or an empty cell") from None


def _structure(path: Path, row: int, text: str | None) -> Structure:
    found = cif.blocks(text or "")
    try:
        if len(found) != 1:
            raise cif.RefusedError(f"{len(found)} structures", "write one CIF in each row")
        structure = cif.structure(found[0], max_sites=MAX_SITES)
    except cif.RefusedError as error:
        raise InvdesignError(f"{path}, row {row}: {error.reason}; {error.remedy}, or remove the row") from error
    if not structure.is_ordered:
        raise InvdesignError(f"{path}, row {row}: disordered sites; remove the row")
    return structure


@lru_cache(maxsize=4)
def _by_formula(path: Path, changed: int, column: str) -> dict[str, float]:
    table: dict[str, float] = {}
    for row, cells in _read(path, ("formula", column)):
        value = _number(path, row, column, cells[column])
        if math.isfinite(value):
            table.setdefault(_formula(path, row, cells["formula"]), value)
    return table


@lru_cache(maxsize=4)
def _structures(
    path: Path, changed: int, column: str, cif_column: str
) -> dict[str, tuple[tuple[Structure, float], ...]]:
    """Reduced structures with their values, by formula as `Crystal.formula` writes it."""
    found: dict[str, list[tuple[Structure, float]]] = {}
    for row, cells in _read(path, (cif_column, column)):
        value = _number(path, row, column, cells[column])
        if math.isfinite(value):
            structure = _structure(path, row, cells[cif_column])
            found.setdefault(formula(structure), []).append((reduced(structure), value))
    return {name: tuple(rows) for name, rows in found.items()}


def _nearest(crystal: Crystal, rows: Sequence[tuple[Structure, float]], max_rms: float) -> float:
    mine = reduced(crystal) if rows else None
    found = [(rms(mine, structure), value) for structure, value in rows if mine is not None and fits(mine, structure)]
    distance, value = min(found, default=(math.inf, math.nan))
    return value if distance <= max_rms else math.nan


def _ordered(name: str) -> str:
    """A formula as `Crystal.formula` has it."""
    counts = {Element(e.symbol).symbol: round(n) for e, n in Composition(name).items()}
    unit = math.gcd(*counts.values())
    return "".join(f"{e}{n // unit if n > unit else ''}" for e, n in sorted(counts.items()))


def _formula(path: Path, row: int, cell: str | None) -> str:
    try:
        return _ordered((cell or "").strip())
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise InvdesignError(f"{path}, row {row}: {cell!r} is no formula ({error}); write e.g. SrTiO3") from error


def _reference_rows(references: str | Path) -> tuple[tuple[str, float], ...]:
    place = _existing(references, "reference energies (columns formula, energy_per_atom in eV/atom)")
    return _references(place, place.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _references(path: Path, changed: int) -> tuple[tuple[str, float], ...]:
    rows = []
    for row, cells in _read(path, ("formula", "energy_per_atom")):
        value = _number(path, row, "energy_per_atom", cells["energy_per_atom"])
        if not math.isfinite(value):
            raise InvdesignError(f"{path}, row {row}: energy_per_atom is not known; fill the cell or remove the row")
        rows.append((_formula(path, row, cells["formula"]), value))
    return tuple(rows)


@lru_cache(maxsize=4)
def _elements(rows: tuple[tuple[str, float], ...]) -> dict[str, float]:
    """The lowest energy per atom of each element by itself."""
    lowest: dict[str, float] = {}
    for name, energy in rows:
        if len(Composition(name)) == 1:
            lowest[name] = min(energy, lowest.get(name, math.inf))
    return lowest


@lru_cache(maxsize=512)
def _diagram(rows: tuple[tuple[str, float], ...], elements: frozenset[str]):  # type: ignore[no-untyped-def]
    """Pymatgen's phase diagram of the phases within some elements; None where an element by itself is missing."""
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram

    if not elements <= set(_elements(rows)):
        return None
    inside = [(Composition(name), energy) for name, energy in rows]
    return PhaseDiagram([PDEntry(c, e * c.num_atoms) for c, e in inside if {x.symbol for x in c} <= elements])
