"""Rows of sequences in files of every format."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from Bio import BiopythonWarning, SeqIO
from Bio.SeqFeature import SeqFeature
from Bio.SeqRecord import SeqRecord

from invdesign.core import InvdesignError
from invdesign.domains.sequences.alphabet import LETTERS
from invdesign.domains.sequences.io.file_checks import align_columns
from invdesign.io.design_tables import (
    MAX_REJECTION_TEXT,
    TABLES,
    Row,
    find_column,
    find_design_column,
    find_usual_name,
    table_rows,
    table_text,
)
from invdesign.io.text_files import MAX_BYTES, decode_text, read_bytes

Records = Literal["whole", "cds"]

FASTA = (".fasta", ".fa", ".faa", ".fna", ".ffn", ".fas", ".mpfa")
ALIGNED = (".a2m", ".a3m", ".afa", ".afasta")
ALIGNMENTS = {".sto": "stockholm", ".stk": "stockholm", ".stockholm": "stockholm", ".aln": "clustal"}
"""Formats of alignments that Biopython reads, by suffix."""
LINES = (".txt", ".seq")
GENBANK = (".gb", ".gbk", ".gbff", ".genbank")
READ = (*FASTA, *ALIGNED, *ALIGNMENTS, ".csv", ".tsv", ".xlsx", *GENBANK, *LINES)
SEQUENCE_NAMES = (
    "sequence", "seq", "design", "mutated_sequence", "aa_sequence", "protein_sequence", "protein", "peptide",
    "dna_sequence", "dna", "rna", "sequences", "proteins", "peptides",
)  # fmt: skip
MUTATION_NAMES = (
    "mutations", "mutation", "mutant", "mutants", "aamutations", "variant", "variants", "substitutions", "hgvs",
    "hgvs_pro", "hgvsp",
)  # fmt: skip


def rows(
    path: Path,
    *,
    sequence_column: str | None = None,
    mutations: str | None = None,
    has_wild_type: bool = False,
    columns: Sequence[str] = (),
    letters: str = LETTERS["protein"],
    records: Records = "whole",
    max_bytes: int = MAX_BYTES,
) -> Iterator[Row]:
    """Return the rows of a file, plain or gzipped.

    The form of a row is `"sequence"`, `"aligned"` (a row of an alignment, which has gaps in files of any format of
    alignments and in other files where all rows have one length) or `"mutations"` (a list of mutations).

    Args:
        path: Path of the file; its suffix selects the format.
        sequence_column: Column of a table that contains sequences; found by its name where it is not given.
        mutations: Column of a table that contains lists of mutations instead of sequences.
        has_wild_type: Whether lists of mutations can be read; then their column is found by its name, too.
        columns: Names of the other values to read.
        letters: Letters of a sequence; a table whose first row is one has no headings.
        records: Of a GenBank file: the whole sequence, or its coding sequences translated.
        max_bytes: Largest size of the unpacked file [bytes].

    Raises:
        InvdesignError: The file is missing, has an unknown format, is malformed, or lacks a column.
    """
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix not in (*READ, *TABLES):
        raise InvdesignError(f"{path}: expected a file that ends in one of {', '.join(READ)} (or .gz), got {suffix!r}")
    if suffix in TABLES:
        text = table_text(path, max_bytes=max_bytes)
        return _table_rows(path, text, sequence_column, mutations, has_wild_type, columns, letters)
    text = decode_text(read_bytes(path, max_bytes=max_bytes))
    if columns or sequence_column or mutations:
        wanted = [name for name in (sequence_column, mutations, *columns) if name]
        raise InvdesignError(
            f"{path}: expected a table for the columns {wanted}, got a {suffix} file. Write the values as .csv"
        )
    if suffix in LINES:
        return _line_rows(text)
    if suffix in GENBANK:
        return iter(_genbank_rows(path, text, records))
    alignment = _alignment_format(suffix, text)
    if alignment:
        return iter(align_columns(_alignment_rows(path, text, alignment), is_aligned=True))
    return iter(align_columns(list(_fasta_rows(path, text)), is_aligned=suffix in ALIGNED))


def _alignment_format(suffix: str, text: str) -> str:
    """Return Biopython's name of a format of alignments, by content or suffix; empty for FASTA."""
    start = text.lstrip()[:20].upper()
    if start.startswith("# STOCKHOLM"):
        return "stockholm"
    if start.startswith(("CLUSTAL", "MUSCLE (")):
        return "clustal"
    return "" if start.startswith(">") else ALIGNMENTS.get(suffix, "")


def _stockholm_lengths(text: str) -> dict[str, int]:
    """Return the number of columns of each sequence of the first alignment, over all of its blocks."""
    lengths: dict[str, int] = {}
    for line in text.split("\n//", 1)[0].split("\n"):
        title, _, letters = line.partition(" ")
        if title and not title.startswith("#"):
            lengths[title] = lengths.get(title, 0) + len(letters.strip())
    return lengths


def _alignment_rows(path: Path, text: str, name: str) -> list[Row]:
    # Biopython compares lengths only after it has read the whole file.
    lengths = _stockholm_lengths(text) if name == "stockholm" else {}
    if len(set(lengths.values())) > 1:
        raise InvdesignError(
            f"{path}: not a file of Stockholm: expected sequences of one length, got {min(lengths.values()):,} to "
            f"{max(lengths.values()):,} columns. Export it again, or as aligned FASTA (.afa)"
        )
    try:
        records = list(cast("Any", SeqIO).parse(io.StringIO(text.lstrip()), name))
    except Exception as error:  # Biopython's parsers raise many types of errors on a malformed file.
        raise InvdesignError(
            f"{path}: not a file of {name.capitalize()} ({type(error).__name__}: {error}). Export it again, or as "
            "aligned FASTA (.afa)"
        ) from error
    texts = [(str(record.seq), record.id) for record in records]
    return [Row(i, text, _label(title, text), "sequence") for i, (text, title) in enumerate(texts, start=1)]


