"""Reader of designs for all domains: rows of a file become a corpus, and every rejected row gets a reason."""

from __future__ import annotations

import csv
import difflib
import io
import math
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal

import numpy as np

from invdesign.core import Corpus, D, InvdesignError, Progress, Rejection, silent
from invdesign.io.cells import plain_cell
from invdesign.io.corpora import make_corpus

OnInvalid = Literal["skip", "error"]

UNKNOWN_VALUES = ("", "nan", "na", "n/a", "none", "null", "-")
"""Contents of a cell (in lower case) that mean an unknown value."""
MAX_CELL_LENGTH = 50_000_000
MAX_REJECTION_TEXT = 200
DELIMITERS = ",;\t"
ROWS_PER_TASK = 20


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

    def __post_init__(self) -> None:
        if self.on_invalid not in ("skip", "error"):
            raise InvdesignError(f"on_invalid must be 'skip' or 'error', got {self.on_invalid!r}")

    @property
    def columns(self) -> list[str]:
        """Columns of numbers: those of the properties, then that of the weights."""
        return [*self.properties.values(), *([self.weight_column] if self.weight_column else [])]


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

    Of rows with one key the first is kept; the others are reported as rejections, and never raise an error.

    Args:
        rows: Rows of the file.
        parse: Parser of one row; picklable where `workers` is more than 1.
        source: Description of the file.
        options: Values to read beside the designs, and the treatment of invalid rows.
        to_text: Text of a design, for the checksum of the corpus.
        workers: Number of processes that parse.
        progress: Called with ("reading", rows done, `source.n_rows`).

    Raises:
        InvdesignError: No row is valid, or a row is invalid and `on_invalid="error"`.

    Example:
        >>> rows = [Row(1, "AC"), Row(2, "A1"), Row(3, "AC")]
        >>> def parse(row):
        ...     return Parsed(row.content, row.content) if row.content.isalpha() else Parsed(reason="no letters")
        >>> source = DesignSource("x.txt", name="x", noun="word", to_check="the format", n_rows=3, report_every=10)
        >>> corpus = read_designs(rows, parse, source=source, options=ReadOptions())
        >>> corpus.designs, [(r.row, r.reason) for r in corpus.rejected]
        (('AC',), [(2, 'no letters'), (3, 'the same word as row 1')])
    """
    first_rows: dict[str, tuple[int, str]] = {}
    designs: list[D] = []
    numbers: list[list[float]] = []
    rejected: list[Rejection] = []
    n_read = 0
    for row, parsed in _parse_rows(rows, parse, workers):
        if n_read % source.report_every == 0:
            progress("reading", n_read, source.n_rows)
        n_read += 1
        values, problem = _read_numbers(row, options)
        is_repeated = parsed.design is not None and parsed.key in first_rows
        reason, remedy = parsed.reason, parsed.remedy
        if parsed.design is not None and problem:
            reason, remedy = problem, "write a plain number, or leave a property's cell empty where it is unknown"
        elif is_repeated:
            number, file = first_rows[parsed.key]
            of_file = "" if file == row.file else f" of {file}"
            reason = f"the same {source.noun} as row {number}{of_file}"
            remedy = f"keep one row per {source.noun}"
        if reason:
            rejected.append(Rejection(row.number, _rejection_text(row), reason, remedy))
        if parsed.design is None or problem or is_repeated:
            if options.on_invalid == "error" and not is_repeated:
                raise _invalid_row_error(row, reason, remedy, source)
            continue
        first_rows[parsed.key] = (row.number, row.file)
        designs.append(parsed.design)
        numbers.append(values)
        if options.max_designs is not None and len(designs) >= options.max_designs:
            break
    progress("reading", source.n_rows, source.n_rows)
    if not designs:
        raise _no_design_error(source, n_read, rejected)
    return _make_corpus(designs, numbers, tuple(rejected), source.name, options, to_text)


def table_rows(
    path: Path,
    text: str,
    *,
    find_design: Callable[[Sequence[str]], tuple[int, str]],
    columns: Sequence[str],
    label: Callable[[str, Sequence[str]], str] | None = None,
    max_cell_length: int = MAX_CELL_LENGTH,
) -> Iterator[Row]:
    """Yield the rows of a table: commas, semicolons or tabs between cells, blank rows left out.

    Args:
        path: Path of the table, for messages.
        text: Text of the table.
        find_design: Function from the header to the position of the column of designs and the form of its content.
        columns: Names of the columns of other values.
        label: Function from the content and the cells of a row to its label; None to label a row by its content.
        max_cell_length: Largest number of characters in a cell; protects against a quote that is never closed.

    Raises:
        InvdesignError: The table lacks a column.
    """
    header: list[str] | None = None
    for number, cells, problem in _csv_records(text, max_cell_length):
        if problem:
            yield Row(number, problem=problem)
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = [plain_cell(cell.strip()) for cell in cells]
            position, form = find_design(header)
            positions = {column: find_column(path, header, column) for column in columns}
            continue
        content = plain_cell(cells[position].strip()) if position < len(cells) else ""
        values = {column: cells[i].strip() for column, i in positions.items() if i < len(cells)}
        problem = "" if len(cells) == len(header) else f"{len(cells)} cells under {len(header)} columns"
        yield Row(number, content, None if label is None else label(content, cells), form, values, problem)


def find_column(path: Path, header: Sequence[str], column: str) -> int:
    """Return the position of a column.

    Raises:
        InvdesignError: The header has no column of that name; the message names the nearest.
    """
    if column in header:
        return list(header).index(column)
    close = difflib.get_close_matches(column, header, n=1, cutoff=0.4)
    hint = f"; nearest: {close[0]!r}" if close else ""
    raise InvdesignError(
        f"{path}: no column {column!r}, got {_list_columns(header)}{hint}. Check the name of the column"
    )


def find_design_column(
    path: Path, header: Sequence[str], column: str | None, names: Sequence[str], *, remedy: str, allow_single: bool
) -> int:
    """Return the position of the column of designs: the given one, or the first whose name is usual.

    Args:
        path: Path of the table, for messages.
        header: Names of the columns.
        column: Name of the column, or None to search.
        names: Usual names in lower case, the preferred one first.
        remedy: What to do where no column has a usual name.
        allow_single: Whether the only column of a table may have any name.

    Raises:
        InvdesignError: No column has the given name, or a usual one.
    """
    if column is not None:
        return find_column(path, header, column)
    position = find_usual_name(header, names)
    if position is not None:
        return position
    if allow_single and len(header) == 1:
        return 0
    raise InvdesignError(f"{path}: expected a column called {names[0]!r}, got {_list_columns(header)}. {remedy}")


def find_usual_name(header: Sequence[str], names: Sequence[str]) -> int | None:
    """Return the position of the column with the first of the usual names, in any case; None where there is none."""
    lower = [heading.lower() for heading in header]
    return next((lower.index(name) for name in names if name in lower), None)


def detect_delimiter(text: str) -> str:
    """Return the delimiter of a table: the most frequent of comma, semicolon and tab in its first line.

    Example:
        >>> detect_delimiter("smiles;activity, pIC50;note")
        ';'
    """
    first = text.lstrip("\n").split("\n", 1)[0]
    return max(DELIMITERS, key=first.count)


def corpus_name(path: Path) -> str:
    """Return the name of the corpus of a file: the name of the file without its suffix.

    Example:
        >>> corpus_name(Path("data/mine.csv.gz"))
        'mine'
    """
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


def _csv_records(text: str, max_cell_length: int) -> Iterator[tuple[int, list[str], str]]:
    """Yield number, cells and problem of each record of a .csv text."""
    reader = csv.reader(io.StringIO(text), delimiter=detect_delimiter(text))
    number = 0
    while True:
        number += 1
        # The limit is a setting of the whole process, so it is changed for one record at a time.
        limit_before = csv.field_size_limit(max_cell_length)
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, [], f"not a table row ({error}); check for a quote that is not closed"
            continue
        finally:
            csv.field_size_limit(limit_before)
        yield number, cells, ""


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


def _read_numbers(row: Row, options: ReadOptions) -> tuple[list[float], str]:
    """Return the numbers of a row in the order of `options.columns`, and what is wrong with them."""
    numbers: list[float] = []
    for column in options.columns:
        cell = plain_cell(str(row.cells.get(column, "")).strip())
        try:
            number = math.nan if cell.lower() in UNKNOWN_VALUES else float(cell)
        except ValueError:
            return [], f"column {column!r} has {cell[:40]!r}, expected a number"
        if math.isinf(number):
            return [], f"column {column!r} is infinite"
        numbers.append(number)
    if options.weight_column and not numbers[-1] >= 0:
        return [], f"weight {cell!r} in {options.weight_column!r}, expected 0 or more"
    return numbers, ""


def _rejection_text(row: Row) -> str:
    text = f"{row.file}: {row.text}" if row.file else row.text
    return text[:MAX_REJECTION_TEXT]


def _invalid_row_error(row: Row, reason: str, remedy: str, source: DesignSource) -> InvdesignError:
    advice = remedy or "fix the row"
    return InvdesignError(
        f"{row.file or source.path}, row {row.number}: {reason}; got {row.text[:80]!r}. "
        f"{advice[0].upper()}{advice[1:]}, or pass on_invalid='skip'"
    )


def _no_design_error(source: DesignSource, n_read: int, rejected: Sequence[Rejection]) -> InvdesignError:
    first = f"; the first is row {rejected[0].row}: {rejected[0].reason}" if rejected else ""
    return InvdesignError(
        f"{source.path}: expected {source.noun}s, found none in {n_read} rows{first}. Check {source.to_check}"
    )


def _make_corpus(
    designs: Sequence[D],
    numbers: Sequence[Sequence[float]],
    rejected: tuple[Rejection, ...],
    name: str,
    options: ReadOptions,
    to_text: Callable[[D], str],
) -> Corpus[D]:
    properties = {key: np.array([values[j] for values in numbers]) for j, key in enumerate(options.properties)}
    weights = np.array([values[-1] for values in numbers]) if options.weight_column else None
    return make_corpus(
        tuple(designs), properties=properties, weights=weights, rejected=rejected, name=name, to_text=to_text
    )


def _list_columns(header: Sequence[str]) -> str:
    return f"the columns {', '.join(map(repr, header))}" if header else "an empty header"
