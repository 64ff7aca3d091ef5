"""Writer of sequence files: FASTA, spreadsheet-safe tables, pictures; and columns that describe designs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from Bio.SeqUtils import molecular_weight

from invdesign.core import InvdesignError
from invdesign.domains.sequences.alphabet import GAP, LETTERS
from invdesign.domains.sequences.oracles import physics
from invdesign.domains.sequences.output import drawing
from invdesign.domains.sequences.wild_type.wild_type import WildType, distance
from invdesign.io.atomic import write_bytes
from invdesign.io.cells import cell_text
from invdesign.io.tables import check_columns, csv_text

WRITTEN = (".fasta", ".csv", ".svg")
LETTERS_PER_LINE = 60
MAX_DRAWN = 100
"""Largest number of sequences in a picture."""


def write(
    designs: Sequence[str],
    path: Path | str,
    *,
    columns: Mapping[str, Sequence[Any]] | None = None,
    wild_type: WildType | None = None,
) -> None:
    """Write sequences as .fasta, .csv or a picture (.svg).

    Headers of FASTA are `>id mutations=A108D;V11L predicted=3.1 sd=.2`: an identifier without spaces, then fields
    `name=value`; mutations are written if there is a wild type.

    Args:
        designs: Sequences; gaps are written as they are.
        path: Path of the file; its suffix selects the format. The file is written atomically.
        columns: Further values, one per design: columns of a .csv file; in a .fasta file the predictions and
            measurements among them. The column `id` or `name`, otherwise the first, names the records.
        wild_type: Sequence that mutations are counted on.

    Raises:
        InvdesignError: The suffix is unknown, a column has another length, or the file cannot be written.
    """
    path = Path(path)
    columns = {} if columns is None else dict(columns)
    check_columns(columns, len(designs))
    suffix = path.suffix.lower()
    if suffix in (".fasta", ".fa", ".faa", ".fna"):
        data = fasta(designs, columns, wild_type=wild_type)
    elif suffix == ".csv":
        data = _csv(designs, columns)
    elif suffix == ".svg":
        data = _svg(designs, identifiers(len(designs), columns), wild_type)
    else:
        raise InvdesignError(f"{path}: expected one of {', '.join(WRITTEN)}, got {suffix!r}. Choose another suffix")
    write_bytes(path, data.encode())


def fasta(designs: Sequence[str], columns: Mapping[str, Sequence[Any]], *, wild_type: WildType | None = None) -> str:
    """Return FASTA records with 60 letters per line and the values of each design in its header.

    Args:
        designs: Sequences.
        columns: Further values, one per design, see `write`.
        wild_type: Sequence that mutations are counted on.
    """
    records = []
    value_columns = {_header_word(name): cells for name, cells in columns.items() if _is_value(name)}
    for i, (design, title) in enumerate(zip(designs, identifiers(len(designs), columns), strict=True)):
        words = [title]
        if wild_type is not None:
            words.append(f"mutations={';'.join(wild_type.mutations(design)) or 'none'}")
        for name, cells in value_columns.items():
            value = cells[i]
            text = f"{value:.6g}" if isinstance(value, float) else str(value)
            if cell_text(value):
                words.append(f"{name}={_header_word(text)}")
        lines = [design[start : start + LETTERS_PER_LINE] for start in range(0, len(design), LETTERS_PER_LINE)]
        records.append("\n".join([f">{' '.join(words)}", *lines, ""]))
    return "".join(records)


def identifiers(n: int, columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return `n` distinct names of records without spaces.

    Args:
        n: Number of records.
        columns: Further values, one per record; the column `id` or `name`, otherwise the first, gives the names.
    """
    names = next((columns[name] for name in ("id", "name") if name in columns), None)
    if names is None:
        names = next(iter(columns.values()), None)
    width = len(str(max(n, 100)))
    titles: list[str] = []
    used: set[str] = set()
    for i in range(n):
        number = f"{i + 1:0{width}d}"
        name = f"design-{number}" if names is None else _header_word(cell_text(names[i]))
        title = name if name and name not in used else f"{name or 'design'}-{number}"
        used.add(title)
        titles.append(title)
    return titles


