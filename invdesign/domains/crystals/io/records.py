"""Rows of structures in files of every format, and the atoms of a row."""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from invdesign.core import InvdesignError
from invdesign.domains.crystals.io import cif_reader
from invdesign.domains.crystals.io.checks import check_atoms
from invdesign.domains.crystals.io.poscar import is_poscar, read_poscar
from invdesign.domains.crystals.io.refusals import BROKEN, MAX_SITES, RefusedError, check_symbol, size_error
from invdesign.domains.crystals.io.structure_json import parse_json, read_json_atoms
from invdesign.domains.crystals.periodic_atoms import PeriodicAtoms, from_parts
from invdesign.io.cells import merge_cells
from invdesign.io.corpus_cache import content_sha256
from invdesign.io.csv_records import detect_delimiter
from invdesign.io.design_tables import (
    TABLES,
    Row,
    corpus_name,
    find_design_column,
    table_rows,
    table_text,
)
from invdesign.io.text_files import MAX_BYTES, decode_text, read_bytes

CIFS = (".cif", ".mcif")
POSCARS = (".vasp", ".poscar", ".contcar")
READ = (*CIFS, *POSCARS, ".extxyz", ".xyz", ".db", ".json", ".csv", ".tsv", ".xlsx")
POSCAR_NAME = re.compile(r"(?:.*[._-])?(?:POSCAR|CONTCAR)(?:[._-].*)?", re.I)
STRUCTURE_NAMES = ("cif", "structure", "design", "poscar", "contcar", "file", "filename", "file_name", "path")
UNKNOWN_IN_CIF = ("?", ".")
MAX_LABEL = 60
MAX_STRUCTURE_BYTES = 120_000_000
"""Largest unpacked file of structures; tables may be larger."""
MAX_PATH = 1_000
MAX_DEPTH, MAX_FILES = 8, 200_000
"""Largest depth of folders in a folder, and number of files."""
MAX_LISTED = 12
INSTEAD = {"vasprun.xml": "give the CONTCAR of the run", "outcar": "give the CONTCAR of the run"}
"""Files of structures that are not read, and what to give instead."""


def rows(path: Path, *, column: str | None = None, wanted: Sequence[str] = (), max_bytes: int = MAX_BYTES) -> list[Row]:
    """Return all rows of a file, or of the files of a folder and its folders in the order of their names.

    The form of a row is `"cif"`, `"poscar"`, `"json"`, `"cell"` (of a table, in one of these forms), `"frame"` (of an
    extended XYZ file) or `"atoms"` (of an ASE database). Files of a folder that are not read, links and folders that
    are not entered, and files without a structure are rows with a problem.

    Args:
        path: The file or folder.
        column: Column of a table that contains structures or names of files; found by its name where it is not given.
        wanted: Names of the other values to read.
        max_bytes: Largest size of an unpacked file [bytes].

    Raises:
        InvdesignError: A file is missing, has an unknown format, or lacks a column.
    """
    if not path.exists():
        raise InvdesignError(f"{path}: cannot read it: there is no such file or folder. Check the path")
    if not path.is_dir():
        return _named_rows(path, path.name, column, wanted, max_bytes)
    files = list(_walk(path, MAX_DEPTH))
    if len(files) > MAX_FILES:
        raise InvdesignError(f"{path}: more than {MAX_FILES:,} files. Give a smaller folder")
    skipped = _skipped_files(files)
    if not any(not reason for reason in skipped.values()):
        raise InvdesignError(f"{path}: expected a file that ends in one of {', '.join(READ)}, got a folder without one")
    found: list[Row] = []
    for file in files:
        if skipped[file]:
            continue
        name = file.relative_to(path).as_posix()
        try:
            found += _named_rows(file, name, column, wanted, max_bytes)
        except InvdesignError as error:
            found.append(Row(1, label=name, problem=str(error), file=name))
    return [*found, *_skipped_rows(path, skipped)]


