"""The sequence logo of a shortlist: how far its designs agree, place by place."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from html import escape

from invdesign.core import Candidate, Objective
from invdesign.domains.sequences.alphabet import letters_of
from invdesign.domains.sequences.output.drawing import GROUPS, colour
from invdesign.domains.sequences.output.scatter_plots import SMALL, captioned, missing, number, picture, rule, text
from invdesign.domains.sequences.wild_type.wild_type import WildType

PER_ROW, LEFT, TALL = 40, 46, 110
# Of a bold sans serif's capital letter: height as a share of its size.
CAPITAL = 0.72
# Letters with a tail below the line, as a share of the size.
TAILS = {"Q": 0.13, "J": 0.2}
TITLE = "Sequence logo of the shortlist"


def logo(
    shortlist: Sequence[Candidate[str]],
    told: Sequence[Candidate[str]],
    objectives: Sequence[Objective],
    *,
    wild_type: WildType | None = None,
    kind: str = "protein",
    max_positions: int = 60,
) -> dict[str, str]:
    """Letters stacked by their share at each place; the stack's height is the place's information in bits.

    Longer designs are shown where they vary, or differ from the wild type, whose letters stand below.

    Args:
        shortlist: best first.
        told: not looked at.
        objectives: not looked at.
        wild_type: numbers the places, where designs have its length.
        kind: of the letters.
        max_positions: places that are all shown.

    References:
        Schneider and Stephens, Nucleic Acids Res. 1990, doi:10.1093/nar/18.20.6097.
    """
    designs = [candidate.design for candidate in shortlist]
    if not designs:
        return {}
    sizes = sorted(set(map(len, designs)))
    if len(sizes) > 1:
        why = f"not drawn: the designs have {sizes[0]} to {sizes[-1]} letters, and a logo needs places in common"
        return {TITLE: missing(why)}
    own = wild_type.sequence if wild_type is not None and len(wild_type.sequence) == sizes[0] else ""
    numbers = [wild_type.number(i) if own and wild_type is not None else i + 1 for i in range(sizes[0])]
    columns = [Counter(column) for column in zip(*designs, strict=True)]
    shown = list(range(sizes[0]))
    if sizes[0] > max_positions:
        shown = [i for i in shown if len(columns[i]) > 1 or (own and own[i] not in columns[i])]
    if not shown:
        return {TITLE: missing(f"not drawn: the {len(designs)} designs are the same at all {sizes[0]} places")}
    most = math.log2(len(letters_of(kind)))
    n_rows = -(-len(shown) // PER_ROW)
    cell = min(30.0, 810 / min(PER_ROW, len(shown)))
    step = TALL + 52
    parts = []
    for row in range(n_rows):
        top = 14 + row * step
        parts += _row(shown[row * PER_ROW : (row + 1) * PER_ROW], columns, numbers, own, kind, most, top, cell)
    height = 14 + n_rows * step + 8
    drawing = picture(880, height, [*parts, *_legend(kind, height - 4)], says=TITLE)
    where = "" if len(shown) == sizes[0] else f"; the {len(shown)} of {sizes[0]} places that vary or are mutated"
    below = f"; below, {wild_type.name}, bold where most designs differ" if own and wild_type is not None else ""
    return {TITLE: captioned(drawing, f"{len(designs)} designs, counted whole (no correction for a small sample){where}"
                             f"{below}. A place where all agree has {number(most)} bits.")}  # fmt: skip


def information(column: Counter[str], most: float) -> float:
    """Bits of a place: the most that it can have, less the entropy of its letters."""
    n = sum(column.values())
    return most + sum(count / n * math.log2(count / n) for count in column.values())


def _row(
    places: Sequence[int], columns: Sequence[Counter[str]], numbers: Sequence[int], own: str, kind: str, most: float,
    top: float, cell: float,
) -> list[str]:  # fmt: skip
    bottom = top + TALL
    parts = [rule(LEFT, bottom, LEFT + cell * len(places), bottom), rule(LEFT - 4, top, LEFT - 4, bottom)]
    parts += [
        text(LEFT - 9, bottom - TALL * bits / most + 3.5, number(bits), size=SMALL, anchor="end", opacity=0.75)
        for bits in range(math.floor(most) + 1)
    ]
    parts.append(text(2, top + 3.5, "bits", size=SMALL))
    for k, i in enumerate(places):
        column, x, y = columns[i], LEFT + k * cell, bottom
        n = sum(column.values())
        height = TALL * max(0.0, information(column, most)) / most
        shares = "\n".join(f"{letter} {100 * count / n:.0f} %" for letter, count in column.most_common())
        # The commonest on top, as in every logo.
        letters = [
            _letter(letter, x + 0.04 * cell, y := y - height * count / n, 0.92 * cell, height * count / n, kind)
            for letter, count in reversed(column.most_common())
        ]
        parts.append(f"<g>{''.join(letters)}<title>{numbers[i]}\n{escape(shares)}</title></g>")
        parts.append(_turned(x + cell / 2, bottom + 5, str(numbers[i])))
        if own:
            is_changed = column.most_common(1)[0][0] != own[i]
            bold = ' font-weight="bold"' if is_changed else ""
            faint = 1.0 if is_changed else 0.6
            parts.append(text(x + cell / 2, bottom + 39, own[i], anchor="middle", opacity=faint, more=bold))
    return parts


def _letter(letter: str, x: float, y: float, width: float, height: float, kind: str) -> str:
    """A letter that fills a box: of a font's own width, stretched."""
    if height < 0.4:
        return ""
    size = 100
    tail = TAILS.get(letter, 0.0)
    tall = height / (CAPITAL + tail)
    scale = f"translate({x:.2f} {y + height - tail * tall:.2f}) scale({width / size:.4f} {tall / size:.4f})"
    style = f"font-size:{size}px;font-weight:bold;fill:{colour(letter, kind)}"
    fitted = f'textLength="{size}" lengthAdjust="spacingAndGlyphs"'
    return f'<text transform="{scale}" {fitted} style="{style}">{escape(letter)}</text>'


def _turned(x: float, y: float, words: str) -> str:
    more = f' transform="rotate(-90 {x:.1f} {y:.1f})"'
    return text(x, y + 3.5, words, size=9.5, anchor="end", opacity=0.75, more=more)


def _legend(kind: str, y: float) -> list[str]:
    parts: list[str] = []
    x = float(LEFT)
    groups: dict[str, tuple[str, str]] = dict(GROUPS.get(kind, {})) if kind == "protein" else {}
    for letters, (name, shade) in groups.items():
        words = f"{letters} {name}"
        parts.append(text(x, y, words, size=SMALL, fill=shade, more=' font-weight="bold"'))
        x += 7.2 * len(words) + 14
    return parts
