"""Reader of designs for all domains: rows of a file become a corpus, and every rejected row gets a reason."""

from __future__ import annotations

import difflib
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Literal

import numpy as np

from invdesign.core import Corpus, D, InvdesignError, Progress, Rejection, silent
from invdesign.io.cells import NUMBER, plain_cell
from invdesign.io.corpora import make_corpus
from invdesign.io.csv_records import Record, detect_delimiter, read_records
from invdesign.io.measured_values import is_unknown, read_column
from invdesign.io.measurements import Measurements, read_property
from invdesign.io.spreadsheets import SPREADSHEETS, sheet_text
from invdesign.io.text_files import MAX_BYTES, decode_text, read_bytes
from invdesign.io.units import split_heading

OnInvalid = Literal["skip", "error"]

TABLES = (".csv", ".tsv", *SPREADSHEETS)
"""Suffixes of tables; of the spreadsheets .xlsx is read, and the others are refused with a remedy."""
NAME_COLUMNS = (
    "name", "id", "compound", "compound_id", "compound id", "compound name", "molecule", "molecule name", "mol_id",
    "identifier", "title", "label", "entry", "accession", "sample", "sample id", "sample_id", "variant_id", "code",
    "material_id", "material id", "material", "cid", "drug", "chembl_id", "molecule_chembl_id", "compound_name",
)  # fmt: skip
"""Usual headings (in lower case) of the names of designs."""
MAX_CELL_LENGTH = 50_000_000
MAX_REJECTION_TEXT = 200
MAX_LISTED = 40
"""Columns that a message names."""
ROWS_PER_TASK = 20
MAX_LEADING_ERRORS = 5_000
"""Rows at the start of a file of which one has to be a design; a file of another kind is refused in about a second."""
MAX_LEADING_CHARACTERS = 10_000_000
"""Characters of such rows, after which no further ones are read."""


@dataclass(frozen=True)
class Row:
    """One record of a file before it is parsed."""

    number: int
    """Number of the record in its file, from 1; the header of a table is row 1."""
    content: Any = ""
    """Content that the domain parses; text in most formats."""
    label: str | None = None
    """Text that messages and rejections show, or None for the content."""
    form: str = ""
    """How the content is written, where a domain has several forms."""
    cells: Mapping[str, Any] = field(default_factory=dict)
    """Other values of the record by name of their column."""
    problem: str = ""
    """Why the record cannot be parsed; empty where it can."""
    file: str = ""
    """Name of the file, where several files are read."""
    name: str = ""
    """Name that the user gave the design."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Units that the headings of the columns state."""
    separator: str = ","
    """Character between the cells of its table."""

    @property
    def text(self) -> str:
        """Text that messages and rejections show."""
        return str(self.content) if self.label is None else self.label


@dataclass(frozen=True)
class Parsed(Generic[D]):
    """Result of parsing one row: a design, a reason why there is none, or both where the design was repaired."""

    design: D | None = None
    """The design, or None where the row is rejected."""
    key: str = ""
    """Canonical identity of the design; a row whose key was read before is rejected."""
    reason: str = ""
    """Why the row is rejected, or what was repaired."""
    remedy: str = ""
    """What would help."""
    n_atoms: int = 1
    """Atoms in the row as it is written: of a crystal, in its cell."""


@dataclass(frozen=True)
class ReadOptions:
    """Values to read beside the designs, and the treatment of invalid rows."""

    properties: Mapping[str, str] = field(default_factory=dict)
    """Measured properties: name -> column."""
    weight_column: str | None = None
    """Column of non-negative training weights."""
    on_invalid: OnInvalid = "skip"
    """`"skip"` reports an invalid row as a rejection, `"error"` stops at the first."""
    max_designs: int | None = None
    """Largest number of designs to read."""
    per_atom: Sequence[str] = ()
    """Properties whose values are totals of a row: they are divided by its number of atoms."""
    labels: Sequence[str] = ()
    """Columns of labels, e.g. the laboratory that measured a row."""
    energies: Sequence[str] = ()
    """Properties that are energies; where their unit is not for each atom, they are totals of a row."""

    def __post_init__(self) -> None:
        if self.on_invalid not in ("skip", "error"):
            raise InvdesignError(f"on_invalid must be 'skip' or 'error', got {self.on_invalid!r}")
        unknown = [name for name in self.per_atom if name not in self.properties]
        if unknown:
            known = ", ".join(map(repr, self.properties)) or "none"
            raise InvdesignError(
                f"per_atom: expected properties that are read ({known}), got {unknown[0]!r}. Correct it"
            )

    @property
    def columns(self) -> list[str]:
        """Columns that are read: those of the properties, then that of the weights, then those of the labels."""
        weights = [self.weight_column] if self.weight_column else []
        return list(dict.fromkeys([*self.properties.values(), *weights, *self.labels]))


