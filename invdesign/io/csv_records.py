"""Records of .csv text. A quote that is not closed invalidates its own row only."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

DELIMITERS = ",;\t"
SEPARATOR_LINE = re.compile(r"sep=([,;\t|])\n")
"""First line of a .csv file by which a spreadsheet program states the separator."""


@dataclass(frozen=True)
class Record:
    """One record of a table."""

    number: int
    """Number of the record, from 1."""
    cells: Sequence[str] = ()
    """Text of each cell."""
    problem: str = ""
    """Why the cells are not those of a row; empty where they are."""


def read_records(text: str, *, max_cell_length: int) -> Iterator[Record]:
    r"""Yield the records of a .csv text.

    A record whose quote is not closed has a problem. The lines after its first one are read again as records, from the
    line on that has as many cells as the headings.

    Args:
        text: Text of the table with `\n` line ends.
        max_cell_length: Largest number of characters in a cell.

    Example:
        >>> records = read_records('a,b\nx,1\n"y,2\nz,3\n', max_cell_length=100)
        >>> [(record.cells, record.problem) for record in records][1:]
        [(['x', '1'], ''), (['"y', '2'], 'a quote that is not closed'), (['z', '3'], '')]
    """
    delimiter = detect_delimiter(text)
    declared = SEPARATOR_LINE.match(text)
    lines = _Lines(text[declared.end() :] if declared else text)
    reader = csv.reader(lines, delimiter=delimiter)
    number = 1 if declared else 0
    n_cells = 0
    while True:
        number += 1
        start = lines.position
        cells, error = _next_record(reader, max_cell_length)
        if cells is None:
            return
        own = lines.lines[start : lines.position]
        if lines.is_over or (len(own) > 1 and (error or not _is_closed(own, delimiter, max_cell_length))):
            n_skipped = _count_rest(lines.lines, start + 1, lines.position, n_cells, delimiter, max_cell_length)
            lines.go_to(start + 1 + n_skipped)
            lines_after = "the line" if n_skipped == 1 else f"the {n_skipped:,} lines"
            rest = f"; {lines_after} after it, without the cells of a row, left out" if n_skipped else ""
            yield Record(number, own[0].rstrip("\n").split(delimiter), f"a quote that is not closed{rest}")
        elif error:
            yield Record(number, problem=f"not a table row ({error}); check for a quote that is not closed")
        else:
            n_cells = n_cells or len(cells)
            yield Record(number, cells)


def detect_delimiter(text: str) -> str:
    """Return the delimiter of a table: the most frequent of comma, semicolon and tab in its first line.

    Example:
        >>> detect_delimiter("smiles;activity, pIC50;note")
        ';'
    """
    declared = SEPARATOR_LINE.match(text)
    if declared:
        return declared[1]
    first = text.lstrip("\n").split("\n", 1)[0]
    return max(DELIMITERS, key=first.count)


class _Lines:
    """Iterator over the lines of a text that can be set back."""

    def __init__(self, text: str) -> None:
        self.lines = io.StringIO(text).readlines()
        self.position = 0
        self.is_over = False
        """Whether a line was requested after the last one."""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self.position == len(self.lines):
            self.is_over = True
            raise StopIteration
        self.position += 1
        return self.lines[self.position - 1]

    def go_to(self, position: int) -> None:
        """Continue at a line."""
        self.position = position
        self.is_over = False


def _next_record(reader: Iterator[list[str]], max_cell_length: int) -> tuple[list[str] | None, str]:
    """Return the cells of the next record, or why it has none; None after the last record."""
    # The limit is a setting of the whole process, so it is changed for one record at a time.
    limit_before = csv.field_size_limit(max_cell_length)
    try:
        return next(reader), ""
    except StopIteration:
        return None, ""
    except csv.Error as error:
        return [], str(error)
    finally:
        csv.field_size_limit(limit_before)


def _is_closed(lines: Sequence[str], delimiter: str, max_cell_length: int) -> bool:
    """Return whether each quote of a record of several lines is closed at the end of a cell."""
    _, error = _next_record(csv.reader(lines, delimiter=delimiter, strict=True), max_cell_length)
    return not error


def _count_rest(lines: Sequence[str], start: int, end: int, n_cells: int, delimiter: str, max_cell_length: int) -> int:
    """Return how many lines come before the first one that starts a record with a number of cells."""
    for k in range(start, end):
        if len(lines[k].split(delimiter)) == n_cells:
            return k - start
        following = csv.reader(map(lines.__getitem__, range(k, len(lines))), delimiter=delimiter, strict=True)
        cells, error = _next_record(following, max_cell_length)
        if not error and cells is not None and len(cells) == n_cells:
            return k - start
    return end - start
