"""Writer of CIF data blocks of crystals, with their symmetry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from math import gcd
from typing import Any

import numpy as np
import spglib
from pymatgen.core.lattice import Lattice

from invdesign.core import Array
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.io.cif_reader import CELL
from invdesign.domains.crystals.symmetry.wyckoff import default_hall_numbers, operators


def block(crystal: Crystal, name: str, *, more: Mapping[str, Any] | None = None) -> str:
    """Return a data block of a crystal: space group, operators, and one atom for each orbit.

    Args:
        crystal: Crystal in spglib's default setting, so that the operators are those of its database.
        name: Name of the block; characters that CIF does not allow become `_`.
        more: Further values by heading, written as `_invdesign_...`; None, NaN and empty values are left out.
    """
    symbol, hall, texts = describe_space_group(crystal.space_group)
    counts = crystal.counts
    unit = gcd(*counts.values())
    lattice = Lattice.from_parameters(*crystal.cell)
    lines = [
        f"data_{re.sub(r'[^A-Za-z0-9_.+-]', '_', name)[:70]}",
        f"_symmetry_space_group_name_H-M   '{symbol}'",
        f"_symmetry_space_group_name_Hall   '{hall}'",
        f"_symmetry_Int_Tables_number   {crystal.space_group}",
        *(f"_cell_{part}   {value:.8f}" for part, value in zip(CELL, crystal.cell, strict=True)),
        f"_cell_volume   {lattice.volume:.6f}",
        f"_cell_formula_units_Z   {unit}",
        f"_chemical_formula_sum   '{' '.join(f'{e}{n}' for e, n in sorted(counts.items()))}'",
        *(f"_invdesign_{_item_name(key)}   {_quote(value)}" for key, value in (more or {}).items() if has_value(value)),
        "loop_",
        " _symmetry_equiv_pos_site_id",
        " _symmetry_equiv_pos_as_xyz",
        *(f"  {i}  '{text}'" for i, text in enumerate(texts, start=1)),
        "loop_",
        *(f" _atom_site_{word}" for word in ("type_symbol", "label", "symmetry_multiplicity", "Wyckoff_symbol")),
        *(f" _atom_site_{word}" for word in ("fract_x", "fract_y", "fract_z", "occupancy")),
    ]
    for i, orbit in enumerate(crystal.orbits, start=1):
        x, y, z = orbit.position
        lines.append(
            f"  {orbit.element}  {orbit.element}{i}  {orbit.multiplicity}  {orbit.letter}  {x:.8f}  {y:.8f}  {z:.8f}  1"
        )
    return "\n".join(lines) + "\n"


def has_value(value: Any) -> bool:
    """Return whether a cell has a value that is neither None, NaN nor an empty text."""
    return value is not None and value != "" and value == value


@cache
def describe_space_group(space_group: int) -> tuple[str, str, tuple[str, ...]]:
    """Return the Hermann-Mauguin symbol, the Hall symbol and the operators of a space group, as written in a CIF.

    Args:
        space_group: Number of the space group, in the default setting of spglib.
    """
    kind: Any = spglib.get_spacegroup_type(default_hall_numbers()[space_group])
    R, t = operators(space_group)
    return kind.international.split("=")[0].strip(), kind.hall_symbol, tuple(map(_write_operator, R, t))


def _write_operator(rotation: Array, shift: Array) -> str:
    parts = []
    for row, value in zip(np.round(rotation).astype(int), shift, strict=True):
        terms = "".join(f"{'-' if n < 0 else '+'}{axis}" for n, axis in zip(row, "xyz", strict=True) if n)
        fraction = Fraction(float(value) % 1.0).limit_denominator(24)
        parts.append(f"{terms.removeprefix('+')}{f'+{fraction}' if fraction % 1 else ''}")
    return ", ".join(parts)


def _item_name(heading: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", heading).strip("_")[:60] or "value"


def _quote(value: Any) -> str:
    text = " ".join(str(value).split())
    if re.fullmatch(r"[A-Za-z0-9.+-]+", text):
        return text
    return f"'{text}'" if "'" not in text else '"' + text.replace('"', "''") + '"'