@dataclass(frozen=True)
class DesignSource:
    """Description of the file that is read, for messages and progress."""

    path: str
    """Path of the file (or several paths), as messages show it."""
    name: str
    """Name of the corpus."""
    noun: str
    """What one design is called, e.g. `"molecule"`."""
    to_check: str
    """What to check where the file contains no design, e.g. `"the format and the SMILES column"`."""
    n_rows: int
    """Total for the progress callback: rows or lines of the file."""
    report_every: int
    """Rows between two calls of the progress callback."""


def read_designs(
    rows: Iterable[Row],
    parse: Callable[[Row], Parsed[D]],
    *,
    source: DesignSource,
    options: ReadOptions,
    to_text: Callable[[D], str] = str,
    workers: int = 1,
    progress: Progress = silent,
) -> Corpus[D]:
    """Return the corpus of the distinct designs of a file, in the order of the file.

    Rows with one key are one design, and all their measured values count; see `io.repeats` for the rule. A design of
    which a value cannot be read is kept without it. What became of each value is in `Corpus.usage`, and each row that
    was rejected or merged in `Corpus.rejected`; a repeat never raises an error.

    Args:
        rows: Rows of the file.
        parse: Parser of one row; picklable where `workers` is more than 1.
        source: Description of the file.
        options: Values to read beside the designs, and the treatment of invalid rows.
        to_text: Text of a design, for the checksum of the corpus.
        workers: Number of processes that parse.
        progress: Called with ("reading", rows done, `source.n_rows`).

    Raises:
        InvdesignError: No row is valid, none of the first 5,000 is, or a row is invalid and `on_invalid="error"`.

    Example:
        >>> rows = [Row(1, "AC"), Row(2, "A1"), Row(3, "AC")]
        >>> def parse(row):
        ...     return Parsed(row.content, row.content) if row.content.isalpha() else Parsed(reason="no letters")
        >>> source = DesignSource("x.txt", name="x", noun="word", to_check="the format", n_rows=3, report_every=10)
        >>> corpus = read_designs(rows, parse, source=source, options=ReadOptions())
        >>> corpus.designs, [(r.row, r.reason) for r in corpus.rejected]
        (('AC',), [(2, 'no letters'), (3, 'the same word as row 1')])
    """
    if options.columns:
        rows = _find_cells(list(rows), options, source)
    measured = Measurements.read(rows if options.columns else (), options.properties)
    weights = _read_weights(rows, options.weight_column) if options.weight_column else None
    found: _Found[D] = _Found(source, options, measured)
    for n_read, (row, parsed) in enumerate(_parse_rows(rows, parse, workers)):
        if n_read % source.report_every == 0:
            progress("reading", n_read, source.n_rows)
        found.add(n_read, row, parsed, None if weights is None else weights[n_read])
        if found.is_without_designs:
            break
        if options.max_designs is not None and len(found.designs) >= options.max_designs:
            measured.stop_after(n_read, f"beyond the {options.max_designs:,} designs of max_designs")
            break
    if not found.designs:
        raise _no_design_error(source, found)
    progress("reading", source.n_rows, source.n_rows)
    values = measured.merge(len(found.designs), found.names, per_atom=options.per_atom, energies=options.energies)
    return make_corpus(
        tuple(found.designs),
        properties=values.properties,
        weights=None if weights is None else np.array(found.weights),
        rejected=tuple(found.rejected),
        errors=values.errors,
        bounds=values.bounds,
        names=found.names,
        usage=values.usage,
        labels={name: tuple(found.labels[name]) for name in options.labels},
        name=source.name,
        to_text=to_text,
    )


