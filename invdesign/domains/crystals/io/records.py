"""Rows of structures in files of every format, and the structure of a row."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from pymatgen.core.structure import Structure

from invdesign.core import InvdesignError
from invdesign.domains.crystals import crystal
from invdesign.domains.crystals.io import cif
from invdesign.domains.crystals.io.cif import BROKEN, RefusedError
from invdesign.domains.crystals.symmetry import canonical
from invdesign.io.design_tables import TABLES, Row, corpus_name, find_design_column, table_rows, table_text
from invdesign.io.text_files import MAX_BYTES, decode_text, read_bytes

READ = (".cif", ".vasp", ".poscar", ".extxyz", ".xyz", ".db", ".csv", ".tsv", ".xlsx")
STRUCTURE_NAMES = ("cif", "structure", "design")
UNKNOWN_IN_CIF = ("?", ".")
MAX_SITES = 3_000
MAX_LABEL = 60


def rows(path: Path, *, column: str | None = None, wanted: Sequence[str] = (), max_bytes: int = MAX_BYTES) -> list[Row]:
    """Return all rows of a file, or of the files of a folder in the order of their names.

    The form of a row is `"cif"`, `"poscar"`, `"frame"` (of an extended XYZ file) or `"atoms"` (of an ASE database).

    Args:
        path: The file or folder.
        column: Column of a table that contains CIFs; found by its name where it is not given.
        wanted: Names of the other values to read.
        max_bytes: Largest size of an unpacked file [bytes].

    Raises:
        InvdesignError: A file is missing, has an unknown format, or lacks a column.
    """
    if not path.is_dir():
        found = _file_rows(path, column, wanted, max_bytes)
        names = [row.name or _name(path, row, is_single=len(found) == 1) for row in found]
        return [
            replace(row, file=path.name, cells=_clean_cells(row.cells, wanted), name=name)
            for row, name in zip(found, names, strict=True)
        ]
    inside = sorted(p for p in path.iterdir() if p.is_file() and _suffix(p) and not p.name.startswith("."))
    if not inside:
        raise InvdesignError(f"{path}: expected a file that ends in one of {', '.join(READ)}, got a folder without one")
    return [row for p in inside for row in rows(p, column=column, wanted=wanted, max_bytes=max_bytes)]


def structure(row: Row, *, max_sites: int = MAX_SITES) -> Structure:
    """Return the structure of a row, before its sites are checked.

    Raises:
        RefusedError: The row cannot be read, or its structure is too large, disordered or not periodic.
    """
    if row.form == "cif":
        return _cif_structure(row.content.strip(), max_sites)
    if row.form == "poscar":
        return _poscar_structure(row.content)
    return _ase_structure(row.content if row.form == "atoms" else _parse_frame(row.content), max_sites)


def _file_rows(path: Path, column: str | None, wanted: Sequence[str], max_bytes: int) -> list[Row]:
    suffix = _suffix(path)
    if not suffix:
        raise InvdesignError(
            f"{path}: expected a file that ends in one of {', '.join(READ)} (or .gz), or a POSCAR. Convert the file"
        )
    if suffix == ".db":
        found = list(_database_rows(path))
    else:
        if suffix in TABLES:
            return list(_table_rows(path, table_text(path, max_bytes=max_bytes), column, wanted))
        text = decode_text(read_bytes(path, max_bytes=max_bytes))
        if suffix == ".cif":
            found = [Row(k, b, cif.name_of(b), "cif", cif.items(b)) for k, b in enumerate(cif.blocks(text), start=1)]
        elif suffix == ".poscar":
            found = [Row(1, text, text.split("\n", 1)[0].strip(), "poscar")] if text.strip() else []
        else:
            found = list(_frame_rows(text))
    names = {name for row in found for name in row.cells}
    for name in wanted:
        if found and name not in names:
            raise InvdesignError(
                f"{path}: expected a value {name!r}, got {sorted(names)[:40]}. Check the name of the property"
            )
    return found


def _name(path: Path, row: Row, *, is_single: bool) -> str:
    """Return the name of a structure that its row does not name: of its file, or of its data block."""
    if is_single:
        return corpus_name(path)
    return (row.label or "") if row.form == "cif" else ""


def _suffix(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    suffix = Path(name).suffix.lower()
    if re.match(r"(POSCAR|CONTCAR)\b", name) or suffix in (".vasp", ".poscar"):
        return ".poscar"
    return suffix if suffix in (*READ, *TABLES) else ""


def _clean_cells(cells: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, str]:
    """Return the wanted values as texts, without a leading apostrophe; the unknown marks of CIF become empty."""
    texts = {name: str(cells[name]).strip().removeprefix("'") for name in wanted if name in cells}
    return {name: "" if text in UNKNOWN_IN_CIF else text for name, text in texts.items()}


def _table_rows(path: Path, text: str, column: str | None, wanted: Sequence[str]) -> Iterator[Row]:
    def find_design(header: Sequence[str]) -> tuple[int, str]:
        remedy = "Pass the name of the column of structures as structure_column"
        return find_design_column(path, header, column, STRUCTURE_NAMES, remedy=remedy, allow_single=False), "cif"

    return table_rows(path, text, find_design=find_design, columns=wanted, label=_table_label)


def _table_label(content: str, cells: Sequence[str]) -> str:
    """Return the name of the data block in a row of a table, else its first cell that is not empty."""
    return cif.name_of(content) or next((cell for cell in cells if cell.strip()), "")[:MAX_LABEL]


def _frame_rows(text: str) -> Iterator[Row]:
    lines = text.split("\n")
    start, number = 0, 0
    while start < len(lines):
        if not lines[start].strip():
            start += 1
            continue
        number += 1
        count = lines[start].strip()
        is_count = count.isdecimal() and len(count) < 9
        end = start + int(count) + 2 if is_count else len(lines) + 1
        if end > len(lines):
            problem = f"line {start + 1} contains {count[:40]!r}, expected the number of the atoms that follow"
            yield Row(number, label=count[:40], form="frame", problem=problem)
            return
        comment = lines[start + 1]
        pairs = re.findall(r"(\w+)=(\"[^\"]*\"|'[^']*'|\S+)", comment)
        cells = {name: value.strip("\"'") for name, value in pairs if name not in ("Lattice", "Properties", "pbc")}
        yield Row(number, "\n".join(lines[start:end]) + "\n", comment[:MAX_LABEL], "frame", cells)
        start = end


def _database_rows(path: Path) -> Iterator[Row]:
    import ase.db

    try:
        with path.open("rb") as stream:
            if stream.read(16) != b"SQLite format 3\0":
                raise InvdesignError(
                    f"{path}: not an ASE database (SQLite). Give a file that ase.db.connect has written"
                )
        database = cast("Any", ase.db).connect(path, use_lock_file=False)
        for row in database.select():
            energy = {name: row[name] for name in ("energy", "free_energy") if name in row}
            yield Row(row.id, row.toatoms(), f"id {row.id} {row.formula}", "atoms", {**energy, **row.key_value_pairs})
    except (OSError, *BROKEN) as error:
        raise InvdesignError(f"{path}: cannot read the file ({error}). Check that it is an ASE database") from error


def _cif_structure(text: str, max_sites: int) -> Structure:
    if text.startswith("{"):
        return canonical.structure_of(crystal.from_text(text))
    if not text:
        raise RefusedError("empty", "give a CIF")
    blocks = [block for block in cif.blocks(text) if block]
    if len(blocks) != 1:
        raise RefusedError(f"{len(blocks)} data blocks", "write one CIF with one data_ block")
    return cif.structure(blocks[0], max_sites=max_sites)


def _poscar_structure(text: str) -> Structure:
    from pymatgen.io.vasp.inputs import BadPoscarWarning, Poscar

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", BadPoscarWarning)
        try:
            return Poscar.from_str(text, read_velocities=False).structure
        except BadPoscarWarning as error:
            raise RefusedError(f"a POSCAR without elements ({error})"[:200], "write them into line 6") from error


def _parse_frame(text: str) -> Any:
    import ase.io

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ase.io.read(io.StringIO(text), format="extxyz")


def _ase_structure(atoms: Any, max_sites: int) -> Structure:
    if len(atoms) > max_sites:
        raise RefusedError(
            f"{len(atoms):,} sites, more than {max_sites:,}", "give a primitive cell, or raise max_sites"
        )
    if not (np.isfinite(atoms.cell.array).all() and np.isfinite(atoms.positions).all()):
        raise RefusedError("the cell or a coordinate is NaN or infinite", "give finite numbers")
    if atoms.cell.rank < 3 or not all(atoms.pbc):
        raise RefusedError("not periodic in three dimensions", "give a cell (Lattice=...) and pbc='T T T'")
    occupancies = [n for site in (atoms.info.get("occupancy") or {}).values() for n in site.values()]
    if any(abs(n - 1) > 0.01 for n in occupancies):
        raise RefusedError("partial occupancies", "order the structure")
    return Structure(atoms.cell.array, atoms.get_chemical_symbols(), atoms.get_scaled_positions(wrap=False))
