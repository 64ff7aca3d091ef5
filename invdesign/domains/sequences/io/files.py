"""Reader of sequence files: FASTA, A2M, GenBank and tables, with a reason for every rejected row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from invdesign.core import Corpus, InvdesignError, Progress, silent
from invdesign.domains.sequences.alphabet import GAP, canonical_kind, letters_of
from invdesign.domains.sequences.io.file_checks import (
    Chain,
    check_numbering,
    divide_chains,
    looks_like_dna,
    reject_dna,
    reject_gaps,
    reject_names,
)
from invdesign.domains.sequences.io.records import LINES, READ, Records, rows
from invdesign.domains.sequences.wild_type.notation import THREE_LETTERS
from invdesign.domains.sequences.wild_type.wild_type import WildType
from invdesign.io.design_tables import (
    TABLES,
    DesignSource,
    Parsed,
    ReadOptions,
    Row,
    corpus_name,
    read_designs,
)
from invdesign.io.design_tables import OnInvalid as OnInvalid
from invdesign.io.text_files import MAX_BYTES

Gaps = Literal["drop"] | bool
Insertions = Literal["drop", "keep", "reject"]

MAX_LENGTH = 512
MAX_NAMED_LETTERS = 4
"""Letters outside the alphabet that a rejection names."""
REPORT_EVERY = 5000
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
    "U": "for RNA, set kind: rna; a selenocysteine may be written C",
    "T": "for DNA, set kind: dna",
}


_NAMES = "|".join(name.title() for name in THREE_LETTERS)
_NAMED_RESIDUES = re.compile(rf"(?:{_NAMES})(?:[\s-]*(?:{_NAMES}))+")


class _RejectedError(Exception):
    """Why a row is rejected, and what would help."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


