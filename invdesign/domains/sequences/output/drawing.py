"""Pictures of sequences: residues in numbered rows, mutations coloured."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from invdesign.domains.sequences.wild_type.residue_numbering import numbered
from invdesign.domains.sequences.wild_type.wild_type import WildType

PER_ROW, GROUP = 50, 10
CELL, LINE = 13, 22
LEFT, TOP = 44, 20
MAX_LETTERS = 3000
# Colours of residues by their chemistry, and of bases as on a trace.
GROUPS = {
    "protein": {
        "DE": ("acidic", "#c23b3b"),
        "KRH": ("basic", "#2f62b5"),
        "STNQ": ("polar", "#2b8a57"),
        "FWY": ("aromatic", "#8a4fa3"),
        "AVLIM": ("aliphatic", "#57595e"),
        "GPC": ("special", "#b0781c"),
    },
    "dna": {"A": ("A", "#2b8a57"), "C": ("C", "#2f62b5"), "G": ("G", "#8a6a1c"), "T": ("T", "#c23b3b")},
    "rna": {"A": ("A", "#2b8a57"), "C": ("C", "#2f62b5"), "G": ("G", "#8a6a1c"), "U": ("U", "#c23b3b")},
}
PLAIN, MUTATED = "#57595e", "#ffd54d"


def colour(letter: str, kind: str) -> str:
    """The colour of a letter."""
    return next((shade for letters, (_, shade) in GROUPS.get(kind, {}).items() if letter in letters), PLAIN)


def svg(design: str, *, kind: str = "protein", wild_type: WildType | None = None) -> str:
    """A sequence in rows of 50 letters with their numbers, as an SVG element that can be pasted into a page.

    Letters that the wild type has not are on yellow, with the mutation as their title; where letters of the wild type
    are left out, a red line stands in their place. Of very long sequences the first 3,000 letters are drawn.
    """
    shown = design[:MAX_LETTERS]
    labels, marks, cuts = _compared(design, wild_type)
    n_rows = max(1, -(-len(shown) // PER_ROW))
    n_columns = min(PER_ROW, max(1, len(shown)))
    width = LEFT + CELL * n_columns + 6 * ((n_columns - 1) // GROUP) + 10
    height = TOP + LINE * n_rows
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13" text-anchor="middle" role="img">',
        f"<title>{escape(_title(design, wild_type))}</title>",
    ]
    for i, letter in enumerate(shown):
        row, column = divmod(i, PER_ROW)
        x, y = LEFT + CELL * column + 6 * (column // GROUP), TOP + LINE * row
        if column == 0:
            style = 'font-size="10" fill="#8b8d92" text-anchor="end"'
            parts.append(f'<text x="{LEFT - 12}" y="{y}" {style}>{labels[i]}</text>')
        if i in cuts:
            parts.append(f'<path d="M{x} {y - 13}v16" stroke="#c23b3b" stroke-width="2"/>')
        mark = marks.get(i)
        if mark:
            box = f'x="{x}" y="{y - 12}" width="{CELL}" height="16" rx="2"'
            parts.append(f'<rect {box} fill="{MUTATED}"><title>{escape(mark)}</title></rect>')
        weight = ' font-weight="bold"' if mark else ""
        shade = colour(letter, kind)
        parts.append(f'<text x="{x + CELL / 2:g}" y="{y}" fill="{shade}"{weight}>{escape(letter)}</text>')
    return "".join([*parts, "</svg>"])


def _compared(design: str, wild_type: WildType | None) -> tuple[Sequence[str], dict[int, str], set[int]]:
    """The label of each place, the names of mutated places, and places before which the wild type has letters more."""
    labels, origins = numbered(design, wild_type)
    if wild_type is None:
        return labels, {}, set()
    own = wild_type.sequence
    marks: dict[int, str] = {}
    cuts: set[int] = set()
    expected = 0
    for i, (letter, origin) in enumerate(zip(design, origins, strict=True)):
        if origin < 0:
            marks[i] = f"{letter} inserted"
            continue
        if letter != own[origin]:
            marks[i] = f"{own[origin]}{labels[i]}{letter}"
        if origin > expected:
            cuts.add(i)
        expected = origin + 1
    return labels, marks, cuts


def _title(design: str, wild_type: WildType | None) -> str:
    if wild_type is None:
        return f"{len(design)} letters"
    mutations = wild_type.mutations(design)
    return f"{len(design)} letters, {len(mutations)} mutations of {wild_type.name}"