def describe(
    designs: Sequence[str], *, kind: str = "protein", wild_type: WildType | None = None
) -> dict[str, list[Any]]:
    """Return columns that describe designs.

    The columns are the mutations and their number (if there is a wild type), the length without gaps, and the molecular
    weight [g/mol] (of nucleic acids that of the single strand with a 5' phosphate); of proteins also the isoelectric
    point and GRAVY (mean hydropathy), of nucleic acids the fraction of G and C. A value is None where a sequence has
    other letters.

    Args:
        designs: Sequences.
        kind: `"protein"`, `"dna"`, `"rna"`, or the letters themselves.
        wild_type: Sequence that mutations are counted on.
    """
    columns: dict[str, list[Any]] = {}
    if wild_type is not None:
        columns["n_mutations"] = [distance(wild_type.sequence, design) for design in designs]
        columns["mutations"] = [";".join(wild_type.mutations(design)) for design in designs]
    bare = [design.replace(GAP, "") for design in designs]
    columns["length"] = [len(design) for design in bare]
    if kind == "protein":
        columns["molecular_weight"] = _round(physics.protein_weight(bare), 2)
        columns["isoelectric_point"] = _round(physics.isoelectric_point(bare), 2)
        columns["gravy"] = _round(physics.gravy(bare), 3)
    elif kind in LETTERS:
        columns["molecular_weight"] = _round([_nucleic_acid_weight(design, kind) for design in bare], 2)
        columns["gc"] = _round(physics.gc_content(bare), 3)
    return columns


def _nucleic_acid_weight(design: str, kind: str) -> float:
    """Return the molecular weight [g/mol] of a nucleic acid, NaN where it is empty or has other letters."""
    if not design or set(design) - set(LETTERS[kind]):
        return math.nan
    return float(cast("Any", molecular_weight)(design, kind.upper()))


def _csv(designs: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> str:
    others = {name: cells for name, cells in columns.items() if name != "sequence"}
    return csv_text(["sequence", *others], zip(designs, *others.values(), strict=True))


def _svg(designs: Sequence[str], titles: Sequence[str], wild_type: WildType | None) -> str:
    """Return a picture of designs below each other, the first `MAX_DRAWN` of them, with their names."""
    parts: list[str] = []
    wide, high = 200.0, 0.0
    for design, title in zip(designs[:MAX_DRAWN], titles, strict=False):
        picture = drawing.svg(design, wild_type=wild_type)
        width, height = map(float, re.findall(r'viewBox="0 0 (\S+) (\S+)"', picture)[0])
        parts.append(f'<text x="10" y="{high + 16:g}" font-weight="bold">{title}</text>')
        parts.append(picture.replace("<svg ", f'<svg x="0" y="{high + 20:g}" ', 1))
        wide, high = max(wide, width), high + height + 34
    frame = f'viewBox="0 0 {wide:g} {high + 10:g}" width="{wide:g}" height="{high + 10:g}"'
    style = 'font-family="sans-serif" font-size="12"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {frame} {style}>{"".join(parts)}</svg>\n'


def _round(values: Iterable[float], digits: int) -> list[float | None]:
    return [None if math.isnan(value) else round(float(value), digits) for value in values]


def _is_value(name: str) -> bool:
    """Return whether a column of a candidate list is a prediction, a measurement, or says how sure a prediction is."""
    beginnings = ("measured ", "computed ", "predicted ", "surrogate ", "sd of ")
    return name.startswith(beginnings) or " % quantile of " in name


def _header_word(text: str) -> str:
    """Return text as one word of a header: white space and characters that break shells and parsers become `_`."""
    return re.sub(r"[^A-Za-z0-9._+;:%/\[\]()-]+", "_", text).strip("_")
