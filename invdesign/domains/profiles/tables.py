"""Profiles in tables: one row for each profile, one column for each feature."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invdesign.core import Corpus, InvdesignError, Progress, silent
from invdesign.io.design_tables import (
    DesignSource,
    Parsed,
    ReadOptions,
    Row,
    measured_columns,
    read_designs,
    table_rows,
    table_text,
)
from invdesign.io.tables import write_table

if TYPE_CHECKING:
    from invdesign.domains.profiles.domain import Profile

REPORT_EVERY = 1000
TEXT = "design"
"""Heading of profiles as texts."""


def read(
    path: Path,
    *,
    make: Callable[[Sequence[str], Sequence[float]], Profile],
    from_text: Callable[[str], Profile],
    to_text: Callable[[Profile], str],
    features: Sequence[str] = (),
    options: ReadOptions | None = None,
    progress: Progress = silent,
) -> Corpus[Profile]:
    """Return the profiles of a table.

    Args:
        path: A .csv, .tsv or .xlsx file.
        make: Makes a profile of names and numbers.
        from_text: Reads a profile from its text, in the column `design`.
        to_text: Writes a profile as its text.
        features: Columns of the features; by default all columns of numbers that are no property.
        options: Values to read beside the profiles.
        progress: Called with ("reading", rows done, rows).

    Raises:
        InvdesignError: The file is missing, or has no profile.
    """
    options = options or ReadOptions()
    header, numbers = measured_columns(path)
    is_text = TEXT in header and not features
    names = [] if is_text else list(features) or [name for name in numbers if name not in options.columns]

    def parse(row: Row) -> Parsed[Profile]:
        if row.problem:
            return Parsed(reason=row.problem, remedy="fix the row")
        try:
            design = from_text(row.content) if is_text else make(names, [_number(row.cells, name) for name in names])
        except InvdesignError as error:
            return Parsed(reason=str(error), remedy="correct the row")
        return Parsed(design, to_text(design))

    def find_design(header: Sequence[str]) -> tuple[int, str]:
        return list(header).index(TEXT if is_text else names[0]), TEXT

    if not is_text and not names:
        raise InvdesignError(f"{path}: expected columns of numbers, one for each feature, got none. Check the file")
    columns = list(dict.fromkeys([*names, *options.columns]))
    rows = list(table_rows(path, table_text(path), find_design=find_design, columns=columns))
    source = DesignSource(str(path), path.name, "profile", "the columns of the features", len(rows), REPORT_EVERY)
    return read_designs(rows, parse, source=source, options=options, to_text=to_text, progress=progress)


def write(
    designs: Sequence[Profile],
    path: Path,
    *,
    to_text: Callable[[Profile], str],
    columns: Mapping[str, Sequence[Any]],
) -> None:
    """Write profiles as texts, further columns, and the features as columns."""
    names = designs[0].names if designs else ()
    wide = {name: [design.values[i] for design in designs] for i, name in enumerate(names) if name not in columns}
    write_table({TEXT: [to_text(design) for design in designs], **columns, **wide}, path)


def _number(cells: Mapping[str, Any], name: str) -> float:
    text = str(cells.get(name, "")).strip()
    try:
        return float(text)
    except ValueError as error:
        raise InvdesignError(f"column {name!r}: expected a number, got {text!r}. Fill the cell") from error
