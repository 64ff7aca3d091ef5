"""Rows of structures in files of every format, before any of them is believed."""

from __future__ import annotations

import csv
import difflib
import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure

from invdesign.core import InvdesignError
from invdesign.domains.crystals import crystal
from invdesign.domains.crystals.io import cif
from invdesign.domains.crystals.io.cif import BROKEN, RefusedError
from invdesign.domains.crystals.symmetry import canonical
from invdesign.io.text_files import MAX_BYTES, decode_text, read_bytes

TABLES = (".csv", ".tsv")
READ = (".cif", ".vasp", ".poscar", ".extxyz", ".xyz", ".db", *TABLES)
STRUCTURE_NAMES = ("cif", "structure", "design")
MAX_SITES = 3_000
MAX_CELL_LENGTH = 50_000_000


@dataclass(frozen=True)
class Row:
    """One structure before it is believed: its number in its file (a header is row 1), its form, text, other cells."""

    number: int
    label: str
    form: str
    content: Any = ""
    cells: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    file: str = ""


def rows(path: Path, *, column: str | None = None, wanted: Sequence[str] = (), max_bytes: int = MAX_BYTES) -> list[Row]:
    """All rows of a file, or of the files of a folder in the order of their names.

    Args:
        path: the file or folder.
        column: of a table, the one that holds CIFs.
        wanted: names of the other values to take along.
        max_bytes: refuse files that are longer than this when unpacked.

    Raises:
        InvdesignError: a file is missing or of no known format, or lacks a column.
    """
    if not path.is_dir():
        return [replace(row, file=path.name) for row in _of_file(path, column, wanted, max_bytes)]
    inside = sorted(p for p in path.iterdir() if p.is_file() and _suffix(p) and not p.name.startswith("."))
    if not inside:
        raise InvdesignError(f"{path}: a folder without a file that ends in one of {', '.join(READ)}")
    return [row for p in inside for row in rows(p, column=column, wanted=wanted, max_bytes=max_bytes)]


def _of_file(path: Path, column: str | None, wanted: Sequence[str], max_bytes: int) -> list[Row]:
    suffix = _suffix(path)
    if not suffix:
        raise InvdesignError(f"{path}: expected a file that ends in one of {', '.join(READ)} (or .gz), or a POSCAR")
    if suffix == ".db":
        found = list(_database(path))
    else:
        text = decode_text(read_bytes(path, max_bytes=max_bytes))
        if suffix in TABLES:
            return list(_table(path, text, column, wanted))
        if suffix == ".cif":
            found = [Row(k, cif.name_of(b), "cif", b, cif.items(b)) for k, b in enumerate(cif.blocks(text), start=1)]
        elif suffix == ".poscar":
            found = [Row(1, text.split("\n", 1)[0].strip(), "poscar", text)] if text.strip() else []
        else:
            found = list(_frames(text))
    known = {name for row in found for name in row.cells}
    for name in wanted:
        if found and name not in known:
            raise InvdesignError(f"{path}: no structure has a value {name!r}; there are {sorted(known)[:40]}")
    return found


def _suffix(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    if re.match(r"(POSCAR|CONTCAR)\b", name) or Path(name).suffix.lower() in (".vasp", ".poscar"):
        return ".poscar"
    suffix = Path(name).suffix.lower()
    return suffix if suffix in READ else ""


def _table(path: Path, text: str, column: str | None, wanted: Sequence[str]) -> Iterator[Row]:
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count) if any(c in first for c in ",;\t") else ","
    before = csv.field_size_limit(MAX_CELL_LENGTH)
    try:
        lines = [line for line in csv.reader(io.StringIO(text), delimiter=delimiter) if any(line)]
    except csv.Error as error:
        raise InvdesignError(f"{path}: not a table ({error}); a quote that is not closed?") from error
    finally:
        csv.field_size_limit(before)
    if not lines:
        return
    header = [cell.strip() for cell in lines[0]]
    place = _find(path, header, column)
    places = {name: _find(path, header, name) for name in wanted}
    for number, cells in enumerate(lines[1:], start=2):
        problem = "" if len(cells) == len(header) else f"{len(cells)} cells under {len(header)} columns"
        content = cells[place] if place < len(cells) else ""
        label = cif.name_of(content) or next((cell for cell in cells if cell.strip()), "")[:60]
        yield Row(number, label, "cif", content, {n: cells[i] for n, i in places.items() if i < len(cells)}, problem)


