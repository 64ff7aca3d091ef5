"""Designs in files, for every domain: its own formats, or tables and lists of texts where it has none."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from invdesign.core import Corpus, D, DesignFiles, DesignSpace, InvdesignError, Rejection
from invdesign.io.cells import plain_cell
from invdesign.io.corpora import make_corpus
from invdesign.io.tables import write_table
from invdesign.io.text_files import decode_text, read_bytes

TEXT_FORMATS = (".csv",)


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
    rows = _rows(path)
    designs: dict[str, D] = {}
    values: dict[str, list[float]] = {name: [] for _, cells in rows[:1] for name in cells if name != "design"}
    rejected: list[Rejection] = []
    for number, cells in rows:
        try:
            design = domain.from_text(cells["design"])
        except InvdesignError as error:
            rejected.append(Rejection(number, cells["design"], str(error)))
            continue
        key = domain.key(design)
        if key in designs:
            rejected.append(Rejection(number, cells["design"], "the same design as an earlier row"))
            continue
        designs[key] = design
        for name, column in values.items():
            column.append(_number(cells.get(name, "")))
    if not designs:
        raise InvdesignError(f"{path}: expected designs of {domain.name}, one in each row, got none. Check the file")
    properties = {name: np.array(column) for name, column in values.items() if np.isfinite(column).any()}
    return make_corpus(
        tuple(designs.values()),
        properties=properties,
        rejected=tuple(rejected),
        name=path.name,
        to_text=domain.to_text,
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


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the numbered rows of a file, each by heading."""
    text = decode_text(read_bytes(Path(path)))
    if ".csv" not in Path(path).suffixes:
        lines = text.split("\n")
        return [(i, {"design": line.strip()}) for i, line in enumerate(lines, start=1) if line.strip()]
    table = [[plain_cell(cell) for cell in row] for row in csv.reader(io.StringIO(text)) if row]
    if not table:
        return []
    headings = table[0] if "design" in table[0] else ["design", *table[0][1:]]
    return [(i, dict(zip(headings, row, strict=False))) for i, row in enumerate(table[1:], start=2)]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
