"""Molecules from files: any table, SMILES or SD file is read, with a reason for every row that is refused."""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from rdkit import Chem, rdBase

from invdesign.core import Corpus, InvdesignError, Progress, Rejection, silent
from invdesign.domains.molecules.smiles import parse
from invdesign.io.cells import plain_cell
from invdesign.io.corpora import make_corpus
from invdesign.io.text_files import decode_text, read_bytes

OnInvalid = Literal["skip", "error"]
Salts = Literal["keep", "largest", "reject"]

TABLES = (".csv", ".tsv")
LINES = (".smi", ".smiles", ".ism", ".txt")
READ = (*LINES, *TABLES, ".sdf")
SMILES_NAMES = ("smiles", "canonical_smiles", "isomeric_smiles", "structure", "mol")
UNKNOWN_VALUES = ("", "nan", "na", "n/a", "none", "null", "-")

MAX_BYTES = 200_000_000
MAX_BLOCK = 1_000_000


@dataclass(frozen=True)
class Row:
    """One row of a file before it is believed: its number (a header is row 1), its SMILES, its other cells."""

    number: int
    smiles: str
    cells: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


def read(
    path: Path | str,
    *,
    smiles_column: str | None = None,
    properties: Mapping[str, str] | None = None,
    weight_column: str | None = None,
    on_invalid: OnInvalid = "skip",
    salts: Salts = "keep",
    max_designs: int | None = None,
    max_bytes: int = MAX_BYTES,
    progress: Progress = silent,
) -> Corpus[str]:
    """Read molecules from a .smi, .txt, .csv, .tsv or .sdf file, plain or gzipped.

    Args:
        path: the file. Any line ends, a byte order mark, commas, semicolons or tabs between columns.
        smiles_column: the column of a table that holds SMILES; found by its name where it is not given.
        properties: measured properties, our name -> column (or SD tag); an empty cell is unknown (NaN).
        weight_column: column of non-negative training weights.
        on_invalid: `"skip"` reports a bad row among the corpus's rejections, `"error"` stops at the first;
            a repeated molecule is reported, never an error.
        salts: what becomes of a molecule in several pieces: kept as it is, its largest piece, or refused.
        max_designs: read no more than this many molecules.
        max_bytes: refuse files that are longer than this when unpacked.
        progress: called now and then with ("reading", rows done, lines of the file).

    Returns:
        Distinct canonical designs in the file's order. Of repeated molecules the first is kept, the others reported.

    Raises:
        InvdesignError: for a missing file, an unknown format or column, no valid row, or with `on_invalid="error"`.
    """
    path = Path(path)
    if on_invalid not in ("skip", "error"):
        raise InvdesignError(f"on_invalid must be 'skip' or 'error', got {on_invalid!r}")
    properties = dict(properties or {})
    columns = [*properties.values(), *([weight_column] if weight_column else [])]
    text = decode_text(read_bytes(path, max_bytes=max_bytes))
    n_lines = text.count("\n") + 1
    n_read = 0
    seen: dict[str, int] = {}
    values: dict[str, list[float]] = {name: [] for name in properties}
    weights: list[float] = []
    rejected: list[Rejection] = []
    for row in _rows(path, text, smiles_column, columns):
        if n_read % 2000 == 0:
            progress("reading", n_read, n_lines)
        n_read += 1
        design, problem, remedy = _design(row, salts)
        numbers, number_problem = _numbers(row, columns)
        if weight_column and not number_problem and not numbers[weight_column] >= 0:
            number_problem = f"weight {row.cells.get(weight_column, '')!r} in {weight_column!r}, expected 0 or more"
        is_repeated = design in seen
        if design and number_problem:
            problem, remedy = (number_problem, "write a plain number, or leave a property's cell empty where unknown")
        elif is_repeated:
            problem, remedy = (f"the same molecule as row {seen[design]}", "keep one row per molecule")
        if problem:
            rejected.append(Rejection(row.number, row.smiles[:200], problem, remedy))
            if on_invalid == "error" and not is_repeated:
                raise InvdesignError(
                    f"{path}, row {row.number}: {problem}; got {row.smiles[:80]!r}. "
                    f"Remedy: {remedy or 'mend the row'}, or pass on_invalid='skip'"
                )
            continue
        seen[design] = row.number
        for name, column in properties.items():
            values[name].append(numbers[column])
        if weight_column:
            weights.append(numbers[weight_column])
        if max_designs is not None and len(seen) >= max_designs:
            break
    progress("reading", n_lines, n_lines)
    if not seen:
        first = f"; the first was row {rejected[0].row}: {rejected[0].reason}" if rejected else ""
        raise InvdesignError(
            f"{path}: expected molecules, found none in {n_read} rows{first}. Check the format "
            f"({', '.join(READ)}) and the SMILES column"
        )
    return make_corpus(
        tuple(seen),
        properties={name: np.array(column) for name, column in values.items()},
        weights=np.array(weights) if weight_column else None,
        rejected=tuple(rejected),
        name=path.name.removesuffix(".gz").rsplit(".", 1)[0],
    )


