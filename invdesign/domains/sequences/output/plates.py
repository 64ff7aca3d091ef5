"""Layouts of plates of 96 and 384 wells, as tables and as pictures."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from invdesign.core import InvdesignError

Wells = Literal[96, 384]
Fill = Literal["columns", "rows"]
Content = Literal["design", "wild type", "blank", "empty"]
SHAPES: Mapping[int, tuple[int, int]] = {96: (8, 12), 384: (16, 24)}
ROWS = "ABCDEFGHIJKLMNOP"
COLOURS: Mapping[Content, str] = {"design": "#1f5fa8", "wild type": "#2b7a52", "blank": "#e4e6eb", "empty": "#ffffff"}
LEFT, TOP, INK = 34, 58, "#1d2330"


@dataclass(frozen=True)
class Well:
    """Well of a plate with its content."""

    name: str
    """Row and column, e.g. `A1`."""
    content: Content = "empty"
    """A design, the wild type, blank (reserved), or empty (no design was left)."""
    id: str = ""
    """Identifier of the design or of the wild type."""
    sequence: str = ""
    """Letters of the design or of the wild type."""


def well_names(wells: Wells, fill: Fill = "columns") -> list[str]:
    """Return the names of the wells of a plate in the order in which they are filled.

    Args:
        wells: Number of wells, 96 or 384.
        fill: `"columns"` (down the columns) or `"rows"` (along the rows).

    Raises:
        InvdesignError: There is no such plate or order.

    Example:
        >>> well_names(96)[:3]
        ['A1', 'B1', 'C1']
    """
    if wells not in SHAPES or fill not in ("columns", "rows"):
        raise InvdesignError(
            f"plates: expected {' or '.join(map(str, SHAPES))} wells filled by 'columns' or 'rows', got {wells!r} "
            f"wells filled by {fill!r}"
        )
    n_rows, n_columns = SHAPES[wells]
    if fill == "columns":
        return [f"{ROWS[row]}{column + 1}" for column in range(n_columns) for row in range(n_rows)]
    return [f"{ROWS[row]}{column + 1}" for row in range(n_rows) for column in range(n_columns)]


def fill_plates(
    designs: Sequence[tuple[str, str]],
    *,
    wells: Wells = 96,
    fill: Fill = "columns",
    wild_type: tuple[str, str] | None = None,
    wild_type_wells: Sequence[str] = (),
    blank_wells: Sequence[str] = (),
) -> list[list[Well]]:
    """Distribute designs over as many plates as needed, with the same controls on each.

    Args:
        designs: Identifier and sequence of each design, in the order in which they are placed.
        wells: Number of wells of a plate.
        fill: Order of the wells.
        wild_type: Identifier and sequence of the wild type, for its wells.
        wild_type_wells: Wells of the wild type, e.g. `["A1", "H12"]`.
        blank_wells: Wells that are reserved for blanks.

    Returns:
        For each plate all of its wells, in the order of `fill`.

    Raises:
        InvdesignError: A control well does not exist or is named twice, or no well is left for designs.
    """
    order = well_names(wells, fill)
    controls = [*wild_type_wells, *blank_wells]
    _check_controls(controls, order)
    if wild_type_wells and wild_type is None:
        raise InvdesignError("plates: wild_type_wells need a wild type. Set wild_type, or remove wild_type_wells")
    free = [name for name in order if name not in set(controls)]
    if not free:
        raise InvdesignError(f"plates: the controls occupy all {wells} wells. Leave some for designs")
    plates = []
    for first in range(0, len(designs), len(free)):
        content = {name: Well(name, "blank") for name in blank_wells}
        if wild_type is not None:
            content |= {name: Well(name, "wild type", *wild_type) for name in wild_type_wells}
        part = designs[first : first + len(free)]
        content |= {name: Well(name, "design", *design) for name, design in zip(free, part, strict=False)}
        plates.append([content.get(name, Well(name)) for name in order])
    return plates


def format_table(plate: Sequence[Well]) -> str:
    """Return a plate as CSV text (well, id, sequence, content), without empty wells."""
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(["well", "id", "sequence", "content"])
    rows.writerows([well.name, well.id, well.sequence, well.content] for well in plate if well.content != "empty")
    return stream.getvalue()


def draw_plate(plate: Sequence[Well], *, title: str) -> str:
    """Return a plate as SVG, coloured by content; the well of a design shows its number in the list.

    Args:
        plate: All wells of a plate.
        title: Heading.
    """
    n_rows, n_columns = SHAPES[len(plate)]
    pitch = 56 if len(plate) == 96 else 30
    width, height = LEFT + n_columns * pitch + 12, TOP + n_rows * pitch + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="11" fill="{INK}" text-anchor="middle" role="img">',
        f"<title>{escape(title)}</title>",
        f'<text x="{LEFT}" y="20" font-size="14" font-weight="bold" text-anchor="start">{escape(title)}</text>',
        *(f'<text x="{LEFT + (c + 0.5) * pitch:g}" y="{TOP - 8}">{c + 1}</text>' for c in range(n_columns)),
        *(f'<text x="{LEFT - 14}" y="{TOP + (r + 0.5) * pitch + 4:g}">{ROWS[r]}</text>' for r in range(n_rows)),
        *(_draw_well(well, pitch) for well in plate),
        _draw_legend(plate, height - 12),
    ]
    return "".join([*parts, "</svg>\n"])


def _check_controls(controls: Sequence[str], order: Sequence[str]) -> None:
    unknown = [name for name in controls if name not in order]
    if unknown:
        raise InvdesignError(f"plates: control wells must be among {order[0]} to {order[-1]}, got {', '.join(unknown)}")
    repeated = sorted({name for name in controls if controls.count(name) > 1})
    if repeated:
        raise InvdesignError(f"plates: control wells must be named once, got {', '.join(repeated)} more than once")


def _draw_well(well: Well, pitch: int) -> str:
    row, column = ROWS.index(well.name[0]), int(well.name[1:]) - 1
    x, y, radius = LEFT + (column + 0.5) * pitch, TOP + (row + 0.5) * pitch, 0.43 * pitch
    tooltip = f"{well.name}: {well.id or well.content}"
    circle = f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{COLOURS[well.content]}" stroke="#b6bcc8">'
    mark = {"wild type": "WT", "design": _list_number(well.id)}.get(well.content, "")
    text = f'<text x="{x:g}" y="{y + 4:g}" fill="#ffffff" font-size="{pitch // 4}">{escape(mark)}</text>'
    return f"{circle}<title>{escape(tooltip)}</title></circle>{text if mark else ''}"


def _draw_legend(plate: Sequence[Well], y: int) -> str:
    """Return a legend of the contents that occur, with their counts."""
    counts = {content: sum(well.content == content for well in plate) for content in COLOURS}
    parts, x = [], LEFT
    for content, n in counts.items():
        if n:
            parts.append(f'<circle cx="{x + 6}" cy="{y - 4}" r="6" fill="{COLOURS[content]}" stroke="#b6bcc8"/>')
            parts.append(f'<text x="{x + 18}" y="{y}" text-anchor="start">{content} ({n})</text>')
            x += 120
    return "".join(parts)


def _list_number(identifier: str) -> str:
    """Return the number in an identifier, without leading zeros."""
    numbers = re.findall(r"-0*(\d+)-", identifier)
    return numbers[-1] if numbers else identifier[:4]