def checksums(path: Path, *, column: str | None = None) -> list[tuple[str, str]]:
    """Return name and checksum of every file that is read for a path, and the names of the others.

    These are the files of a folder and its folders, and the files that a table names.

    Args:
        path: The file or folder.
        column: Column of a table that contains structures or names of files.

    Raises:
        InvdesignError: A file cannot be read.
    """
    base = path if path.is_dir() else path.parent
    skipped = _skipped_files(list(_walk(path, MAX_DEPTH))) if path.is_dir() else {path: ""}
    found = []
    for file, reason in skipped.items():
        found.append((file.relative_to(base).as_posix(), "" if reason else content_sha256(file)))
        if not reason and _suffix(file) in TABLES:
            found += [(name, content_sha256(file.parent / name)) for name in _named_files(file, column)]
    return found


def _named_files(path: Path, column: str | None) -> list[str]:
    """Return the names of files in a column of a table; none where the table cannot be read."""
    try:
        given = list(_table_rows(path, table_text(path), column, ()))
    except InvdesignError:
        return []
    names = {row.content for row in given if not row.problem and _is_file_name(row.content)}
    return sorted(name for name in names if (path.parent / name).is_file())


def atoms(row: Row, *, max_sites: int = MAX_SITES) -> tuple[PeriodicAtoms, str]:
    """Return the checked atoms of a row, and what was repaired.

    Raises:
        RefusedError: The row cannot be read, or its structure is too large, disordered or not periodic.
    """
    if row.form in ("cif", "cell") and not row.content.strip():
        raise RefusedError("empty", "give a structure")
    form = _form_of_cell(row.content) if row.form == "cell" else row.form
    if not form:
        raise RefusedError(f"no structure: {row.content[:60]!r}", "give a CIF, a POSCAR, JSON or the name of a file")
    if form == "cif":
        return _cif_atoms(row.content.strip(), max_sites)
    if form == "poscar":
        found = read_poscar(row.content, max_sites=max_sites)
    elif form == "json":
        found = read_json_atoms(row.content, max_sites=max_sites)
    else:
        given = row.content if form == "atoms" else _parse_frame(row.content, max_sites)
        found = _ase_atoms(given, max_sites)
    return check_atoms(found, max_sites=max_sites)


def _named_rows(path: Path, name: str, column: str | None, wanted: Sequence[str], max_bytes: int) -> list[Row]:
    found = _file_rows(path, column, wanted, max_bytes)
    if not found:
        return [Row(1, label=name, problem="no structure in the file", file=name)]
    labels = [row.name or _name(path, row, is_single=len(found) == 1) for row in found]
    return [
        replace(row, file=name, cells=_clean_cells(row.cells) if wanted else {}, name=label)
        for row, label in zip(found, labels, strict=True)
    ]


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    """Yield the files of a folder and its folders by name, and the links and folders that are not entered.

    Hidden entries are left out, except files in a format of crystals.
    """
    try:
        content = sorted(folder.iterdir())
    except OSError as error:
        raise InvdesignError(f"{folder}: cannot read the folder ({error.strerror}). Check its permissions") from error
    for inside in content:
        if inside.name.startswith(".") and (inside.is_dir() or not _suffix(inside)):
            continue
        if inside.is_dir() and not inside.is_symlink() and depth > 0:
            yield from _walk(inside, depth - 1)
        else:
            yield inside


def _skipped_files(files: Sequence[Path]) -> dict[Path, str]:
    """Return why each entry of a folder is not read; an empty string for a file that is read."""
    finished = {file.parent for file in files if file.name.lower() in ("contcar", "contcar.gz") and file.is_file()}
    return {file: _reason_to_skip(file, is_relaxed=file.parent in finished) for file in files}


def _reason_to_skip(file: Path, *, is_relaxed: bool) -> str:
    if not file.is_file():
        return _reason_not_to_enter(file)
    if file.name.startswith("."):
        return "a hidden file; rename it to read it"
    name = file.name.lower().removesuffix(".gz")
    if not _suffix(file):
        return f"no structure is read from it; {INSTEAD[name]}" if name in INSTEAD else "no format of crystals"
    return "the start of a run whose CONTCAR is there" if name == "poscar" and is_relaxed else ""


def _reason_not_to_enter(path: Path) -> str:
    if path.is_dir():
        return "a link to a folder; give that folder" if path.is_symlink() else f"more than {MAX_DEPTH} folders deep"
    return "a link to a file that does not exist" if path.is_symlink() else "neither a file nor a folder"