def _rows(path: Path, text: str, smiles_column: str | None, columns: Sequence[str]) -> Iterator[Row]:
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix in TABLES:
        return _table_rows(path, text, smiles_column, columns)
    if suffix == ".sdf":
        return _sdf_rows(text)
    if suffix not in LINES:
        raise InvdesignError(f"{path}: expected a file that ends in one of {', '.join(READ)} (or .gz), got {suffix!r}")
    if columns:
        raise InvdesignError(f"{path}: a {suffix} file has no columns {columns}; write the values as .csv")
    return _line_rows(text)


def _line_rows(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split(None, 1)
        if not words or words[0].startswith("#") or (number == 1 and words[0].lower() in SMILES_NAMES):
            continue
        yield Row(number, plain_cell(words[0]))


def _table_rows(path: Path, text: str, smiles_column: str | None, columns: Sequence[str]) -> Iterator[Row]:
    first = text.lstrip("\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count) if any(c in first for c in ",;\t") else ","
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    number = 0
    header: list[str] | None = None
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            number += 1
            yield Row(number, "", problem=f"not a table row ({error}); a quote that is not closed?")
            continue
        number += 1
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = [plain_cell(cell.strip()) for cell in cells]
            place = _find(path, header, smiles_column)
            places = {column: _find(path, header, column) for column in columns}
            continue
        named = {column: cells[i].strip() for column, i in places.items() if i < len(cells)}
        problem = "" if len(cells) == len(header) else f"{len(cells)} cells under {len(header)} columns"
        yield Row(number, plain_cell(cells[place].strip()) if place < len(cells) else "", named, problem)


def _find(path: Path, header: Sequence[str], column: str | None) -> int:
    if column is not None:
        if column in header:
            return header.index(column)
        close = difflib.get_close_matches(column, header, n=1, cutoff=0.4)
        hint = f"; nearest: {close[0]!r}" if close else ""
        raise InvdesignError(f"{path}: no column {column!r}; the file has {', '.join(map(repr, header))}{hint}")
    lower = [name.lower() for name in header]
    for name in SMILES_NAMES:
        if name in lower:
            return lower.index(name)
    if len(header) == 1:
        return 0
    raise InvdesignError(
        f"{path}: none of the columns {', '.join(map(repr, header))} is called 'smiles'; name it with smiles_column"
    )


def _sdf_rows(text: str) -> Iterator[Row]:
    blocks = re.split(r"^\$\$\$\$.*\n?", text, flags=re.MULTILINE)
    for number, block in enumerate(blocks, start=1):
        if not block.strip():
            continue
        title = block.split("\n", 1)[0].strip()
        head = block.split("M  END", 1)[0]
        if len(block) > MAX_BLOCK:
            yield Row(number, title, problem=f"a record of {len(block):,} characters, more than {MAX_BLOCK:,}")
            continue
        if re.search(r"\b(nan|inf)", head.split("\n", 3)[-1], flags=re.IGNORECASE):
            yield Row(number, title, problem="coordinates that are not finite")
            continue
        with rdBase.BlockLogs():
            mol = Chem.MolFromMolBlock(block)
        if mol is None:
            yield Row(number, title, problem="RDKit cannot read or sanitize the record")
            continue
        if mol.GetConformer().Is3D():
            # A conformer shows an amine's N-H on one side, but protons come and go: it is no stereocentre.
            for atom in mol.GetAtoms():
                if atom.GetAtomicNum() == 7 and atom.GetTotalNumHs() > 0:
                    atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
        tags = {name: value.strip() for name, value in re.findall(r"^>.*?<(.+?)>.*\n(.*)", block, flags=re.MULTILINE)}
        yield Row(number, Chem.MolToSmiles(mol), tags)


def _design(row: Row, salts: Salts) -> tuple[str, str, str]:
    """The design of a row, or an empty string; then the problem and its remedy."""
    if row.problem:
        return "", row.problem, "mend the row"
    mol, problem = parse(row.smiles)
    if mol is None:
        comma = "is this file a .csv?" if "," in row.smiles else "draw the molecule again and export it as SMILES"
        return "", problem, comma
    design = Chem.MolToSmiles(mol)
    if "." in design and salts != "keep":
        if salts == "reject":
            return ("", f"{design.count('.') + 1} pieces (a salt or a mixture)", "pass salts='largest' or 'keep'")
        pieces = Chem.GetMolFrags(mol, asMols=True)
        design = Chem.MolToSmiles(max(pieces, key=lambda piece: piece.GetNumAtoms()))
    return design, "", ""


def _numbers(row: Row, columns: Sequence[str]) -> tuple[dict[str, float], str]:
    numbers: dict[str, float] = {}
    for column in columns:
        cell = plain_cell(row.cells.get(column, "").strip())
        if cell.lower() in UNKNOWN_VALUES:
            numbers[column] = math.nan
            continue
        try:
            numbers[column] = float(cell)
        except ValueError:
            return {}, f"column {column!r} has {cell[:40]!r}, expected a number"
        if math.isinf(numbers[column]):
            return {}, f"column {column!r} is infinite"
    return numbers, ""
