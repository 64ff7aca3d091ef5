"""Drawings of single sequences: residues in numbered rows, with mutations highlighted."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from invdesign.domains.sequences.wild_type.residue_numbering import number_residues
from invdesign.domains.sequences.wild_type.wild_type import WildType

PER_ROW, GROUP = 50, 10
CELL, LINE = 13, 22
LEFT, TOP = 44, 20
MAX_LETTERS = 3000
# Colours of residues by their chemistry, and of bases as on a sequencing trace.
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


def letter_colour(letter: str, kind: str) -> str:
    """Return the colour of a letter of a kind of sequence."""
    for letters, (_, colour) in GROUPS.get(kind, {}).items():
        if letter in letters:
            return colour
    return PLAIN


def svg(
    design: str, *, kind: str = "protein", wild_type: WildType | None = None, strengths: Sequence[float] = ()
) -> str:
    """Return a sequence in numbered rows of 50 letters, as a self-contained SVG element.

    Mutated letters are on yellow, with the mutation as their tooltip; a red line marks a deletion. Of very long
    sequences the first 3,000 letters are drawn.

    Args:
        design: Sequence.
        kind: Kind of sequence, which determines the colours.
        wild_type: Reference for mutations and residue numbers.
        strengths: From 0 to 1 for each letter: how dark the red behind it is.
    """
    n_shown = min(len(design), MAX_LETTERS)
    labels, mutations, deletions = _compare(design, wild_type)
    n_rows = max(1, -(-n_shown // PER_ROW))
    n_columns = min(PER_ROW, max(1, n_shown))
    width = LEFT + CELL * n_columns + 6 * ((n_columns - 1) // GROUP) + 10
    height = TOP + LINE * n_rows
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13" text-anchor="middle" role="img">',
        f"<title>{escape(_title(design, wild_type))}</title>",
    ]
    for i, letter in enumerate(design[:MAX_LETTERS]):
        row, column = divmod(i, PER_ROW)
        x, y = LEFT + CELL * column + 6 * (column // GROUP), TOP + LINE * row
        if column == 0:
            style = 'font-size="10" fill="#8b8d92" text-anchor="end"'
            parts.append(f'<text x="{LEFT - 12}" y="{y}" {style}>{labels[i]}</text>')
        if i in deletions:
            parts.append(f'<path d="M{x} {y - 13}v16" stroke="#c23b3b" stroke-width="2"/>')
        if i < len(strengths) and strengths[i] > 0:
            box = f'x="{x}" y="{y - 12}" width="{CELL}" height="16" rx="2"'
            parts.append(f'<rect {box} fill="#c23b3b" fill-opacity="{0.15 + 0.45 * strengths[i]:.2f}"/>')
        parts.append(_draw_letter(letter, x, y, kind, mutations.get(i, "")))
    return "".join([*parts, "</svg>"])


def _draw_letter(letter: str, x: int, y: int, kind: str, mutation: str) -> str:
    """Return a letter, on a highlighted box with a tooltip if it is mutated."""
    background, weight = "", ""
    if mutation:
        box = f'x="{x}" y="{y - 12}" width="{CELL}" height="16" rx="2"'
        background = f'<rect {box} fill="{MUTATED}"><title>{escape(mutation)}</title></rect>'
        weight = ' font-weight="bold"'
    colour = letter_colour(letter, kind)
    return f'{background}<text x="{x + CELL / 2:g}" y="{y}" fill="{colour}"{weight}>{escape(letter)}</text>'


def _compare(design: str, wild_type: WildType | None) -> tuple[Sequence[str], dict[int, str], set[int]]:
    """Return the label of each position, names of mutations by position, and positions that follow a deletion."""
    labels, origins = number_residues(design, wild_type)
    if wild_type is None:
        return labels, {}, set()
    own = wild_type.sequence
    mutations: dict[int, str] = {}
    deletions: set[int] = set()
    expected = 0
    for i, (letter, origin) in enumerate(zip(design, origins, strict=True)):
        if origin < 0:
            mutations[i] = f"{letter} inserted"
            continue
        if letter != own[origin]:
            mutations[i] = f"{own[origin]}{labels[i]}{letter}"
        if origin > expected:
            deletions.add(i)
        expected = origin + 1
    return labels, mutations, deletions


def _title(design: str, wild_type: WildType | None) -> str:
    if wild_type is None:
        return f"{len(design)} letters"
    mutations = wild_type.mutations(design)
    return f"{len(design)} letters, {len(mutations)} mutations of {wild_type.name}"
