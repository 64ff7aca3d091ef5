"""Rows of sequences in files of every format, before any of them is believed."""

from __future__ import annotations

import csv
import difflib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from Bio import BiopythonWarning, SeqIO
from Bio.SeqFeature import SeqFeature
from Bio.SeqRecord import SeqRecord

from invdesign.core import InvdesignError
from invdesign.io.cells import plain_cell
from invdesign.io.text_files import MAX_BYTES, decode_text, read_bytes

Records = Literal["whole", "cds"]

FASTA = (".fasta", ".fa", ".faa", ".fna", ".ffn", ".fas", ".mpfa")
ALIGNED = (".a2m", ".a3m")
TABLES = (".csv", ".tsv")
LINES = (".txt", ".seq")
GENBANK = (".gb", ".gbk", ".gbff", ".genbank")
READ = (*FASTA, *ALIGNED, *TABLES, *GENBANK, *LINES)
SEQUENCE_NAMES = (
    "sequence", "seq", "design", "mutated_sequence", "aa_sequence", "protein_sequence", "protein", "peptide",
    "dna_sequence", "dna", "rna",
)  # fmt: skip
MUTATION_NAMES = ("mutations", "mutation", "mutant", "aamutations", "variant")
MAX_CELL_LENGTH = 50_000_000


@dataclass(frozen=True)
class Row:
    """One sequence before it is believed: the number of its record (the header of a table is row 1), text, cells."""

    number: int
    text: str
    label: str = ""
    cells: Mapping[str, str] = field(default_factory=dict)
    is_mutations: bool = False
    is_aligned: bool = False
    problem: str = ""


def rows(
    path: Path,
    *,
    sequence_column: str | None = None,
    mutations: str | None = None,
    has_wild_type: bool = False,
    columns: Sequence[str] = (),
    records: Records = "whole",
    max_bytes: int = MAX_BYTES,
) -> Iterator[Row]:
    """The rows of a file, plain or gzipped.

    Args:
        path: the file; its suffix says the format.
        sequence_column: the column of a table that holds sequences; found by its name where it is not given.
        mutations: the column of a table that holds lists of mutations, in the place of sequences.
        has_wild_type: whether lists of mutations can be read; then their column is found by its name too.
        columns: names of the other values to take along.
        records: of GenBank: the whole sequence, or its coding sequences translated.
        max_bytes: refuse files that are longer than this when unpacked.

    Raises:
        InvdesignError: the file is missing, of no known format, malformed, or lacks a column.
    """
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix not in READ:
        raise InvdesignError(f"{path}: expected a file that ends in one of {', '.join(READ)} (or .gz), got {suffix!r}")
    text = decode_text(read_bytes(path, max_bytes=max_bytes))
    if suffix in TABLES:
        return _table(path, text, sequence_column, mutations, has_wild_type, columns)
    if columns or sequence_column or mutations:
        wanted = [name for name in (sequence_column, mutations, *columns) if name]
        raise InvdesignError(f"{path}: a {suffix} file has no columns {wanted}; write the values as .csv")
    if suffix in LINES:
        return _lines(text)
    if suffix in GENBANK:
        return iter(_genbank(path, text, records))
    return _fasta(path, text, is_aligned=suffix in ALIGNED)


def _fasta(path: Path, text: str, *, is_aligned: bool) -> Iterator[Row]:
    # Lines that begin with ; are comments of the old format, those with # what alignment tools add.
    lines = [line for line in text.split("\n") if not line.startswith((";", "#"))]
    first = next((line for line in lines if line.strip()), "")
    if not first.startswith(">"):
        raise InvdesignError(
            f"{path}: not FASTA: it begins with {first[:40]!r}, expected '>' and a name; "
            "where each line is a sequence, call the file .txt"
        )
    number, title, parts = 0, "", []
    for line in [*lines, ">"]:
        if not line.startswith(">"):
            parts.append(line)
            continue
        if number:
            yield Row(number, "".join("".join(parts).split()), title, is_aligned=is_aligned)
        number, title, parts = number + 1, line[1:].strip(), []


