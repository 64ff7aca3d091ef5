"""Checks of atoms against what a CIF states of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from pymatgen.core.composition import Composition

from invdesign.domains.crystals.io.cif_block import MAX_CELL_TEXT, Block, plain, read_number
from invdesign.domains.crystals.io.refusals import RefusedError
from invdesign.domains.crystals.periodic_atoms import ATOMIC_NUMBERS, PeriodicAtoms

MAX_FORMULA_ERROR = 0.01
"""Largest difference of the mole fraction of an element from the stated formula."""
MAX_DENSITY_ERROR = {"_exptl_crystal_density_diffrn": 0.1, "_exptl_crystal_density_meas": 0.2}
MAX_VOLUME_ERROR = 0.05
MULTIPLICITIES = ("_atom_site_site_symmetry_multiplicity", "_atom_site_symmetry_multiplicity")
CELL_FACTORS = (1, 2, 3, 4)
"""Numbers of lattice points of conventional cells."""


def check_stated(atoms: PeriodicAtoms, data: Block) -> None:
    """Reject atoms that contradict the formula, the number of formula units, the volume or the density of the file."""
    text = data.values.get("_chemical_formula_sum", "")
    stated = _parse_formula(text)
    if stated:
        _check_formula(atoms, stated, text)
        _check_units(atoms, stated, text, data.values.get("_cell_formula_units_z", ""))
    volume = read_number(data.values.get("_cell_volume", ""))
    if math.isfinite(volume) and abs(atoms.volume - volume) > MAX_VOLUME_ERROR * abs(volume):
        raise RefusedError(
            f"the cell has {atoms.volume:.4g} A^3, the file states {volume:.4g} A^3", "correct the cell or _cell_volume"
        )
    for name, error in MAX_DENSITY_ERROR.items():
        density = read_number(data.values.get(name, ""))
        if math.isfinite(density) and density > 0 and abs(atoms.mass_density - density) > error * density:
            raise RefusedError(
                f"the atoms have a density of {atoms.mass_density:.4g} g/cm3, the file states {density:.4g} g/cm3",
                f"add or remove atoms, check the origin of the space group, or correct {name}",
            )


@lru_cache(maxsize=4096)
def _parse_formula(text: str) -> dict[str, float]:
    """Return the atoms of a formula by element; empty where the text is no plain formula."""
    pairs = re.findall(r"([A-Z][a-z]?)(\d+\.?\d*|\.\d+)?", text[:MAX_CELL_TEXT])
    if not pairs or "".join(f"{e}{n}" for e, n in pairs) != re.sub(r"[\s'\"]", "", text):
        return {}
    stated: dict[str, float] = {}
    for element, n in pairs:
        symbol = "H" if element == "D" else element
        stated[symbol] = stated.get(symbol, 0) + float(n or 1)
    total = sum(stated.values())
    return stated if ATOMIC_NUMBERS.keys() >= stated.keys() and 0 < total < 1e9 else {}


def _check_formula(atoms: PeriodicAtoms, stated: Mapping[str, float], text: str) -> None:
    """Reject atoms that differ from the stated formula: hydrogen is often left out, and atoms are merged wrongly."""
    actual = atoms.counts
    n_stated, n_actual = sum(stated.values()), sum(actual.values())
    differences = [abs(stated.get(e, 0) / n_stated - actual.get(e, 0) / n_actual) for e in {*stated, *actual}]
    if any(difference > MAX_FORMULA_ERROR for difference in differences):
        raise RefusedError(
            f"the atoms are {Composition(actual).reduced_formula}, the formula of the file is {text}",
            "add what is missing (often hydrogen), or correct _chemical_formula_sum",
        )


def _check_units(atoms: PeriodicAtoms, stated: Mapping[str, float], text: str, units: str) -> None:
    """Reject a number of atoms that is neither Z formulas nor, as pymatgen writes it, the formula of the cell."""
    z = read_number(units)
    if not (math.isfinite(z) and z > 0):
        return
    n, n_formula = len(atoms), sum(stated.values())
    if all(abs(n - expected) > max(0.01 * expected, 0.5) for expected in (z * n_formula, n_formula)):
        raise RefusedError(
            f"{n} atoms in the cell, the file states Z = {z:g} of {text}: {z * n_formula:g} atoms "
            f"(density {atoms.mass_density:.4g}, not {atoms.mass_density * z * n_formula / n:.4g} g/cm3)",
            "check the origin of the space group and the atoms, or correct _cell_formula_units_Z",
        )


def is_number_stated(atoms: PeriodicAtoms, data: Block) -> bool:
    """Return whether a file states a formula and a number of formula units that give the number of the atoms."""
    stated = _parse_formula(data.values.get("_chemical_formula_sum", ""))
    z = read_number(data.values.get("_cell_formula_units_z", ""))
    expected = z * sum(stated.values())
    return expected > 0 and abs(len(atoms) - expected) <= max(0.01 * expected, 0.5)


def check_multiplicities(atoms: PeriodicAtoms, symbols: Sequence[str], n_images: Sequence[int], data: Block) -> None:
    """Reject numbers of images that contradict the multiplicities of the file, unless formula and Z confirm the atoms.

    Programs write the multiplicity in another cell (a common factor), the order of the site symmetry (inversely
    proportional), or 1 for every site.

    Args:
        atoms: All atoms of the cell.
        symbols: Element of each listed atom.
        n_images: Number of images of each listed atom.
        data: The data block.

    Raises:
        RefusedError: The numbers of images are neither proportional nor inversely proportional to the multiplicities.
    """
    words = next((data.columns[name] for name in MULTIPLICITIES if name in data.columns), ())
    if not words or set(words) == {"1"}:
        return
    listed = [(symbol, n, read_number(plain(word))) for symbol, n, word in zip(symbols, n_images, words, strict=False)]
    listed = [(symbol, n, stated) for symbol, n, stated in listed if stated > 0]
    if all(stated == 1 for *_, stated in listed) or is_number_stated(atoms, data):
        return
    if any(len(set(common)) == 1 for common in ([n / m for _, n, m in listed], [n * m for _, n, m in listed])):
        return
    if len(atoms) == len(symbols) and _is_complete(listed):
        return
    shown = ", ".join(f"{symbol} {m:g} (found {n})" for symbol, n, m in listed[:4])
    raise RefusedError(
        f"the multiplicities of the file contradict its symmetry: {shown}",
        "write the symmetry operators, or correct _atom_site_symmetry_multiplicity",
    )


def _is_complete(listed: Sequence[tuple[str, int, float]]) -> bool:
    """Return whether all atoms of each orbit may be listed: their number is a multiple of the multiplicity."""
    numbers: dict[tuple[str, float], int] = {}
    for symbol, n, multiplicity in listed:
        numbers[symbol, multiplicity] = numbers.get((symbol, multiplicity), 0) + n
    return any(all(factor * n % m == 0 for (_, m), n in numbers.items()) for factor in CELL_FACTORS)
