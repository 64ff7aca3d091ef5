"""Notations of variants: one-letter and three-letter substitutions, deletions, insertions, and HGVS."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from invdesign.core import InvdesignError

Residue = int | str
"""Number of a residue: an integer, or text such as `"52A"` with an insertion code."""
Kind = Literal["substitution", "deletion", "insertion", "duplication"]
Level = Literal["protein", "nucleotides"]

WILD_TYPE_NAMES = ("wt", "wild type", "wildtype", "none", "parent", "parental", "=", "p.=", "p.(=)", "c.=")
"""Lists of mutations (in lower case, `-` and `_` as spaces) that mean the wild type itself."""
STOP = "*"
THREE_LETTERS = {
    "ALA": "A", "ARG": "R", "ASN": "N", "ASP": "D", "CYS": "C", "GLN": "Q", "GLU": "E", "GLY": "G", "HIS": "H",
    "ILE": "I", "LEU": "L", "LYS": "K", "MET": "M", "PHE": "F", "PRO": "P", "SER": "S", "THR": "T", "TRP": "W",
    "TYR": "Y", "VAL": "V", "SEC": "U", "PYL": "O", "XAA": "X", "TER": STOP,
}  # fmt: skip
EXPECTED = "A108D, p.Ala108Asp, A108del, 108insGG, A108_G110delinsSS or WT"

_NAMES = "|".join(THREE_LETTERS)
_LETTER = f"(?:{_NAMES}|[A-Z*-])"
_RESIDUE = f"(?:{_NAMES}|[A-Z*])"
"""Letter before the number of an edit whose letter may be left out: no digit, which would belong to the number."""
_SEPARATORS = r";:,/_+&|\s"
_END = rf"\)?\]?(?=$|[{_SEPARATORS}-])"
_SEPARATOR = re.compile(rf"[{_SEPARATORS}]+|-(?=[A-Z])", re.IGNORECASE)
_PREFIX = re.compile(r"^(?:[\w.-]+(?:\([\w.-]+\))?:)?(?=[pcgnmr]\.)|^\s+", re.IGNORECASE)
_LEVEL = re.compile(r"([pcgnmr])\.", re.IGNORECASE)


def _edit_pattern(number: str) -> re.Pattern[str]:
    """Return the pattern of one edit; `number` is the pattern of a residue number."""
    start = rf"(?P<old>{_RESIDUE})?(?P<start>{number})"
    end = rf"(?:[_-](?P<end_old>{_RESIDUE})?(?P<end>{number}))?"
    edits = (
        rf"{start}{end}(?P<what>delins|del|ins|dup)(?P<letters>[A-Z0-9*-]*?)",
        rf"(?:del|\u0394|\u2206){start}{end}".replace("<", "<d_"),
        rf"(?P<s_old>{_LETTER})(?P<s_start>{number})(?P<s_new>{_LETTER}|=)",
        r"(?P<t_old>\d)(?P<t_start>\d+)(?P<t_new>\d)",  # alphabets of digits
        rf"(?P<n_start>{number})(?P<n_old>[ACGTU])>(?P<n_new>[ACGTU])",
    )
    return re.compile(rf"(?:[pcgnmr]\.)?\[?\(?(?:{'|'.join(edits)}){_END}", re.IGNORECASE)


_PATTERNS = (_edit_pattern(r"-?\d+"), _edit_pattern(r"-?\d+[A-Z]?"))
"""Patterns without and with insertion codes, in the order of trial: `S52A` is a substitution, and no residue 52A."""


@dataclass(frozen=True)
class Edit:
    """One edit of a wild type, as written."""

    text: str
    """The text that was read."""
    kind: Kind
    """What changes."""
    start: Residue
    """Number of the first residue concerned; of an insertion, of the residue before it."""
    end: Residue
    """Number of the last residue concerned; of an insertion, of the residue after it or before it."""
    start_letter: str = ""
    """Letter that the first residue must have; empty where none is stated."""
    end_letter: str = ""
    """Letter that the last residue must have; empty where none is stated."""
    letters: str = ""
    """Letters that are written instead, or inserted; of a deletion, the letters that it states."""
    level: Level | None = None
    """Level that a prefix of HGVS or `>` states; None without either."""

    @property
    def named_residues(self) -> list[tuple[Residue, str]]:
        """Numbers of residues with the letter that the text states for them."""
        named = [(self.start, self.start_letter), (self.end, self.end_letter)]
        return list(dict.fromkeys((number, letter) for number, letter in named if letter))


def residue(text: object) -> Residue:
    """Return a residue number: an integer, or text with an insertion code.

    Raises:
        InvdesignError: The text is neither.

    Example:
        >>> residue("52"), residue("52a"), residue(-3)
        (52, '52A', -3)
    """
    word = str(text).strip().upper()
    if not re.fullmatch(r"-?\d{1,9}[A-Z]?", word) or isinstance(text, bool):
        raise InvdesignError(f"residue {text!r}: expected a number such as 52, -3, or 52A with an insertion code")
    return word if word[-1].isalpha() else int(word)


def is_wild_type(text: str) -> bool:
    """Return whether a list of mutations is a name of the wild type.

    Example:
        >>> is_wild_type("Wild-Type"), is_wild_type("p.(=)"), is_wild_type("")
        (True, True, False)
    """
    return re.sub(r"[\s_-]+", " ", text).strip().lower() in WILD_TYPE_NAMES


def parse_variant(text: str) -> list[Edit]:
    """Return the edits of a list of mutations in any usual notation; none for the wild type.

    Args:
        text: Edits, separated by any of `; : , / _ + & |`, white space, or a hyphen before a letter. An edit is
            `A108D`, `Ala108Asp`, `A108=`, `A108del`, `108insGG` (after residue 108), `A108_G110del`, `A108_G109insSS`,
            `A108delinsGG`, `A108dup` or, of DNA, `108A>G`; brackets of HGVS are ignored, and prefixes state the level.

    Raises:
        InvdesignError: An edit cannot be read, or the text is empty or describes two alleles.

    References:
        den Dunnen et al., Hum. Mutat. 2016, doi:10.1002/humu.22981 (HGVS).

    Example:
        >>> [(e.kind, e.start, e.letters) for e in parse_variant("p.[Ser13Ala;Phe14Ala]")]
        [('substitution', 13, 'A'), ('substitution', 14, 'A')]
        >>> [(e.kind, e.start, e.letters) for e in parse_variant("N11del;10insGG")]
        [('deletion', 11, ''), ('insertion', 10, 'GG')]
    """
    if is_wild_type(text):
        return []
    if "];[" in text.replace(" ", ""):
        raise InvdesignError(f"{text[:60]!r}: two alleles: a mixture of two designs. Give each its own row")
    if re.search(r"[0-9a-zA-Z]fs", text) and not text.islower():
        raise InvdesignError(f"cannot read {text[:60]!r}: a frameshift (fs). Write the sequence itself")
    rest = _PREFIX.sub("", text.strip())
    level: Level | None = None
    position = 0
    edits: list[Edit] = []
    while position < len(rest):
        separator = _SEPARATOR.match(rest, position)
        if separator is not None:
            position = separator.end()
            continue
        match = next((found for found in (p.match(rest, position) for p in _PATTERNS) if found), None)
        if match is None:
            word = re.split(rf"[{_SEPARATORS}]", rest[position:], maxsplit=1)[0]
            raise InvdesignError(f"cannot read the mutation {word[:60]!r}: expected {EXPECTED}")
        prefix = _LEVEL.match(match.group())
        if prefix is not None:  # it holds for the edits after it too, as in p.[Ser13Ala;Phe14Ala]
            level = "protein" if prefix[1].lower() == "p" else "nucleotides"
        edit = _edit(match)
        edits.append(replace(edit, level="nucleotides" if ">" in edit.text else level))
        position = match.end()
    if not edits:
        raise InvdesignError("an empty list of mutations (the wild type itself is written WT)")
    return edits


def _edit(match: re.Match[str]) -> Edit:
    text, group = match.group(), match.groupdict()
    if group["what"]:
        start, end = residue(group["start"]), residue(group["end"] or group["start"])
        what = group["what"].lower()
        old, end_old = (_one_letters(group[name]) for name in ("old", "end_old"))
        # In capitals SEC is S, E and C, as `mutations` writes it; Sec is selenocysteine.
        letters = group["letters"] if group["letters"].isupper() else _one_letters(group["letters"])
        if what in ("ins", "delins") and not letters:
            raise InvdesignError(f"cannot read the mutation {text!r}: expected the letters that are inserted")
        kinds: dict[str, Kind] = {"ins": "insertion", "delins": "substitution", "del": "deletion", "dup": "duplication"}
        return Edit(text, kinds[what], start, end, old, end_old, letters)
    if group["d_start"]:
        start, end = residue(group["d_start"]), residue(group["d_end"] or group["d_start"])
        return Edit(text, "deletion", start, end, _one_letters(group["d_old"]), _one_letters(group["d_end_old"]))
    prefix = next(prefix for prefix in ("s_", "t_", "n_") if group[f"{prefix}start"])
    start = residue(group[f"{prefix}start"])
    old = _one_letters(group[f"{prefix}old"])
    new = group[f"{prefix}new"]
    return Edit(text, "substitution", start, start, old, "", old if new == "=" else _one_letters(new))


def _one_letters(text: str | None) -> str:
    """Return the one-letter text of a run of three-letter names or letters."""
    words = re.findall(f"{_LETTER}|[0-9]", text or "", re.IGNORECASE)
    return "".join(THREE_LETTERS.get(word.upper(), word.upper()) for word in words)