def _lines(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        word = line.strip()
        if word and not word.startswith("#") and not (number == 1 and word.lower() in SEQUENCE_NAMES):
            yield Row(number, "".join(word.split()))


def _table(
    path: Path,
    text: str,
    sequence_column: str | None,
    mutations: str | None,
    has_wild_type: bool,
    columns: Sequence[str],
) -> Iterator[Row]:
    first = text.lstrip("\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count) if any(c in first for c in ",;\t") else ","
    was, number = csv.field_size_limit(MAX_CELL_LENGTH), 0
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    header: list[str] | None = None
    try:
        while True:
            number += 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(number, "", problem=f"not a table row ({error}); a quote that is not closed?")
                continue
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [plain_cell(cell.strip()) for cell in cells]
                place, is_mutations = _sequence_place(path, header, sequence_column, mutations, has_wild_type)
                places = {column: find(path, header, column) for column in columns}
                continue
            named = {column: cells[i].strip() for column, i in places.items() if i < len(cells)}
            problem = "" if len(cells) == len(header) else f"{len(cells)} cells under {len(header)} columns"
            cell = plain_cell(cells[place].strip()) if place < len(cells) else ""
            yield Row(number, cell, cells=named, is_mutations=is_mutations, problem=problem)
    finally:
        csv.field_size_limit(was)


def _sequence_place(
    path: Path, header: Sequence[str], sequence_column: str | None, mutations: str | None, has_wild_type: bool
) -> tuple[int, bool]:
    """The column that says the sequence, and whether it does so by mutations."""
    if sequence_column is not None:
        return find(path, header, sequence_column), False
    if mutations is not None:
        return find(path, header, mutations), True
    lower = [name.lower() for name in header]
    for names, is_mutations in ((SEQUENCE_NAMES, False), (MUTATION_NAMES if has_wild_type else (), True)):
        found = next((lower.index(name) for name in names if name in lower), None)
        if found is not None:
            return found, is_mutations
    if len(header) == 1:
        return 0, False
    raise InvdesignError(
        f"{path}: none of the columns {', '.join(map(repr, header))} is called 'sequence'; name it with "
        "sequence_column, or give a wild_type and the column of mutations"
    )


def find(path: Path, header: Sequence[str], column: str) -> int:
    """The place of a column.

    Raises:
        InvdesignError: there is none of that name; the nearest is named.
    """
    if column in header:
        return list(header).index(column)
    close = difflib.get_close_matches(column, header, n=1, cutoff=0.4)
    hint = f"; nearest: {close[0]!r}" if close else ""
    raise InvdesignError(f"{path}: no column {column!r}; the file has {', '.join(map(repr, header))}{hint}")


def _genbank(path: Path, text: str, records: Records) -> list[Row]:
    if records not in ("whole", "cds"):
        raise InvdesignError(f"records must be 'whole' or 'cds', got {records!r}")
    found: list[Row] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BiopythonWarning)
        try:
            for record in SeqIO.parse(io.StringIO(text), "genbank"):
                found += [Row(len(found) + k, *said) for k, said in enumerate(_of_record(record, records), start=1)]
        except Exception as error:  # Biopython's parser raises whatever a malformed record trips it into
            raise InvdesignError(f"{path}: not GenBank ({type(error).__name__}: {error}); export it again") from error
    if not found:
        what = "coding sequences (CDS features)" if records == "cds" and "LOCUS" in text else "records"
        raise InvdesignError(f"{path}: no {what} of GenBank; check the file, or records: whole")
    return found


def _of_record(record: SeqRecord, records: Records) -> list[tuple[Any, ...]]:
    """What a record of GenBank holds: text, label, cells, then the fields of `Row` that a refusal needs."""
    if records == "whole":
        try:
            return [(str(record.seq), record.id)]
        except Exception as error:  # a record without ORIGIN has a sequence that is not defined
            return [("", record.id, {}, False, False, f"it holds no sequence ({error})")]
    return [_translated(record, feature) for feature in record.features if feature.type == "CDS"]


def _translated(record: SeqRecord, feature: SeqFeature) -> tuple[Any, ...]:
    names = (feature.qualifiers.get(key, [""])[0] for key in ("protein_id", "gene", "label", "product"))
    label = next((name for name in names if name), record.id)
    written = "".join(feature.qualifiers.get("translation", [""])[0].split())
    if written:
        return written, label
    try:
        return str(feature.translate(record.seq, cds=False)), label
    except Exception as error:  # an undefined sequence, a broken place, an unknown codon table
        return "", label, {}, False, False, f"the coding sequence cannot be translated ({error})"