def _skipped_rows(path: Path, skipped: Mapping[Path, str]) -> list[Row]:
    """Return one row for each folder and reason, with the names of the files that are not read."""
    groups: dict[tuple[Path, str], list[str]] = {}
    for file, reason in skipped.items():
        if reason:
            groups.setdefault((file.parent, reason), []).append(file.name)
    found = []
    for (folder, reason), names in groups.items():
        shown = ", ".join(names[:MAX_LISTED]) + (f" and {len(names) - MAX_LISTED} more" * (len(names) > MAX_LISTED))
        problem = f"not read: {reason}"
        found.append(Row(0, label=shown, problem=problem, file=folder.relative_to(path.parent).as_posix()))
    return found


def _file_rows(path: Path, column: str | None, wanted: Sequence[str], max_bytes: int) -> list[Row]:
    suffix = _suffix(path)
    if not suffix:
        instead = INSTEAD.get(path.name.lower().removesuffix(".gz"), "Convert the file")
        raise InvdesignError(
            f"{path}: expected a file that ends in one of {', '.join(READ)} (or .gz), or a POSCAR. "
            f"{instead[0].upper()}{instead[1:]}"
        )
    if suffix == ".db":
        return list(_database_rows(path))
    if suffix in TABLES:
        given = _table_rows(path, table_text(path, max_bytes=max_bytes), column, wanted)
        return [row if row.problem else _resolve_file(row, path.parent) for row in given]
    return _structure_rows(path, suffix, min(max_bytes, MAX_STRUCTURE_BYTES), has_values=bool(wanted))


def _name(path: Path, row: Row, *, is_single: bool) -> str:
    """Return the name of a structure that its row does not name: of its file, or of its data block."""
    if is_single:
        return corpus_name(path)
    return (row.label or "") if row.form == "cif" else ""


def _structure_rows(path: Path, suffix: str, max_bytes: int, *, has_values: bool) -> list[Row]:
    """Return the rows of a file of structures that is no table."""
    text = decode_text(read_bytes(path, max_bytes=max_bytes))
    if suffix in CIFS:
        blocks = enumerate(cif_reader.blocks(text), start=1)
        return [Row(k, b, cif_reader.name_of(b), "cif", cif_reader.items(b) if has_values else {}) for k, b in blocks]
    if suffix == ".json":
        return _json_rows(text)
    if suffix in POSCARS:
        if not text.strip():
            return [Row(1, label=path.name, problem="an empty file: the run has not finished")]
        return [Row(1, text, text.split("\n", 1)[0].strip()[:MAX_LABEL], "poscar")]
    return list(_frame_rows(text))


def _json_rows(text: str) -> list[Row]:
    """Return the rows of a JSON file: one structure, or a list of structures."""
    try:
        data = parse_json(text)
    except RefusedError as refusal:
        return [Row(1, label=text[:MAX_LABEL], problem=refusal.reason)]
    if not isinstance(data, list):
        return [Row(1, text, text[:MAX_LABEL], "json")]
    return [Row(k, json.dumps(each), json.dumps(each)[:MAX_LABEL], "json") for k, each in enumerate(data, start=1)]


def _suffix(path: Path) -> str:
    name = path.name.removesuffix(".gz").removesuffix(".GZ")
    suffix = Path(name).suffix.lower()
    if suffix in (*READ, *TABLES):
        return suffix
    return ".poscar" if POSCAR_NAME.fullmatch(name) else ""


def _clean_cells(cells: Mapping[str, Any]) -> dict[str, str]:
    """Return values as texts, without a leading apostrophe; the unknown marks of CIF become empty."""
    texts = {name: str(value).strip().removeprefix("'") for name, value in cells.items()}
    return {name: "" if text in UNKNOWN_IN_CIF else text for name, text in texts.items()}


def _table_rows(path: Path, text: str, column: str | None, wanted: Sequence[str]) -> Iterator[Row]:
    def find_design(header: Sequence[str]) -> tuple[int, str]:
        remedy = "Name the column of structures: --column NAME, or structure_column in a campaign"
        if column is None:
            hint = _columns_of_structures(text, header)
            remedy += f" ({' or '.join(hint)})" if hint else ""
        position = find_design_column(
            path,
            header,
            column,
            STRUCTURE_NAMES,
            is_design=lambda heading: bool(_form_of_cell(heading)),
            remedy=remedy,
            allow_single=False,
        )
        return position, "cell"

    return table_rows(path, text, find_design=find_design, columns=wanted, label=_table_label)