@dataclass(frozen=True)
class RowParser:
    """Parser of the content of a row into a design."""

    kind: str
    """`"protein"`, `"dna"`, `"rna"`, or the letters themselves."""
    wild_type: WildType | None
    """Sequence that lists of mutations are counted on."""
    gaps: Gaps
    """Whether `-` is kept as a letter (true), rejected (false), or left out (`"drop"`)."""
    insertions: Insertions
    """Treatment of lower-case letters of an A2M or A3M file."""
    min_length: int
    """Number of letters of the shortest design."""
    max_length: int
    """Number of letters of the longest design."""

    def __call__(self, row: Row) -> Parsed[str]:
        """Return the design of a row, with a description of what was repaired, or the reason of its rejection."""
        try:
            design, repairs = self._design(row)
        except _RejectedError as rejection:
            return Parsed(reason=rejection.reason, remedy=rejection.remedy)
        if repairs:
            return Parsed(design, design, f"repaired: {', '.join(repairs)}", "kept; nothing to do")
        return Parsed(design, design)

    def _design(self, row: Row) -> tuple[str, list[str]]:
        if row.problem:
            raise _RejectedError(row.problem, "fix the row")
        text = self._letters(row)
        repairs: list[str] = []
        if self.kind == "protein" and row.form != "aligned" and _NAMED_RESIDUES.fullmatch(row.content.strip()):
            text = "".join(THREE_LETTERS[name.upper()] for name in re.findall("[A-Z][a-z]{2}", row.content))
            repairs.append("three-letter names of residues written as letters")
        if len(text) > 20 * self.max_length + 1000:
            raise _RejectedError(
                f"{len(text):,} letters, more than {self.max_length:,}", "leave it out, or raise max_length"
            )
        text = self._resolve_case(text, is_aligned=row.form == "aligned", repairs=repairs)
        if self.kind == "protein" and text.endswith("*"):
            text = text[:-1]
            repairs.append("the stop at its end left out")
        if self.gaps == "drop":
            text = text.replace(GAP, "").replace(".", "")
        elif self.gaps:
            text = text.replace(".", GAP)
        if self.kind == "protein" and row.form != "mutations" and looks_like_dna(text):
            raise _RejectedError("DNA or RNA: at least 95% of its letters are A, C, G, T, U or N", "translate it")
        self._check_letters(text)
        self._check_length(text)
        return text, repairs

    def _letters(self, row: Row) -> str:
        """Return the letters of a row: its sequence without white space, or the wild type with its mutations."""
        content: str = row.content
        if row.form == "mutations":
            if self.wild_type is None:
                raise _RejectedError("mutations without a wild type", "give wild_type")
            design = _apply_mutations(content, self.wild_type)
            return design if self.gaps is True else design.replace(GAP, "")
        text = content if content.isalnum() else "".join(content.split())
        if not text:
            raise _RejectedError("no letters", "give a sequence")
        return text

    def _resolve_case(self, text: str, *, is_aligned: bool, repairs: list[str]) -> str:
        """Return capital letters; lower case means an insertion in an aligned sequence, and nothing elsewhere."""
        n_lower = 0 if text == text.upper() else sum(letter.islower() for letter in text)
        if n_lower and is_aligned:
            if self.insertions == "reject":
                raise _RejectedError(f"{n_lower} insertions (lower case)", "read with insertions: drop or keep")
            text = re.sub("[a-z.]", "", text) if self.insertions == "drop" else text.upper()
        elif n_lower:
            if n_lower < len(text) and set(text) & {GAP, "."}:
                raise _RejectedError(
                    "lower case beside gaps, as in an A2M file", "call the file .a2m, or write capital letters"
                )
            text = text.upper()
            repairs.append("lower case made capital")
        if is_aligned:
            text = text.replace(".", "" if self.insertions == "drop" else GAP)
        return text

    def _check_letters(self, text: str) -> None:
        allowed = letters_of(self.kind) + (GAP if self.gaps is True else "")
        outside = text.translate(str.maketrans("", "", allowed))
        if not outside:
            return
        unknown = list(dict.fromkeys(outside))
        meanings = MEANINGS.get(self.kind, {})
        descriptions = []
        for letter in unknown[:MAX_NAMED_LETTERS]:
            meaning = f" ({meanings[letter]})" if letter in meanings else ""
            descriptions.append(f"{letter!r} at {text.index(letter) + 1}{meaning}")
        more = f" and {len(unknown) - MAX_NAMED_LETTERS} more" if len(unknown) > MAX_NAMED_LETTERS else ""
        count = "1 letter" if len(outside) == 1 else f"{len(outside)} letters"
        remedy = next((REMEDIES[letter] for letter in unknown if letter in REMEDIES), "replace or leave out the row")
        raise _RejectedError(f"{count} outside the alphabet of {self.kind}: {', '.join(descriptions)}{more}", remedy)

    def _check_length(self, text: str) -> None:
        if not text:
            raise _RejectedError("no letters", "leave it out")
        if not len(text) - text.count(GAP):
            raise _RejectedError("no letters but gaps", "leave it out")
        if not self.min_length <= len(text) <= self.max_length:
            at_most = f"at most {self.max_length:,}"
            expected = f"{self.min_length:,} to {self.max_length:,}" if self.min_length > 1 else at_most
            raise _RejectedError(
                f"{len(text):,} letters, expected {expected}", "leave it out, or change min_length and max_length"
            )