class _Found(Generic[D]):
    """Designs of the rows that were read so far."""

    def __init__(self, source: DesignSource, options: ReadOptions, measured: Measurements) -> None:
        self.source, self.options, self.measured = source, options, measured
        self.n_read = self.n_characters = 0
        self.designs: list[D] = []
        self._names: list[dict[str, None]] = []
        self.weights: list[float] = []
        self.labels: dict[str, list[str]] = {name: [] for name in options.labels}
        self.rejected: list[Rejection] = []
        self._first_rows: dict[str, tuple[int, Row]] = {}

    @property
    def is_without_designs(self) -> bool:
        """Whether the file is of another kind: many rows were read, and none is a design."""
        is_long = self.n_read >= MAX_LEADING_ERRORS or self.n_characters >= MAX_LEADING_CHARACTERS
        return is_long and not self.designs

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the designs, those of repeated rows joined."""
        return tuple("; ".join(names) for names in self._names)

    def add(self, i: int, row: Row, parsed: Parsed[D], weight: tuple[float, str] | None) -> None:
        """Add a row: a new design, further values of one that was read before, or a rejection."""
        self.n_read = i + 1
        self.n_characters += len(row.content) if isinstance(row.content, str) else 0
        weight_problem = weight[1] if weight is not None and parsed.design is not None else ""
        if parsed.design is None or weight_problem:
            reason = weight_problem or parsed.reason
            remedy = "write a number of 0 or more" if weight_problem else parsed.remedy
            self._reject(row, reason, remedy, is_kept=False)
            self.measured.drop(i, reason)
            return
        self.measured.n_atoms[i] = parsed.n_atoms
        problems = self.measured.problems(i)
        if parsed.key in self._first_rows:
            self._add_repeat(i, row, parsed.key, problems)
            return
        reasons = [reason for reason in (parsed.reason, *problems) if reason]
        if reasons:
            remedy = "kept without this value: correct the cell, or leave it empty where the value is unknown"
            self._reject(
                row, "; ".join(reasons), remedy if problems else parsed.remedy, is_kept=True, is_error=bool(problems)
            )
        self._first_rows[parsed.key] = (len(self.designs), row)
        self.measured.assign(i, len(self.designs))
        self.designs.append(parsed.design)
        self._names.append({row.name: None} if row.name else {})
        self.weights.append(1.0 if weight is None else weight[0])
        for name, values in self.labels.items():
            values.append(_label(row, name))

    def _add_repeat(self, i: int, row: Row, key: str, problems: Sequence[str]) -> None:
        """Add a row whose design was read before: its values count for that design."""
        position, first = self._first_rows[key]
        of_file = "" if first.file == row.file else f" of {first.file}"
        reason = f"the same {self.source.noun} as row {first.number}{of_file}"
        has_values = self.measured.assign(i, position)
        merged = "kept: the mean of the plain values counts, or the narrowest bound where there is none"
        remedy = merged if has_values else f"keep one row per {self.source.noun}"
        self._reject(row, "; ".join([reason, *problems]), remedy, is_kept=has_values, is_error=bool(problems))
        if row.name:
            self._names[position][row.name] = None
        for name, values in self.labels.items():
            if values[position] != _label(row, name):
                values[position] = ""

    def _reject(self, row: Row, reason: str, remedy: str, *, is_kept: bool, is_error: bool | None = None) -> None:
        """Record a row, or stop at it where it is an error and errors are not skipped."""
        is_error = not is_kept if is_error is None else is_error
        if is_error and self.options.on_invalid == "error":
            raise _invalid_row_error(row, reason, remedy, self.source)
        self.rejected.append(Rejection(row.number, _rejection_text(row), reason, remedy, is_kept))


def _label(row: Row, column: str) -> str:
    """Return the label of a row; empty where it is unknown."""
    cell = plain_cell(str(row.cells.get(column, "")).strip())
    return "" if is_unknown(cell) else cell


def table_rows(
    path: Path,
    text: str,
    *,
    find_design: Callable[[Sequence[str]], tuple[int, str]],
    columns: Sequence[str],
    label: Callable[[str, Sequence[str]], str] | None = None,
    max_cell_length: int = MAX_CELL_LENGTH,
    allow_repeated: str | None = None,
) -> Iterator[Row]:
    """Yield the rows of a table: commas, semicolons or tabs between cells, blank rows left out.

    Args:
        path: Path of the table, for messages.
        text: Text of the table.
        find_design: Function from the header to the position of the column of designs and the form of its content.
        columns: Names of the columns of other values.
        label: Function from the content and the cells of a row to its label; None to label a row by its content.
        max_cell_length: Largest number of characters in a cell.
        allow_repeated: Heading that several columns may have, because no value is read by it; None for no heading.

    Raises:
        InvdesignError: The table lacks a column, or two columns have one name.
    """
    header: list[str] | None = None
    separator = detect_delimiter(text)
    for record in read_records(text, max_cell_length=max_cell_length):
        cells = record.cells
        if not record.problem and not any(cell.strip() for cell in cells):
            continue
        if header is None:
            _check_heading(path, record)
            header = [plain_cell(cell.strip()) for cell in cells]
            _check_header(path, [heading for heading in header if heading != allow_repeated])
            position, form = find_design(header)
            positions = {column: find_column(path, header, column) for column in columns}
            units = {column: split_heading(header[i])[1] for column, i in positions.items()}
            name_positions = _name_positions(header, position, list(positions.values()))
            continue
        content = plain_cell(cells[position].strip()) if position < len(cells) else ""
        values = {column: cells[i].strip() for column, i in positions.items() if i < len(cells)}
        names = (plain_cell(cells[i].strip()) for i in name_positions if i < len(cells))
        problem = "" if len(cells) == len(header) else f"{len(cells)} cells under {len(header)} columns"
        yield Row(
            record.number,
            content,
            None if label is None else label(content, cells),
            form,
            values,
            record.problem or problem,
            name=join_names(names),
            units=units,
            separator=separator,
        )


def join_names(names: Iterable[str]) -> str:
    """Return the names of a design as one, without repeats and unknown ones.

    Example:
        >>> join_names(["alpha", "17", "n/a", "alpha"])
        'alpha; 17'
    """
    return "; ".join(dict.fromkeys(name for name in names if not is_unknown(name)))


def _name_positions(header: Sequence[str], position: int, positions: Sequence[int]) -> list[int]:
    """Return the positions of the columns of names, the preferred one first.

    They are none of the columns of designs (`position`) and of values, unless there is no other one.
    """
    lower = [heading.lower() for heading in header]
    found = [lower.index(name) for name in NAME_COLUMNS if name in lower and lower.index(name) != position]
    return [i for i in found if i not in positions] or found[:1]


def table_text(path: Path, *, max_bytes: int = MAX_BYTES) -> str:
    """Return the text of a table: that of a .csv or .tsv file, or the sheet of a spreadsheet as .csv.

    Args:
        path: Path of the file.
        max_bytes: Largest size of the unpacked content [bytes].

    Raises:
        InvdesignError: The file cannot be read or is too large, or the spreadsheet has several sheets with content.
    """
    data = read_bytes(path, max_bytes=max_bytes)
    if path.name.lower().endswith(SPREADSHEETS):
        return sheet_text(path, data, max_bytes=max_bytes)
    return decode_text(data)


def measured_columns(path: Path) -> tuple[list[str], list[str]]:
    """Return the headings of a table, and those under which at least half of the known values are measured values.

    A formula of a spreadsheet is a measured value here, also where its value was not saved.

    Args:
        path: Path of the table.

    Raises:
        InvdesignError: The file cannot be read, or two columns have one name.
    """
    text = table_text(path)
    separator = detect_delimiter(text)
    given = read_records(text, max_cell_length=MAX_CELL_LENGTH)
    records = [record for record in given if record.problem or any(cell.strip() for cell in record.cells)]
    if not records:
        return [], []
    _check_heading(path, records[0])
    header = [plain_cell(cell.strip()) for cell in records[0].cells]
    _check_header(path, header)
    found = []
    for j, heading in enumerate(header):
        cells = [record.cells[j] for record in records[1:] if j < len(record.cells)]
        column = read_column(cells, separator=separator)
        n_values = sum(value is not None for value in column.values)
        is_name = not heading or heading.lower() in NAME_COLUMNS or heading.lower().startswith("unnamed")
        unread = [cell for cell, problem in zip(cells, column.problems, strict=True) if problem]
        n_formulas = sum(plain_cell(cell).startswith("=") for cell in unread)
        n_known = n_values + n_formulas
        if not is_name and n_known and n_known >= len(unread) - n_formulas:
            found.append(heading)
    return header, found


def find_column(path: Path, header: Sequence[str], column: str) -> int:
    """Return the position of a column: by its heading, by the heading in another case, or by it without its unit.

    Raises:
        InvdesignError: The header has no such column, or several; the message names the nearest, or all of them.
    """
    keys: tuple[Callable[[str], str], ...] = (
        lambda heading: heading,
        lambda heading: heading.casefold(),
        lambda heading: split_heading(heading)[0].casefold(),
    )
    for key in keys:
        positions = [i for i, heading in enumerate(header) if key(heading) == key(column)]
        if len(positions) == 1:
            return positions[0]
        if positions:
            found = " and ".join(f"{header[i]!r} (column {i + 1})" for i in positions)
            raise InvdesignError(f"{path}: expected one column {column!r}, got {found}. Give the full heading of one")
    close = difflib.get_close_matches(column, header, n=1, cutoff=0.4)
    hint = f"; nearest: {close[0]!r}" if close else ""
    raise InvdesignError(
        f"{path}: no column {column!r}, got {_list_columns(header)}{hint}. Check the name of the column"
    )


def find_design_column(
    path: Path,
    header: Sequence[str],
    column: str | None,
    names: Sequence[str],
    *,
    is_design: Callable[[str], bool],
    remedy: str,
    allow_single: bool,
) -> int:
    """Return the position of the column of designs: the given one, or the first whose name is usual.

    Args:
        path: Path of the table, for messages.
        header: Names of the columns.
        column: Name of the column, or None to search.
        names: Usual names in lower case, the preferred one first.
        is_design: Whether a heading is a design itself; then the table lacks its headings.
        remedy: What to do where no column has a usual name.
        allow_single: Whether the only column of a table may have any name.

    Raises:
        InvdesignError: No column has the given name, or a usual one; or the first row holds a design.
    """
    if column is not None:
        try:
            return find_column(path, header, column)
        except InvdesignError:
            _check_headings(path, header, names[0], is_design, remedy)
            raise
    position = find_usual_name(header, names)
    if position is not None:
        return position
    _check_headings(path, header, names[0], is_design, remedy)
    if allow_single and len(header) == 1:
        return 0
    raise InvdesignError(f"{path}: expected a column called {names[0]!r}, got {_list_columns(header)}. {remedy}")


def _check_headings(
    path: Path, header: Sequence[str], name: str, is_design: Callable[[str], bool], remedy: str
) -> None:
    """Check that the first row is no row of designs: a design alone, or beside a number.

    Raises:
        InvdesignError: It is: the table has no headings.
    """
    design = next((heading for heading in header if is_design(heading)), None)
    if design is not None and (len(header) == 1 or any(map(NUMBER.fullmatch, header))):
        raise InvdesignError(
            f"{path}: expected headings in the first row, got the design {design[:40]!r}. Write a row of headings "
            f"above it ({name!r} for the designs). If it is a heading: {remedy[0].lower()}{remedy[1:]}"
        )


def find_usual_name(header: Sequence[str], names: Sequence[str]) -> int | None:
    """Return the position of the column with the first of the usual names, in any case; None where there is none."""
    lower = [heading.lower() for heading in header]
    return next((lower.index(name) for name in names if name in lower), None)


def corpus_name(path: Path) -> str:
    """Return the name of the corpus of a file: the name of the file without its suffix.

    Example:
        >>> corpus_name(Path("data/mine.csv.gz"))
        'mine'
    """
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


def _parse_rows(
    rows: Iterable[Row], parse: Callable[[Row], Parsed[D]], workers: int
) -> Iterator[tuple[Row, Parsed[D]]]:
    """Yield each row with its result, in order, with one or several processes."""
    if workers <= 1:
        yield from ((row, parse(row)) for row in rows)
        return
    given = list(rows)
    if len(given) < 2:
        yield from ((row, parse(row)) for row in given)
        return
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(max_workers=workers, mp_context=context) as pool:
        try:
            yield from zip(given, pool.map(parse, given, chunksize=ROWS_PER_TASK), strict=True)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _read_weights(rows: Iterable[Row], column: str) -> list[tuple[float, str]]:
    """Return the weight of each row, and what is wrong with it."""
    given = list(rows)
    values = read_property(given, column).values
    return [
        (value.value, "")
        if value is not None and value.value >= 0 and not value.bound
        else (1.0, f"weight {plain_cell(str(row.cells.get(column, '')).strip())!r} in {column!r}, expected 0 or more")
        for row, value in zip(given, values, strict=True)
    ]


def _find_cells(rows: list[Row], options: ReadOptions, source: DesignSource) -> list[Row]:
    """Return rows with their cells under the columns that were asked for, with the units that the headings state.

    In a table every row has them. The tags of an SD file are found here as the headings of a table are, in each record
    in the case that it has.

    Raises:
        InvdesignError: No row has a column.
    """
    if all(row.problem for row in rows):
        return rows
    names = _headings(rows)
    headings = {column: names[find_column(Path(source.path), names, column)] for column in options.columns}
    units = {column: split_heading(heading)[1] for column, heading in headings.items()}
    renamed = {column: heading for column, heading in headings.items() if column != heading}
    is_uniform = all(heading in row.cells for row in rows for heading in headings.values())
    if is_uniform and not renamed and not any(units.values()):
        return rows
    return [_with_columns(row, headings, units) for row in rows]


def _headings(rows: Sequence[Row]) -> list[str]:
    """Return the names of all cells; of spellings in different case the first, unless a row has several of them."""
    spellings: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for row in rows for name in row.cells):
        spellings.setdefault(name.casefold(), []).append(name)
    found = []
    for names in spellings.values():
        is_one = len(names) == 1 or all(sum(name in row.cells for name in names) <= 1 for row in rows)
        found += names[:1] if is_one else names
    return found


def _with_columns(row: Row, headings: Mapping[str, str], units: Mapping[str, str]) -> Row:
    """Return a row with cells under other names as well, and with units where it has none."""
    in_any_case = {name.casefold(): cell for name, cell in row.cells.items()}
    cells = {column: row.cells.get(h, in_any_case.get(h.casefold())) for column, h in headings.items()}
    found = {column: cell for column, cell in cells.items() if cell is not None}
    return replace(row, cells={**row.cells, **found}, units={**units, **row.units})


def _check_heading(path: Path, record: Record) -> None:
    """Check that the record of the headings can be read.

    Raises:
        InvdesignError: It cannot.
    """
    if record.problem:
        raise InvdesignError(f"{path}, row {record.number}: expected headings, got {record.problem}. Correct the row")


def _check_header(path: Path, header: Sequence[str]) -> None:
    """Check that no two columns have one name.

    Raises:
        InvdesignError: Some have; the message names both.
    """
    counts = Counter(heading for heading in header if heading)
    for heading, n in counts.items():
        if n > 1:
            numbers = " and ".join(str(i + 1) for i, other in enumerate(header) if other == heading)
            raise InvdesignError(
                f"{path}: expected columns of distinct names, got {heading!r} in columns {numbers}. Rename or remove "
                "one of them"
            )


def _rejection_text(row: Row) -> str:
    text = f"{row.file}: {row.text}" if row.file else row.text
    return text[:MAX_REJECTION_TEXT]


def _invalid_row_error(row: Row, reason: str, remedy: str, source: DesignSource) -> InvdesignError:
    advice = remedy or "fix the row"
    return InvdesignError(
        f"{row.file or source.path}, row {row.number}: {reason}; got {row.text[:80]!r}. "
        f"{advice[0].upper()}{advice[1:]}, or pass on_invalid='skip'"
    )


def _no_design_error(source: DesignSource, found: _Found[Any]) -> InvdesignError:
    first = f"; the first is row {found.rejected[0].row}: {found.rejected[0].reason}" if found.rejected else ""
    is_stopped = found.is_without_designs
    rows = f"the first {found.n_read:,} rows" if is_stopped else f"{found.n_read:,} rows"
    remedy = ", or delete these rows if later ones are sound" if is_stopped else ""
    return InvdesignError(
        f"{source.path}: expected {source.noun}s, found none in {rows}{first}. Check {source.to_check}{remedy}"
    )


def _list_columns(header: Sequence[str]) -> str:
    more = f" and {len(header) - MAX_LISTED:,} more" if len(header) > MAX_LISTED else ""
    return f"the columns {', '.join(map(repr, header[:MAX_LISTED]))}{more}" if header else "no column"
