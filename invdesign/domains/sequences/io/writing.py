"""Sequences into files: FASTA, spreadsheet-safe tables, pictures; and the columns that describe them."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from Bio.SeqUtils import molecular_weight

from invdesign.core import InvdesignError
from invdesign.domains.sequences.alphabet import GAP, LETTERS
from invdesign.domains.sequences.oracles import physics
from invdesign.domains.sequences.output import drawing
from invdesign.domains.sequences.wild_type.wild_type import WildType, distance
from invdesign.io.atomic import write_bytes
from invdesign.io.cells import cell_text, safe_cell

WRITTEN = (".fasta", ".csv", ".svg")
PER_LINE = 60
MAX_DRAWN = 100


def write(
    designs: Sequence[str],
    path: Path | str,
    *,
    columns: Mapping[str, Sequence[Any]] | None = None,
    wild_type: WildType | None = None,
) -> None:
    """Write sequences as .fasta, .csv or a picture (.svg).

    Headers of FASTA are `>id mutations=A108D;V11L predicted=3.1 sd=.2`: an identifier without spaces, then words
    `name=value`, of which the mutations are there where there is a wild type.

    Args:
        designs: sequences; gaps are written as they are.
        path: its suffix says the format. The file is written beside and renamed, so it is whole or absent.
        columns: further values, one per design: columns of .csv, of .fasta the predictions and measurements among
            them; the column `id` or `name`, otherwise the first, names the records.
        wild_type: what mutations are counted on.

    Raises:
        InvdesignError: for an unknown suffix, or columns of another length.
    """
    path = Path(path)
    columns = {} if columns is None else dict(columns)
    for name, cells in columns.items():
        if len(cells) != len(designs):
            raise InvdesignError(f"column {name!r} has {len(cells)} values for {len(designs)} designs")
    suffix = path.suffix.lower()
    if suffix in (".fasta", ".fa", ".faa", ".fna"):
        data = fasta(designs, columns, wild_type=wild_type)
    elif suffix == ".csv":
        data = _csv(designs, columns)
    elif suffix == ".svg":
        data = _svg(designs, identifiers(len(designs), columns), wild_type)
    else:
        raise InvdesignError(f"{path}: expected one of {', '.join(WRITTEN)}, got {suffix!r}")
    write_bytes(path, data.encode())


def fasta(designs: Sequence[str], columns: Mapping[str, Sequence[Any]], *, wild_type: WildType | None = None) -> str:
    """Records of FASTA, 60 letters a line, with what is known of each in its header."""
    records = []
    told = {_word(name): cells for name, cells in columns.items() if _is_value(name)}
    for i, (design, title) in enumerate(zip(designs, identifiers(len(designs), columns), strict=True)):
        words = [title]
        if wild_type is not None:
            words.append(f"mutations={';'.join(wild_type.mutations(design)) or 'none'}")
        values = {name: cells[i] for name, cells in told.items()}
        short = {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in values.items()}
        words += [f"{name}={_word(str(short[name]))}" for name, value in values.items() if cell_text(value)]
        lines = [design[start : start + PER_LINE] for start in range(0, len(design), PER_LINE)]
        records.append("\n".join([f">{' '.join(words)}", *lines, ""]))
    return "".join(records)


def identifiers(n: int, columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """Names of records without spaces, all different: those of the column `id` or `name`, or of the first."""
    named = next((columns[name] for name in ("id", "name") if name in columns), None)
    named = next(iter(columns.values()), None) if named is None else named
    width = len(str(max(n, 100)))
    given = [f"design-{i + 1:0{width}d}" if named is None else _word(cell_text(named[i])) for i in range(n)]
    found: list[str] = []
    taken = set()
    for i, name in enumerate(given):
        title = name if name and name not in taken else f"{name or 'design'}-{i + 1:0{width}d}"
        taken.add(title)
        found.append(title)
    return found


def described(
    designs: Sequence[str], *, kind: str = "protein", wild_type: WildType | None = None
) -> dict[str, list[Any]]:
    """Columns that say what designs are.

    Mutations and their number where there is a wild type, the length without gaps, the molecular weight (g/mol; of
    nucleic acids the single strand with a 5' phosphate); of proteins the isoelectric point and GRAVY (mean hydropathy),
    of nucleic acids the share of G and C. None where a sequence has other letters.
    """
    columns: dict[str, list[Any]] = {}
    if wild_type is not None:
        columns["n_mutations"] = [distance(wild_type.sequence, design) for design in designs]
        columns["mutations"] = [";".join(wild_type.mutations(design)) for design in designs]
    bare = [design.replace(GAP, "") for design in designs]
    columns["length"] = [len(design) for design in bare]
    if kind == "protein":
        columns["molecular_weight"] = _rounded(physics.protein_weight(bare), 2)
        columns["isoelectric_point"] = _rounded(physics.isoelectric_point(bare), 2)
        columns["gravy"] = _rounded(physics.gravy(bare), 3)
    elif kind in LETTERS:
        known = [design and not set(design) - set(LETTERS[kind]) for design in bare]
        weights = [
            molecular_weight(d, kind.upper()) if is_known else math.nan for d, is_known in zip(bare, known, strict=True)
        ]
        columns["molecular_weight"] = _rounded(weights, 2)
        columns["gc"] = _rounded(physics.gc_content(bare), 3)
    return columns


def _csv(designs: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    more = {name: cells for name, cells in columns.items() if name != "sequence"}
    writer.writerow(["sequence", *map(safe_cell, more)])
    for i, design in enumerate(designs):
        writer.writerow([safe_cell(design), *(safe_cell(cells[i]) for cells in more.values())])
    return stream.getvalue()


def _svg(designs: Sequence[str], titles: Sequence[str], wild_type: WildType | None) -> str:
    """Designs below each other, the first `MAX_DRAWN` of them, with their names."""
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


def _rounded(values: Iterable[float], digits: int) -> list[float | None]:
    return [None if math.isnan(value) else round(float(value), digits) for value in values]


def _is_value(name: str) -> bool:
    """Whether a column of a candidate list is a prediction, a measurement or one of their deviations."""
    return name.startswith(("measured ", "predicted ", "sd of predicted "))


def _word(text: str) -> str:
    """Text as one word of a header: white space and what shells and parsers stumble on become `_`."""
    return re.sub(r"[^A-Za-z0-9._+;:%/\[\]()-]+", "_", text).strip("_")
