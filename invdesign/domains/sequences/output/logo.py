"""Sequence logo of a shortlist: information content and letter frequencies by position."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from invdesign.core import Candidate, Objective
from invdesign.domains.sequences.alphabet import letters_of
from invdesign.domains.sequences.output.drawing import GROUPS, letter_colour
from invdesign.domains.sequences.output.scatter_plots import (
    SMALL,
    add_caption,
    assemble_svg,
    draw_line,
    draw_text,
    format_number,
    missing_figure,
)
from invdesign.domains.sequences.wild_type.wild_type import WildType

PER_ROW, LEFT, STACK_HEIGHT = 40, 46, 110
# Height of a bold sans-serif capital letter as a fraction of the font size.
CAPITAL = 0.72
# Descenders below the baseline, as fractions of the font size.
TAILS = {"Q": 0.13, "J": 0.2}
TITLE = "Sequence logo of the shortlist"


@dataclass(frozen=True, eq=False)
class _Columns:
    """Letters of the designs by position."""

    counts: Sequence[Counter[str]]
    """Number of designs with each letter, by position."""
    numbers: Sequence[int | str]
    """Residue number of each position."""
    own: str
    """Letters of the wild type; empty without a wild type of the same length as the designs."""
    kind: str
    """Kind of sequence."""
    max_bits: float
    """Information content of a position at which all designs agree [bit]."""


def logo(
    shortlist: Sequence[Candidate[str]],
    evaluated: Sequence[Candidate[str]],
    objectives: Sequence[Objective],
    *,
    wild_type: WildType | None = None,
    kind: str = "protein",
    max_positions: int = 60,
) -> dict[str, str]:
    """Return a sequence logo: the height of a stack is the information content, shared by letter frequency.

    Of designs with more than `max_positions` letters, only positions are shown that vary or differ from the wild type.
    The wild type's letters are below the logo.

    Args:
        shortlist: Candidates, best first.
        evaluated: Not used.
        objectives: Not used.
        wild_type: Residue numbers, if designs have its length.
        kind: Kind of sequence, which determines the letters.
        max_positions: Maximum length of designs of which all positions are shown.

    Returns:
        HTML by title; empty without candidates.

    References:
        Schneider and Stephens, Nucleic Acids Res. 1990, doi:10.1093/nar/18.20.6097.
    """
    designs = [candidate.design for candidate in shortlist]
    if not designs:
        return {}
    sizes = sorted(set(map(len, designs)))
    if len(sizes) > 1:
        reason = f"not drawn: the designs have {sizes[0]} to {sizes[-1]} letters, and a logo needs a common length"
        return {TITLE: missing_figure(reason)}
    length = sizes[0]
    columns = _count_columns(designs, wild_type, kind)
    shown = list(range(length))
    if length > max_positions:
        own, counts = columns.own, columns.counts
        shown = [i for i in shown if len(counts[i]) > 1 or (own and own[i] not in counts[i])]
    if not shown:
        return {TITLE: missing_figure(f"not drawn: the {len(designs)} designs are the same at all {length} positions")}
    n_rows = -(-len(shown) // PER_ROW)
    cell = min(30.0, 810 / min(PER_ROW, len(shown)))
    step = STACK_HEIGHT + 52
    parts = []
    for row in range(n_rows):
        parts += _draw_row(shown[row * PER_ROW : (row + 1) * PER_ROW], columns, 14 + row * step, cell)
    height = 14 + n_rows * step + 8
    drawing = assemble_svg(880, height, [*parts, *_draw_legend(kind, height - 4)], description=TITLE)
    name = wild_type.name if columns.own and wild_type else ""
    return {TITLE: add_caption(drawing, _caption(columns, len(designs), len(shown), name))}


def information_content(counts: Counter[str], max_bits: float) -> float:
    """Return the information content of a position [bit]: `max_bits` minus the entropy of its letters.

    Example:
        >>> information_content(Counter("AACC"), 2.0)
        1.0
    """
    n = sum(counts.values())
    return max_bits + sum(count / n * math.log2(count / n) for count in counts.values())


def _count_columns(designs: Sequence[str], wild_type: WildType | None, kind: str) -> _Columns:
    length = len(designs[0])
    own = ""
    numbers: list[int | str] = [*range(1, length + 1)]
    if wild_type is not None and len(wild_type.sequence) == length:
        own, numbers = wild_type.sequence, [wild_type.number(i) for i in range(length)]
    counts = [Counter(column) for column in zip(*designs, strict=True)]
    return _Columns(counts, numbers, own, kind, math.log2(len(letters_of(kind))))


def _caption(columns: _Columns, n_designs: int, n_shown: int, native: str) -> str:
    """Return the caption; `native` is the name of the wild type whose letters are below the logo."""
    length = len(columns.counts)
    selection = f"; the {n_shown} of {length} positions that vary or are mutated" if n_shown < length else ""
    below = f"; below, {native}, bold where most designs differ" if native else ""
    return (
        f"Frequencies in {n_designs} designs (no correction for a small sample){selection}{below}. A position at which "
        f"all agree has {format_number(columns.max_bits)} bits."
    )


def _draw_row(positions: Sequence[int], columns: _Columns, top: float, cell: float) -> list[str]:
    """Return the axis and the stacks of one row of the logo."""
    bottom, max_bits = top + STACK_HEIGHT, columns.max_bits
    parts = [
        draw_line(LEFT, bottom, LEFT + cell * len(positions), bottom),
        draw_line(LEFT - 4, top, LEFT - 4, bottom),
    ]
    for bits in range(math.floor(max_bits) + 1):
        y = bottom - STACK_HEIGHT * bits / max_bits + 3.5
        parts.append(draw_text(LEFT - 9, y, format_number(bits), size=SMALL, anchor="end", opacity=0.75))
    parts.append(draw_text(2, top + 3.5, "bits", size=SMALL))
    for k, i in enumerate(positions):
        x = LEFT + k * cell
        parts.append(_draw_stack(columns, i, x, bottom, cell))
        parts.append(_draw_rotated(x + cell / 2, bottom + 5, str(columns.numbers[i])))
        if columns.own:
            is_changed = columns.counts[i].most_common(1)[0][0] != columns.own[i]
            weight = ' font-weight="bold"' if is_changed else ""
            opacity = 1.0 if is_changed else 0.6
            parts.append(
                draw_text(
                    x + cell / 2, bottom + 39, columns.own[i], anchor="middle", opacity=opacity, attributes=weight
                )
            )
    return parts


def _draw_stack(columns: _Columns, position: int, x: float, bottom: float, cell: float) -> str:
    """Return the letters of a position, the most common one on top, with their percentages as a tooltip."""
    counts = columns.counts[position]
    n = sum(counts.values())
    height = STACK_HEIGHT * max(0.0, information_content(counts, columns.max_bits)) / columns.max_bits
    letters, y = [], bottom
    for letter, count in reversed(counts.most_common()):
        y -= height * count / n
        letters.append(_draw_letter(letter, x + 0.04 * cell, y, 0.92 * cell, height * count / n, columns.kind))
    percentages = "\n".join(f"{letter} {100 * count / n:.0f} %" for letter, count in counts.most_common())
    return f"<g>{''.join(letters)}<title>{columns.numbers[position]}\n{escape(percentages)}</title></g>"


def _draw_letter(letter: str, x: float, y: float, width: float, height: float, kind: str) -> str:
    """Return a letter stretched to fill a box."""
    if height < 0.4:
        return ""
    size = 100
    tail = TAILS.get(letter, 0.0)
    font_height = height / (CAPITAL + tail)
    baseline = y + height - tail * font_height
    transform = f"translate({x:.2f} {baseline:.2f}) scale({width / size:.4f} {font_height / size:.4f})"
    style = f"font-size:{size}px;font-weight:bold;fill:{letter_colour(letter, kind)}"
    fitted = f'textLength="{size}" lengthAdjust="spacingAndGlyphs"'
    return f'<text transform="{transform}" {fitted} style="{style}">{escape(letter)}</text>'


def _draw_rotated(x: float, y: float, content: str) -> str:
    rotation = f' transform="rotate(-90 {x:.1f} {y:.1f})"'
    return draw_text(x, y + 3.5, content, size=9.5, anchor="end", opacity=0.75, attributes=rotation)


def _draw_legend(kind: str, y: float) -> list[str]:
    """Return the groups of residues in their colours; empty for nucleotides."""
    if kind != "protein":
        return []
    parts: list[str] = []
    x = float(LEFT)
    for letters, (name, colour) in GROUPS["protein"].items():
        content = f"{letters} {name}"
        parts.append(draw_text(x, y, content, size=SMALL, fill=colour, attributes=' font-weight="bold"'))
        x += 7.2 * len(content) + 14
    return parts