def _columns_of_structures(text: str, header: Sequence[str]) -> list[str]:
    """Return the columns whose first cell looks like a structure."""
    reader = csv.reader(io.StringIO(text), delimiter=detect_delimiter(text))
    try:
        next(reader)
        cells = next(reader)
    except (StopIteration, csv.Error):
        return []
    return [name for name, cell in zip(header, cells, strict=False) if _form_of_cell(cell)]


def _form_of_cell(text: str) -> str:
    """Return the form of the structure in a cell of a table; an empty string where it has none."""
    stripped = text.lstrip()
    if stripped.startswith("{"):
        return "json"
    if re.search(r"^\s*(?:data_|loop_|_cell)", stripped, flags=re.M | re.I):
        return "cif"
    if is_poscar(text):
        return "poscar"
    return "file" if _is_file_name(stripped) else ""


def _is_file_name(text: str) -> bool:
    return 0 < len(text) <= MAX_PATH and "\n" not in text and "\0" not in text and bool(_suffix(Path(text)))


def _resolve_file(row: Row, folder: Path) -> Row:
    """Return a row with the only structure of the file that its cell names; names are relative to the table."""
    if not row.content or _form_of_cell(row.content) != "file":
        return row
    path = folder / row.content
    suffix = _suffix(path)
    if suffix in TABLES or suffix == ".db" or not path.is_file():
        return replace(row, label=row.content[:MAX_LABEL], problem=f"no file of a structure {row.content[:200]!r}")
    try:
        found = _structure_rows(path, suffix, MAX_STRUCTURE_BYTES, has_values=False)
    except InvdesignError as error:
        return replace(row, problem=str(error))
    if len(found) != 1:
        return replace(row, problem=f"{row.content[:200]}: {len(found)} structures, expected one")
    return replace(row, content=found[0].content, form=found[0].form, problem=found[0].problem, label=row.content)


def _table_label(content: str, cells: Sequence[str]) -> str:
    """Return the name of the data block in a row of a table, else its first cell that is not empty."""
    return cif_reader.name_of(content) or next((cell for cell in cells if cell.strip()), "")[:MAX_LABEL]


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
        cells = merge_cells((k, v.strip("\"'")) for k, v in pairs if k not in ("Lattice", "Properties", "pbc"))
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


def _cif_atoms(text: str, max_sites: int) -> tuple[PeriodicAtoms, str]:
    blocks = [block for block in cif_reader.blocks(text) if block]
    if len(blocks) != 1:
        raise RefusedError(f"{len(blocks)} data blocks", "write one CIF with one data_ block")
    return cif_reader.read_atoms(blocks[0], max_sites=max_sites)


def _parse_frame(text: str, max_sites: int) -> Any:
    import ase.io

    n = int(text.split("\n", 1)[0])
    if n > max_sites:
        raise size_error(n, max_sites)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ase.io.read(io.StringIO(text), format="extxyz")


def _ase_atoms(atoms: Any, max_sites: int) -> PeriodicAtoms:
    if len(atoms) > max_sites:
        raise size_error(len(atoms), max_sites)
    if not (np.isfinite(atoms.cell.array).all() and np.isfinite(atoms.positions).all()):
        raise RefusedError("the cell or a coordinate is NaN or infinite", "give finite numbers")
    if atoms.cell.rank < 3 or not all(atoms.pbc):
        raise RefusedError("not periodic in three dimensions", "give a cell (Lattice=...) and pbc='T T T'")
    occupancies = [n for site in (atoms.info.get("occupancy") or {}).values() for n in site.values()]
    if any(abs(n - 1) > 0.01 for n in occupancies):
        raise RefusedError("partial occupancies", "order the structure")
    symbols = [check_symbol(symbol, symbol) for symbol in atoms.get_chemical_symbols()]
    return from_parts(atoms.cell.array, symbols, atoms.get_scaled_positions(wrap=False))