def _find(path: Path, header: Sequence[str], column: str | None) -> int:
    if column is not None:
        if column in header:
            return header.index(column)
        close = difflib.get_close_matches(column, header, n=1, cutoff=0.4)
        hint = f"; nearest: {close[0]!r}" if close else ""
        raise InvdesignError(f"{path}: no column {column!r}; the file has {', '.join(map(repr, header))}{hint}")
    lower = [name.lower() for name in header]
    for name in STRUCTURE_NAMES:
        if name in lower:
            return lower.index(name)
    raise InvdesignError(
        f"{path}: none of the columns {', '.join(map(repr, header))} is called 'cif'; name it with structure_column"
    )


def _frames(text: str) -> Iterator[Row]:
    lines = text.split("\n")
    start, number = 0, 0
    while start < len(lines):
        if not lines[start].strip():
            start += 1
            continue
        number += 1
        count = lines[start].strip()
        end = start + int(count) + 2 if count.isdecimal() and len(count) < 9 else len(lines) + 1
        if end > len(lines):
            problem = f"line {start + 1} says {count[:40]!r}: not the number of the atoms that follow"
            yield Row(number, count[:40], "frame", problem=problem)
            return
        comment = lines[start + 1]
        pairs = re.findall(r"(\w+)=(\"[^\"]*\"|'[^']*'|\S+)", comment)
        cells = {name: value.strip("\"'") for name, value in pairs if name not in ("Lattice", "Properties", "pbc")}
        yield Row(number, comment[:60], "frame", "\n".join(lines[start:end]) + "\n", cells)
        start = end


def _database(path: Path) -> Iterator[Row]:
    import ase.db

    try:
        with path.open("rb") as stream:
            if stream.read(16) != b"SQLite format 3\0":
                raise InvdesignError(f"{path}: not an ASE database (SQLite); expected what ase.db.connect writes")
        for row in ase.db.connect(path, use_lock_file=False).select():
            energy = {name: row[name] for name in ("energy", "free_energy") if name in row}
            yield Row(row.id, f"id {row.id} {row.formula}", "atoms", row.toatoms(), {**energy, **row.key_value_pairs})
    except (OSError, *BROKEN) as error:
        raise InvdesignError(f"cannot read {path}: {error}. Check that it is a database of ASE") from error


def structure(row: Row, *, max_sites: int = MAX_SITES) -> Structure:
    """The structure of a row, not looked at yet.

    Raises:
        RefusedError: it cannot be read, is too large, disordered or not periodic.
    """
    if row.form == "cif":
        text = row.content.strip()
        if text.startswith("{"):
            return canonical.structure_of(crystal.from_text(text))
        if not text:
            raise RefusedError("empty", "give a CIF")
        (block, *more) = cif.blocks(text) or [""]
        if not block or more:
            raise RefusedError(f"{len(more) + bool(block)} data blocks", "write one CIF with one data_ block")
        return cif.structure(block, max_sites=max_sites)
    if row.form == "poscar":
        return _poscar(row.content)
    return _from_ase(row.content if row.form == "atoms" else _frame(row.content), max_sites)


def _poscar(text: str) -> Structure:
    from pymatgen.io.vasp.inputs import BadPoscarWarning, Poscar

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", BadPoscarWarning)
        try:
            return Poscar.from_str(text, read_velocities=False).structure
        except BadPoscarWarning as error:
            raise RefusedError(
                f"a POSCAR that does not say its elements ({error})"[:200], "write them into line 6"
            ) from error


def _frame(text: str) -> Any:
    import ase.io

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ase.io.read(io.StringIO(text), format="extxyz")


def _from_ase(atoms: Any, max_sites: int) -> Structure:
    if len(atoms) > max_sites:
        raise RefusedError(
            f"{len(atoms):,} sites, more than {max_sites:,}", "give a primitive cell, or raise max_sites"
        )
    if not (np.isfinite(atoms.cell.array).all() and np.isfinite(atoms.positions).all()):
        raise RefusedError("the cell or a coordinate is NaN or infinite", "give finite numbers")
    if atoms.cell.rank < 3 or not all(atoms.pbc):
        raise RefusedError("not periodic in three dimensions", "give a cell (Lattice=...) and pbc='T T T'")
    if any(abs(n - 1) > 0.01 for site in (atoms.info.get("occupancy") or {}).values() for n in site.values()):
        raise RefusedError("partial occupancies", "order the structure")
    return Structure(atoms.cell.array, atoms.get_chemical_symbols(), atoms.get_scaled_positions(wrap=False))