def _fasta_rows(path: Path, text: str) -> Iterator[Row]:
    # Lines that begin with ; are comments of the old format, those with # are added by alignment tools.
    lines = [line for line in text.split("\n") if not line.startswith((";", "#"))]
    first = next((line for line in lines if line.strip()), "")
    if not first.startswith(">"):
        raise InvdesignError(
            f"{path}: not FASTA: expected '>' and a name, got {first[:40]!r}. If each line is a sequence, call the "
            "file .txt"
        )
    number = 0
    title = ""
    parts: list[str] = []
    for line in [*lines, ">"]:
        if not line.startswith(">"):
            parts.append(line)
            continue
        if number:
            sequence = "".join("".join(parts).split())
            first_word = title.split(maxsplit=1)[0] if title else ""
            yield Row(number, sequence, _label(title, sequence), "sequence", name=first_word)
        number, title, parts = number + 1, line[1:].strip(), []


def _line_rows(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        content = line.strip()
        is_header = number == 1 and content.lower() in SEQUENCE_NAMES
        if content and not content.startswith("#") and not is_header:
            yield Row(number, "".join(content.split()), form="sequence")


def _table_rows(
    path: Path,
    text: str,
    sequence_column: str | None,
    mutations: str | None,
    has_wild_type: bool,
    columns: Sequence[str],
    letters: str,
) -> Iterator[Row]:
    def find_design(header: Sequence[str]) -> tuple[int, str]:
        if sequence_column is None and mutations is not None:
            return find_column(path, header, mutations), "mutations"
        if sequence_column is None and has_wild_type and find_usual_name(header, SEQUENCE_NAMES) is None:
            position = find_usual_name(header, MUTATION_NAMES)
            if position is not None:
                return position, "mutations"
        remedy = (
            "Name the column of sequences: --column NAME, or sequence_column in a campaign; or pass a wild type and "
            "the column of mutations"
        )
        position = find_design_column(
            path,
            header,
            sequence_column,
            SEQUENCE_NAMES,
            is_design=partial(_is_sequence, letters=letters),
            remedy=remedy,
            allow_single=True,
        )
        return position, "sequence"

    return table_rows(path, text, find_design=find_design, columns=columns)


def _is_sequence(heading: str, *, letters: str) -> bool:
    """Return whether a heading is a sequence: in capital or in small letters alone, unlike the heading `Peptides`."""
    text = heading.replace("-", "")
    return text in (text.upper(), text.lower()) and bool(text) and set(text.upper()) <= set(letters)


def _genbank_rows(path: Path, text: str, records: Records) -> list[Row]:
    if records not in ("whole", "cds"):
        raise InvdesignError(f"records must be 'whole' or 'cds', got {records!r}")
    found: list[Row] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BiopythonWarning)
        try:
            for record in cast("Any", SeqIO).parse(io.StringIO(text), "genbank"):
                found += _record_rows(record, records, first_number=len(found) + 1)
        except Exception as error:  # Biopython's parser raises many types of errors on a malformed record.
            raise InvdesignError(f"{path}: not GenBank ({type(error).__name__}: {error}). Export it again") from error
    if not found:
        expected = "coding sequences (CDS features)" if records == "cds" and "LOCUS" in text else "records"
        raise InvdesignError(f"{path}: no {expected} of GenBank found. Check the file, or set records: whole")
    return found


def _record_rows(record: SeqRecord, records: Records, first_number: int) -> list[Row]:
    if records == "whole":
        return [_whole_row(record, first_number)]
    features = [feature for feature in record.features if feature.type == "CDS"]
    return [_translated_row(record, feature, number) for number, feature in enumerate(features, start=first_number)]


def _whole_row(record: SeqRecord, number: int) -> Row:
    try:
        sequence = str(record.seq)
    except Exception as error:  # A record without ORIGIN has an undefined sequence.
        problem = f"it contains no sequence ({error})"
        return Row(number, label=_label(record.id, ""), form="sequence", problem=problem)
    return Row(number, sequence, _label(record.id, sequence), "sequence", name=record.id or "")


def _translated_row(record: SeqRecord, feature: SeqFeature, number: int) -> Row:
    names = (feature.qualifiers.get(key, [""])[0] for key in ("protein_id", "gene", "label", "product"))
    title = next((name for name in names if name), record.id)
    sequence = "".join(feature.qualifiers.get("translation", [""])[0].split())
    if not sequence:
        try:
            sequence = str(cast("Any", feature).translate(record.seq, cds=False))
        except Exception as error:  # The sequence is undefined, or the location or the codon table is invalid.
            problem = f"the coding sequence cannot be translated ({error})"
            return Row(number, label=_label(title, ""), form="sequence", problem=problem)
    return Row(number, sequence, _label(title, sequence), "sequence", name=title or "")


def _label(title: str | None, sequence: str) -> str:
    """Return the first word of a title (of ProteinMPNN its sample) and the sequence, shortened for messages."""
    sample = re.search(r"\bsample=\d+", title or "")
    words = [sample.group()] if sample else (title or "").split(maxsplit=1)
    name = f"{words[0].rstrip(',')}: " if words else ""
    return f"{name}{sequence[:MAX_REJECTION_TEXT]}"