def read(
    path: Path | str,
    *,
    kind: str = "protein",
    sequence_column: str | None = None,
    mutations: str | None = None,
    properties: Mapping[str, str] | None = None,
    weight_column: str | None = None,
    labels: Sequence[str] = (),
    wild_type: WildType | None = None,
    gaps: Gaps = False,
    insertions: Insertions = "drop",
    records: Records = "whole",
    chain: Chain = None,
    min_length: int = 1,
    max_length: int = MAX_LENGTH,
    on_invalid: OnInvalid = "skip",
    max_designs: int | None = None,
    max_bytes: int = MAX_BYTES,
    progress: Progress = silent,
) -> Corpus[str]:
    """Return the sequences of a FASTA, alignment, GenBank, .csv, .tsv or .txt file, plain or gzipped.

    Lower case (except in alignments) becomes capital, and the stop at the end of a protein is left out. A repaired
    sequence is kept and also reported as a rejection, with a reason that begins with "repaired".

    A file is checked as a whole first: DNA that is read as protein, a column of names, lists of mutations that fit
    another numbering, an alignment without a treatment of its gaps, and chains of a complex of which none is chosen are
    errors, whatever single rows would fit.

    Args:
        path: Path of the file. A .txt file has one sequence per line.
        kind: `"protein"`, `"dna"`, `"rna"`, or the letters themselves.
        sequence_column: Column of a table that contains sequences; found by its name where it is not given.
        mutations: Column of a table that contains mutations (`A108D;V11L`, see `parse_variant`) instead of sequences.
        properties: Measured properties: name -> column. An empty cell is an unknown value (NaN).
        weight_column: Column of non-negative training weights.
        labels: Columns of labels, e.g. `[laboratory, assay]`, for a conditional VAE.
        wild_type: Sequence that mutations are counted on.
        gaps: Whether `-` (and `.`) is kept as a letter (true), rejected (false), or left out (`"drop"`).
        insertions: Treatment of lower case in alignments: `"drop"` leaves the columns of the alignment, `"keep"`
            gives whole sequences together with `gaps="drop"`, `"reject"` rejects the row.
        records: Of a GenBank file: `"whole"` sequences, or coding sequences translated to proteins (`"cds"`).
        chain: Of rows that hold several chains (`MKV/GHK` of ProteinMPNN, `MKV:GHK`): the number of the one to read
            from 1, or `"split"` to read each as a design of its own.
        min_length: Number of letters of the shortest sequence.
        max_length: Number of letters of the longest sequence.
        on_invalid: `"skip"` reports an invalid row as a rejection, `"error"` stops at the first. A repeated sequence
            is reported, and never an error.
        max_designs: Largest number of sequences to read.
        max_bytes: Largest size of the unpacked file [bytes].
        progress: Called with ("reading", rows done, rows).

    Returns:
        Distinct sequences in the order of the file, each with the mean of its measured values; see `io.repeats`.

    Raises:
        InvdesignError: The file is missing, has an unknown format, lacks a column or contains no valid row, is refused
            as a whole, or a row is invalid and `on_invalid="error"`.
    """
    path, kind = Path(path), canonical_kind(kind)
    options = ReadOptions(dict(properties or {}), weight_column, on_invalid, max_designs, labels=tuple(labels))
    _check_choice("insertions", insertions, ("drop", "keep", "reject"))
    _check_choice("gaps", gaps, (True, False, "drop"))
    given = list(
        rows(
            path,
            sequence_column=sequence_column,
            mutations=mutations,
            has_wild_type=wild_type is not None,
            columns=options.columns,
            letters=letters_of(kind),
            records=records,
            max_bytes=max_bytes,
        )
    )
    given = divide_chains(path, given, chain, has_values=bool(options.properties))
    _check_file(path, given, kind=kind, gaps=gaps, wild_type=wild_type)
    source = DesignSource(
        path=str(path),
        name=corpus_name(path),
        noun="sequence",
        to_check=f"the format ({', '.join(READ)}), the column of sequences and the kind ({kind})",
        n_rows=len(given),
        report_every=REPORT_EVERY,
    )
    parse = RowParser(kind, wild_type, gaps, insertions, min_length, max_length)
    return read_designs(given, parse, source=source, options=options, progress=progress)


def _check_file(path: Path, given: Sequence[Row], *, kind: str, gaps: Gaps, wild_type: WildType | None) -> None:
    """Raise an error where a file as a whole is not what it is read as."""
    sequences = [row for row in given if row.form != "mutations"]
    if Path(path.name.lower().removesuffix(".gz")).suffix in (*TABLES, *LINES):
        reject_names(path, sequences, kind)
    if kind == "protein":
        reject_dna(path, sequences)
    if gaps is False:
        reject_gaps(path, sequences)
    if wild_type is not None:
        check_numbering(path, given, wild_type)


def _check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    if value not in choices:
        raise InvdesignError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def _apply_mutations(text: str, wild_type: WildType) -> str:
    """Return the wild type with a list of mutations."""
    try:
        return wild_type.apply_mutations([text])
    except InvdesignError as error:
        remedy = "write A108D, A108del, 108insGG or p.Ala108Asp, by the numbers of the wild type; the wild type as WT"
        raise _RejectedError(str(error), remedy) from error
