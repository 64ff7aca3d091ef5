"""Sequences from files: FASTA, A2M, GenBank and tables are read, with a reason for every row that is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from invdesign.core import Corpus, InvdesignError, Progress, Rejection, silent
from invdesign.domains.sequences.alphabet import GAP, letters_of
from invdesign.domains.sequences.io.records import READ, Records, Row, rows
from invdesign.domains.sequences.wild_type.wild_type import WildType
from invdesign.io.cells import plain_cell
from invdesign.io.corpora import make_corpus
from invdesign.io.text_files import MAX_BYTES

OnInvalid = Literal["skip", "error"]
Gaps = Literal["drop"] | bool
Insertions = Literal["drop", "keep", "reject"]

UNKNOWN_VALUES = ("", "nan", "na", "n/a", "none", "null", "-")
SAME = ("wt", "wild type", "wildtype", "wild-type", "none", "_wt")
MAX_LENGTH = 512
# From this many letters on, a protein of A, C, G and T alone is none.
MAX_LIKELY_DNA = 60
MEANINGS = {
    "protein": {
        "X": "an unknown residue", "B": "D or N", "Z": "E or Q", "J": "I or L", "U": "selenocysteine",
        "O": "pyrrolysine", "*": "a stop", "-": "a gap", ".": "a gap",
    },
    "dna": {"N": "any base", "U": "a base of RNA", "-": "a gap", ".": "a gap"},
    "rna": {"N": "any base", "T": "a base of DNA", "-": "a gap", ".": "a gap"},
}  # fmt: skip
REMEDIES = {
    "-": "allow gaps, or read with gaps: drop",
    ".": "allow gaps, or read with gaps: drop",
    "*": "cut the sequence before the stop",
    "U": "where this is RNA, say kind: rna; a selenocysteine may be written C",
    "T": "where this is DNA, say kind: dna",
}


@dataclass(frozen=True)
class Reading:
    """How the text of a row becomes a design.

    Args:
        kind: `"protein"`, `"dna"`, `"rna"`, or the letters themselves.
        wild_type: what lists of mutations are counted on.
        gaps: whether `-` is kept as a letter, dropped, or a reason to refuse.
        insertions: what becomes of lower case letters of an A2M or A3M file.
        lengths: letters of the shortest and of the longest design.
    """

    kind: str
    wild_type: WildType | None
    gaps: Gaps
    insertions: Insertions
    lengths: tuple[int, int]

    def design(self, row: Row) -> tuple[str, str, str]:
        """The design of a row, or an empty text; then what is wrong, or was repaired, and the remedy."""
        if row.problem:
            return "", row.problem, "mend the row"
        text = row.text if row.text.isalnum() else "".join(row.text.split())
        if not text and not row.is_mutations:
            return "", "no letters", "give a sequence"
        repaired: list[str] = []
        if row.is_mutations:
            if self.wild_type is None:
                return "", "mutations without a wild type", "give wild_type"
            text, problem = _mutated(row.text.strip(), self.wild_type)
            if problem:
                return "", problem, "write substitutions as A108D;V11L, by the numbers of the wild type"
        min_length, max_length = self.lengths
        if len(text) > 20 * max_length + 1000:
            return "", f"{len(text):,} letters, more than {max_length:,}", "leave it out, or raise max_length"
        lower = 0 if text.isupper() else sum(letter.islower() for letter in text)
        if lower and row.is_aligned:
            if self.insertions == "reject":
                return "", f"{lower} insertions (lower case)", "read with insertions: drop or keep"
            text = re.sub("[a-z.]", "", text) if self.insertions == "drop" else text.upper()
        elif lower:
            if lower < len(text) and set(text) & {GAP, "."}:
                return "", "lower case beside gaps, as in an A2M file", "call the file .a2m, or write capital letters"
            text = text.upper()
            repaired.append("lower case made capital")
        if row.is_aligned:
            text = text.replace(".", "" if self.insertions == "drop" else GAP)
        if self.kind == "protein" and text.endswith("*"):
            text = text[:-1]
            repaired.append("the stop at its end left out")
        if self.gaps == "drop":
            text = text.replace(GAP, "").replace(".", "")
        elif self.gaps:
            text = text.replace(".", GAP)
        allowed = letters_of(self.kind) + (GAP if self.gaps is True else "")
        if set(text) - set(allowed):
            strange = [(i, letter) for i, letter in enumerate(text) if letter not in allowed]
            return ("", *self._strange(strange))
        bare = len(text) - text.count(GAP)
        if not bare:
            return "", "no letters but gaps" if text else "no letters", "leave it out"
        if not min_length <= len(text) <= max_length:
            wanted = f"{min_length:,} to {max_length:,}" if min_length > 1 else f"at most {max_length:,}"
            return (
                "",
                f"{len(text):,} letters, wanted are {wanted}",
                "leave it out, or change min_length and max_length",
            )
        return text, f"repaired: {', '.join(repaired)}" if repaired else "", "kept; nothing to do" if repaired else ""

    def _strange(self, found: Sequence[tuple[int, str]]) -> tuple[str, str]:
        meanings = MEANINGS.get(self.kind, {})
        first = {letter: i for i, letter in reversed(found)}
        said = [
            f"{letter!r} at {i + 1}{f' ({meanings[letter]})' if letter in meanings else ''}"
            for letter, i in sorted(first.items(), key=lambda pair: pair[1])
        ]
        more = f" and {len(said) - 4} more" if len(said) > 4 else ""
        remedy = next((REMEDIES[letter] for _, letter in found if letter in REMEDIES), "replace or leave out the row")
        counted = "1 letter that is" if len(found) == 1 else f"{len(found)} letters that are"
        return f"{counted} none of {self.kind}: {', '.join(said[:4])}{more}", remedy


def read(
    path: Path | str,
    *,
    kind: str = "protein",
    sequence_column: str | None = None,
    mutations: str | None = None,
    properties: Mapping[str, str] | None = None,
    weight_column: str | None = None,
    wild_type: WildType | None = None,
    gaps: Gaps = False,
    insertions: Insertions = "drop",
    records: Records = "whole",
    min_length: int = 1,
    max_length: int = MAX_LENGTH,
    on_invalid: OnInvalid = "skip",
    max_designs: int | None = None,
    max_bytes: int = MAX_BYTES,
    progress: Progress = silent,
) -> Corpus[str]:
    """Read sequences from a FASTA, A2M, A3M, GenBank, .csv, .tsv or .txt file, plain or gzipped.

    Lower case (but of A2M and A3M) is made capital and the stop at the end of a protein left out; a sequence that was
    repaired is kept and reported too, with a reason that begins with "repaired".

    Args:
        path: the file. A .txt has a sequence on each line.
        kind: `"protein"`, `"dna"`, `"rna"`, or the letters themselves.
        sequence_column: the column of a table that holds sequences; found by its name where it is not given.
        mutations: the column of a table that holds substitutions in the place of sequences (`A108D;V11L`).
        properties: measured properties, our name -> column; an empty cell is unknown (NaN).
        weight_column: column of non-negative training weights.
        wild_type: what mutations are counted on.
        gaps: true keeps `-` (and `.`) as a letter, false refuses it, `"drop"` leaves it out.
        insertions: lower case of A2M and A3M: left out, which leaves the columns of the alignment; kept, which with
            `gaps="drop"` gives whole sequences; or a reason to refuse.
        records: of GenBank: `"whole"` sequences, or coding sequences (`"cds"`) as the proteins that they make.
        min_length: letters of the shortest sequence.
        max_length: letters of the longest sequence.
        on_invalid: `"skip"` reports a bad row among the corpus's rejections, `"error"` stops at the first;
            a repeated sequence is reported, never an error.
        max_designs: read no more than this many sequences.
        max_bytes: refuse files that are longer than this when unpacked.
        progress: called now and then with ("reading", rows done, rows).

    Returns:
        Distinct sequences in the file's order. Of repeated ones the first is kept, the others reported.

    Raises:
        InvdesignError: for a missing file, an unknown format or column, no valid row, DNA read as protein, or with
            `on_invalid="error"`.
    """
    path = Path(path)
    for name, value, choices in (
        ("on_invalid", on_invalid, ("skip", "error")),
        ("insertions", insertions, ("drop", "keep", "reject")),
        ("gaps", gaps, (True, False, "drop")),
    ):
        if value not in choices:
            raise InvdesignError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    letters_of(kind)
    reading = Reading(kind, wild_type, gaps, insertions, (min_length, max_length))
    properties = dict(properties or {})
    columns = [*properties.values(), *([weight_column] if weight_column else [])]
    given = list(
        rows(
            path, sequence_column=sequence_column, mutations=mutations, has_wild_type=wild_type is not None,
            columns=columns, records=records, max_bytes=max_bytes,
        )
    )  # fmt: skip
    seen: dict[str, int] = {}
    values: dict[str, list[float]] = {name: [] for name in properties}
    weights: list[float] = []
    rejected: list[Rejection] = []
    for n_read, row in enumerate(given):
        if n_read % 5000 == 0:
            progress("reading", n_read, len(given))
        design, reason, remedy = reading.design(row)
        numbers, problem = _numbers(row, columns, weight_column)
        is_repeated = design in seen
        if design and problem:
            reason, remedy = problem, "write a plain number, or leave a property's cell empty where unknown"
        elif is_repeated:
            reason, remedy = f"the same sequence as row {seen[design]}", "keep one row per sequence"
        if reason:
            label = f"{row.label.split(maxsplit=1)[0]}: " if row.label else ""
            rejected.append(Rejection(row.number, f"{label}{row.text}"[:200], reason, remedy))
        if not design or problem or is_repeated:
            if on_invalid == "error" and not is_repeated:
                raise InvdesignError(
                    f"{path}, row {row.number}: {reason}; got {row.text[:60]!r}. "
                    f"Remedy: {remedy}, or pass on_invalid='skip'"
                )
            continue
        seen[design] = row.number
        for name, column in properties.items():
            values[name].append(numbers[column])
        if weight_column:
            weights.append(numbers[weight_column])
        if max_designs is not None and len(seen) >= max_designs:
            break
    progress("reading", len(given), len(given))
    if not seen:
        first = f"; the first was row {rejected[0].row}: {rejected[0].reason}" if rejected else ""
        raise InvdesignError(
            f"{path}: expected sequences, found none in {len(given)} rows{first}. Check the format "
            f"({', '.join(READ)}), the column of sequences and the kind ({kind})"
        )
    _refuse_dna(path, kind, seen)
    return make_corpus(
        tuple(seen),
        properties={name: np.array(column) for name, column in values.items()},
        weights=np.array(weights) if weight_column else None,
        rejected=tuple(rejected),
        name=path.name.removesuffix(".gz").rsplit(".", 1)[0],
    )


def _mutated(text: str, wild_type: WildType) -> tuple[str, str]:
    """The wild type with a list of mutations, or why there is none."""
    if text.lower() in SAME:
        return wild_type.sequence, ""
    words = [word for word in re.split(r"[;:,/\s]+", text) if word]
    if not words:
        return "", "an empty list of mutations (the wild type itself is written WT)"
    places = [re.sub(r"\D", "", word) for word in words]
    if len(set(places)) < len(places):
        return "", "two mutations of one residue"
    try:
        return wild_type.apply_mutations(words), ""
    except InvdesignError as error:
        return "", str(error)


def _numbers(row: Row, columns: Sequence[str], weight_column: str | None) -> tuple[dict[str, float], str]:
    numbers: dict[str, float] = {}
    for column in columns:
        cell = plain_cell(row.cells.get(column, "").strip())
        if cell.lower() in UNKNOWN_VALUES:
            numbers[column] = math.nan
        else:
            try:
                numbers[column] = float(cell)
            except ValueError:
                return {}, f"column {column!r} has {cell[:40]!r}, expected a number"
        if math.isinf(numbers[column]):
            return {}, f"column {column!r} is infinite"
        if column == weight_column and not numbers[column] >= 0:
            return {}, f"weight {cell!r} in {column!r}, expected 0 or more"
    return numbers, ""


def _refuse_dna(path: Path, kind: str, designs: Mapping[str, int]) -> None:
    found = set().union(*map(set, designs))
    if kind == "protein" and found <= set("ACGT-") and max(map(len, designs)) >= MAX_LIKELY_DNA:
        raise InvdesignError(
            f"{path}: read as proteins, but all letters are A, C, G or T; say kind: dna (domain=dna), or translate them"
        )
