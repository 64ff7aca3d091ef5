"""Designs in files, for every domain: its own formats, or tables and lists of texts where it has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from invdesign.core import Corpus, D, DesignFiles, DesignSpace, InvdesignError
from invdesign.io import design_tables
from invdesign.io.design_tables import (
    TABLES,
    DesignSource,
    Parsed,
    ReadOptions,
    Row,
    measured_columns,
    table_rows,
    table_text,
)
from invdesign.io.tables import write_table
from invdesign.io.text_files import decode_text, read_bytes

TEXT_FORMATS = (".csv",)
REPORT_EVERY = 1000


def formats(domain: DesignSpace[D]) -> tuple[str, ...]:
    """Return the suffixes of the formats that can be written, the lossless one first."""
    return domain.formats if isinstance(domain, DesignFiles) else TEXT_FORMATS


def read_designs(domain: DesignSpace[D], path: Path) -> Corpus[D]:
    """Read the designs of a file.

    A domain without formats of its own is read from a text file with one design in each line, or from a .csv whose
    column `design` (else the first one) holds them and whose other columns of numbers are properties.

    Raises:
        InvdesignError: The file is missing or holds no design.
    """
    if isinstance(domain, DesignFiles):
        return domain.read(path)
    rows, properties = _rows(path)

    def parse(row: Row) -> Parsed[D]:
        if row.problem:
            return Parsed(reason=row.problem, remedy="fix the row")
        try:
            design = domain.from_text(row.content)
        except InvdesignError as error:
            return Parsed(reason=str(error), remedy="correct the design")
        return Parsed(design, domain.key(design))

    source = DesignSource(str(path), path.name, "design", f"the designs of {domain.name}", len(rows), REPORT_EVERY)
    return design_tables.read_designs(
        rows, parse, source=source, options=ReadOptions(properties), to_text=domain.to_text
    )


def write_designs(
    domain: DesignSpace[D],
    designs: Sequence[D],
    path: Path,
    *,
    columns: Mapping[str, Sequence[Any]] | None = None,
) -> None:
    """Write designs into a file of one of the domain's formats; a .csv with a column `design` where it has none."""
    if isinstance(domain, DesignFiles):
        domain.write(designs, path, columns=columns)
        return
    write_table({"design": [domain.to_text(design) for design in designs], **(columns or {})}, path)


def _rows(path: Path) -> tuple[list[Row], dict[str, str]]:
    """Return the rows of a file, and its columns of measured values by name."""
    if not path.name.lower().removesuffix(".gz").endswith(TABLES):
        lines = decode_text(read_bytes(path)).split("\n")
        return [Row(i, line.strip()) for i, line in enumerate(lines, start=1) if line.strip()], {}

    def find_design(header: Sequence[str]) -> tuple[int, str]:
        return (list(header).index("design") if "design" in header else 0), "design"

    header, columns = measured_columns(path)
    columns = [column for column in columns if column != header[find_design(header)[0]]]
    rows = list(table_rows(path, table_text(path), find_design=find_design, columns=columns))
    return rows, {column: column for column in columns}
