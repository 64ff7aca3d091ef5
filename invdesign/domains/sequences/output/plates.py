"""Plates of 96 and 384 wells: what stands in which, as a table and as a picture."""

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
    """A well and what is in it.

    Args:
        name: row and column, e.g. `A1`.
        content: a design, the wild type, blank (left empty on purpose), or empty (nothing was left to put in).
        id: of the design or the wild type.
        sequence: its letters.
    """

    name: str
    content: Content = "empty"
    id: str = ""
    sequence: str = ""


def names(wells: Wells, fill: Fill = "columns") -> list[str]:
    """The wells of a plate in the order in which they are filled: down the columns, or along the rows.

    Raises:
        InvdesignError: there is no such plate or order.
    """
    if wells not in SHAPES or fill not in ("columns", "rows"):
        raise InvdesignError(
            f"plates have {' or '.join(map(str, SHAPES))} wells and are filled by columns or by rows, got {wells!r} "
            f"wells by {fill!r}"
        )
    n_rows, n_columns = SHAPES[wells]
    if fill == "columns":
        return [f"{ROWS[row]}{column + 1}" for column in range(n_columns) for row in range(n_rows)]
    return [f"{ROWS[row]}{column + 1}" for row in range(n_rows) for column in range(n_columns)]


def filled(
    designs: Sequence[tuple[str, str]],
    *,
    wells: Wells = 96,
    fill: Fill = "columns",
    wild_type: tuple[str, str] | None = None,
    wild_type_wells: Sequence[str] = (),
    blank_wells: Sequence[str] = (),
) -> list[list[Well]]:
    """Designs on as many plates as they need, with the same controls on each.

    Args:
        designs: id and sequence of each, in the order in which they are put in.
        wells: of a plate.
        fill: the order of the wells.
        wild_type: id and sequence of the wild type, for its wells.
        wild_type_wells: where it stands, e.g. `["A1", "H12"]`.
        blank_wells: wells that stay empty, for blanks.

    Returns:
        For each plate all of its wells, in the order of `fill`.

    Raises:
        InvdesignError: a well that there is not, that is named twice, or none that is left for designs.
    """
    order = names(wells, fill)
    controls = [*wild_type_wells, *blank_wells]
    strange = [name for name in controls if name not in order]
    if strange:
        raise InvdesignError(f"a plate of {wells} wells has none called {', '.join(strange)}; they run to {order[-1]}")
    twice = sorted({name for name in controls if controls.count(name) > 1})
    if twice:
        raise InvdesignError(f"wells {', '.join(twice)} are named twice as controls; name each once")
    if wild_type_wells and wild_type is None:
        raise InvdesignError(
            "wells are kept for the wild type, but there is none; set wild_type, or no wild_type_wells"
        )
    free = [name for name in order if name not in set(controls)]
    if not free:
        raise InvdesignError(f"controls take all {wells} wells; leave some for designs")
    plates = []
    for first in range(0, len(designs), len(free)):
        inside = {name: Well(name, "blank") for name in blank_wells}
        if wild_type is not None:
            inside |= {name: Well(name, "wild type", *wild_type) for name in wild_type_wells}
        part = designs[first : first + len(free)]
        inside |= {name: Well(name, "design", *design) for name, design in zip(free, part, strict=False)}
        plates.append([inside.get(name, Well(name)) for name in order])
    return plates


def table(plate: Sequence[Well]) -> str:
    """A plate as the text of a .csv: well, id, sequence, content; wells that are empty are left out."""
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(["well", "id", "sequence", "content"])
    rows.writerows([well.name, well.id, well.sequence, well.content] for well in plate if well.content != "empty")
    return stream.getvalue()


def svg(plate: Sequence[Well], *, title: str) -> str:
    """A plate as a picture: its wells by what is in them; a design's carries the number of its place in the list."""
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
        *(_circle(well, pitch) for well in plate),
        _legend(plate, height - 12),
    ]
    return "".join([*parts, "</svg>\n"])


def _circle(well: Well, pitch: int) -> str:
    row, column = ROWS.index(well.name[0]), int(well.name[1:]) - 1
    x, y, radius = LEFT + (column + 0.5) * pitch, TOP + (row + 0.5) * pitch, 0.43 * pitch
    says = f"{well.name}: {well.id or well.content}"
    circle = f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{COLOURS[well.content]}" stroke="#b6bcc8">'
    mark = {"wild type": "WT", "design": _short(well.id)}.get(well.content, "")
    text = f'<text x="{x:g}" y="{y + 4:g}" fill="#ffffff" font-size="{pitch // 4}">{escape(mark)}</text>'
    return f"{circle}<title>{escape(says)}</title></circle>{text if mark else ''}"


def _legend(plate: Sequence[Well], y: int) -> str:
    """The contents that occur, with their numbers."""
    counts = {content: sum(well.content == content for well in plate) for content in COLOURS}
    parts, x = [], LEFT
    for content, n in counts.items():
        if n:
            parts.append(f'<circle cx="{x + 6}" cy="{y - 4}" r="6" fill="{COLOURS[content]}" stroke="#b6bcc8"/>')
            parts.append(f'<text x="{x + 18}" y="{y}" text-anchor="start">{content} ({n})</text>')
            x += 120
    return "".join(parts)


def _short(name: str) -> str:
    """The number in an id, without zeros in front."""
    numbers = re.findall(r"-0*(\d+)-", name)
    return numbers[-1] if numbers else name[:4]
