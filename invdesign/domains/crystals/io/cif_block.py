"""Values and columns of a CIF data block."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gemmi

from invdesign.domains.crystals.io.refusals import RefusedError, size_error

OPERATORS = (
    "_space_group_symop_magn_operation_xyz",
    "_space_group_symop_operation_xyz",
    "_symmetry_equiv_pos_as_xyz",
)
CENTERINGS = "_space_group_symop_magn_centering_xyz"
UNKNOWN = ("?", ".", "")
MAX_BLOCK = 60_000_000
"""Largest data block [characters]: deposited files contain reflections."""
MAX_OPERATORS = 1_152
"""Largest number of operators: 192 of a cubic group, and the centrings of a larger cell."""
MAX_CELL_TEXT = 400


@dataclass(frozen=True, eq=False)
class Block:
    """Values and columns of a data block, by names in lower case with underscores."""

    values: Mapping[str, str]
    columns: Mapping[str, Sequence[str]]

    def value(self, name: str) -> str:
        """Return the value of an item, also of a loop with one row; empty where there is none."""
        column = self.columns.get(name, ())
        return self.values.get(name) or (plain(column[0]) if len(column) == 1 else "")


def parse_block(block: str) -> Block:
    """Return the values of a data block, and its columns of atoms and of symmetry.

    Raises:
        RefusedError: The text is no CIF, or too long.
    """
    if len(block) > MAX_BLOCK:
        raise RefusedError(f"a data block of {len(block):,} characters", "leave out what is no structure")
    try:
        document = gemmi.cif.read_string(block)
        parsed = document[0]
    except (ValueError, RuntimeError, IndexError) as error:
        text = " ".join(str(error).split())[:160] or "no data block"
        raise RefusedError(
            f"not a readable CIF: {text}", "write the structure again with its cell and atoms"
        ) from error
    values: dict[str, str] = {}
    columns: dict[str, Sequence[str]] = {}
    for entry in parsed:
        item: Any = entry
        if item.pair is not None:
            name, value = item.pair
            values[_plain_name(name)] = plain(value)[:MAX_CELL_TEXT]
        elif item.loop is not None:
            loop = item.loop
            names = [_plain_name(tag) for tag in loop.tags]
            wanted = [
                i for i, name in enumerate(names) if name.startswith(("_atom_site_", "_space_group", "_symmetry"))
            ]
            if not wanted or any(name.startswith("_atom_site_aniso") for name in names):
                continue
            _check_length(names, loop.length())
            words = loop.values
            columns |= {names[i]: words[i :: len(names)] for i in wanted}
    return Block(values, columns)


def _check_length(names: Sequence[str], n: int) -> None:
    if n > MAX_OPERATORS and any(name in (*OPERATORS, CENTERINGS) for name in names):
        raise RefusedError(f"{n:,} symmetry operators, more than {MAX_OPERATORS:,}", "write each operator once")
    if n > 100_000:
        raise size_error(n, 100_000)


def _plain_name(tag: str) -> str:
    return tag.lower().replace(".", "_")


def plain(value: str) -> str:
    """Return a value without its quotes; `?` and `.` stay."""
    return value if value[:1] not in "'\";" else str(gemmi.cif.as_string(value)).strip()


def read_number(word: str) -> float:
    """Return a CIF number without its uncertainty in brackets; NaN for what is no number."""
    try:
        return float(word.split("(", 1)[0])
    except ValueError:
        return math.nan
