"""Order files for candidates: FASTA, mutation lists, genes and DNA to order, plate layouts.

All files use the same identifier of a design: a name, its number in the list, and a hash of its sequence, which
identifies the design regardless of its number in another list.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqFeature import SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord

from invdesign.core import Candidate, InvdesignError
from invdesign.core.value_source import KINDS
from invdesign.domains.sequences.alphabet import GAP
from invdesign.domains.sequences.dna import dna_validators
from invdesign.domains.sequences.dna.codons import Gene, GeneSettings, reverse_translate
from invdesign.domains.sequences.dna.vendors import ANY, Vendor
from invdesign.domains.sequences.output import plates as plate_layouts
from invdesign.domains.sequences.wild_type.wild_type import WildType, distance
from invdesign.io.atomic import write_bytes
from invdesign.io.cells import safe_cell

# Biopython is untyped.
_seq_feature: Any = SeqFeature
_simple_location: Any = SimpleLocation

LEFT_OUT, FINDINGS = "left_out.csv", "findings.csv"
NAME = "design"
MAX_OWN_NAME = 20
"""Characters of a user's name of a design in an identifier."""


def make_identifiers(candidates: Sequence[Candidate[str]], *, name: str = NAME) -> list[str]:
    """Return stable identifiers without spaces, e.g. `design-001-3f2a9c81`; a name that the user gave follows.

    Args:
        candidates: `n` candidates, best first.
        name: Prefix of the identifiers.

    Raises:
        InvdesignError: The name has characters that order forms reject.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,15}", name):
        raise InvdesignError(
            f"deliverables: name must begin with a letter and have at most 16 letters, digits, _ and -, got {name!r}"
        )
    own = [re.sub(r"[^A-Za-z0-9_-]+", "_", candidate.name).strip("_")[:MAX_OWN_NAME] for candidate in candidates]
    labels = _short_labels(candidates)
    return ["-".join(part for part in (name, label, given) if part) for label, given in zip(labels, own, strict=True)]


def fasta(
    candidates: Sequence[Candidate[str]], folder: Path, *, wild_type: WildType | None = None, name: str = NAME
) -> list[Path]:
    """Write `designs.fasta`, without gaps: `>id mutations=A108D;V11L predicted=.. sd=.. measured=..`.

    A value that an oracle computed is `computed=..`; one that it predicted is `predicted=..`, with its held-out error.
    The p-value of the audit is `anomaly_p=..` where a candidate was audited.

    Args:
        candidates: Candidates, best first.
        folder: Existing folder.
        wild_type: Reference for mutations; without one, they are omitted.
        name: Prefix of the identifiers.

    Returns:
        Paths of the written files.
    """
    records = []
    for identifier, candidate in zip(make_identifiers(candidates, name=name), candidates, strict=True):
        fields = _format_values(candidate)
        if candidate.anomaly_p is not None:
            fields["anomaly_p"] = f"{candidate.anomaly_p:.3g}"
        if wild_type is not None:
            fields = {"mutations": ";".join(wild_type.mutations(candidate.design)) or "none", **fields}
        description = " ".join(f"{key}={value}" for key, value in fields.items() if value)
        records.append(SeqRecord(Seq(candidate.design.replace(GAP, "")), id=identifier, description=description))
    return [_write_records(records, Path(folder) / "designs.fasta", "fasta")]


def mutations(
    candidates: Sequence[Candidate[str]], folder: Path, *, wild_type: WildType, name: str = NAME
) -> list[Path]:
    """Write `mutations.csv`: the mutations of every candidate, by residue numbers.

    The p-value of the audit is in the column `anomaly_p` where a candidate was audited.

    Args:
        candidates: Candidates, best first.
        folder: Existing folder.
        wild_type: Reference; its name and residue numbers are in every row.
        name: Prefix of the identifiers.

    Returns:
        Paths of the written files.
    """
    designs = [candidate.design for candidate in candidates]
    values = [_format_values(candidate) for candidate in candidates]
    columns: dict[str, Sequence[Any]] = {
        "id": make_identifiers(candidates, name=name),
        "mutations": [";".join(wild_type.mutations(design)) for design in designs],
        "n_mutations": [distance(wild_type.sequence, design) for design in designs],
        "wild_type": [wild_type.name] * len(designs),
        "residues": [wild_type.residues] * len(designs),
        **{
            key: [row[key] for row in values]
            for key in ("predicted", "sd", "computed", "measured")
            if key != "computed" or any(row[key] for row in values)
        },
    }
    if any(candidate.anomaly_p is not None for candidate in candidates):
        columns["anomaly_p"] = ["" if c.anomaly_p is None else f"{c.anomaly_p:.3g}" for c in candidates]
    return [_write_table(columns, Path(folder) / "mutations.csv")]


def codons(
    candidates: Sequence[Candidate[str]],
    folder: Path,
    *,
    vendor: Vendor = ANY,
    organism: str = "e_coli",
    upstream: str = "",
    downstream: str = "",
    add_start_codon: bool = True,
    stop_codon: str = "TAA",
    seed: int = 0,
    wild_type: WildType | None = None,
    name: str = NAME,
) -> list[Path]:
    """Write genes of proteins: `genes.fasta`, `genes.gb` with features, and `order.csv` with the vendor's headings.

    Each gene is translated again and passes the checks of DNA. A protein for which no gene is found is listed in
    `left_out.csv` with the reason.

    Args:
        candidates: Proteins, best first.
        folder: Existing folder.
        vendor: Limits on the DNA.
        organism: Codon usage, see `GeneSettings`, as for all that follow up to `seed`.
        upstream: DNA before the first codon.
        downstream: DNA after the last codon.
        add_start_codon: Whether a protein that does not start with methionine gets one.
        stop_codon: Stop codon; empty for a part of a longer gene.
        seed: Seed of the solver's random numbers.
        wild_type: Wild type, the residues of which the designs must cover without omissions.
        name: Prefix of the identifiers.

    Returns:
        Paths of the written files.

    Raises:
        InvdesignError: No protein has a gene, the wild type omits residues, or a setting is invalid.
    """
    if wild_type is not None and " " in wild_type.residues:
        raise InvdesignError(
            f"codons: expected designs of a whole protein, got the residues {wild_type.residues} of {wild_type.name}. "
            "Set deliverables.codons=null, or design within the whole sequence (domain.designable)"
        )
    settings = GeneSettings(vendor, organism, upstream, downstream, add_start_codon, stop_codon, seed)
    folder = Path(folder)
    records: list[SeqRecord] = []
    left_out: dict[str, list[str]] = {"id": [], "reason": [], "sequence": []}
    identifiers = make_identifiers(candidates, name=name)
    for identifier, label, candidate in zip(identifiers, _short_labels(candidates), candidates, strict=True):
        try:
            gene = reverse_translate(candidate.design, settings)
        except InvdesignError as error:
            _append_row(left_out, identifier, str(error), candidate.design)
        else:
            limits = f"{vendor.name} {vendor.date}".strip()
            description = f"gene for {identifier}, codons of {organism}, limits of {limits}"
            records.append(_make_record(gene.dna, identifier, label, description, _gene_features(gene, identifier)))
    if not records:
        raise InvdesignError(
            f"codons: expected a gene for at least one of {len(candidates)} proteins, found none. The first: "
            f"{left_out['reason'][0]}"
        )
    paths = _write_order(records, folder, "genes", vendor)
    return [*paths, _write_table(left_out, folder / LEFT_OUT)] if left_out["id"] else paths


def synthesis(
    candidates: Sequence[Candidate[str]],
    folder: Path,
    *,
    vendor: Vendor = ANY,
    wild_type: WildType | None = None,
    upstream: str = "",
    downstream: str = "",
    name: str = NAME,
) -> list[Path]:
    """Write designs of DNA or RNA for an order, unchanged: `dna.fasta`, `dna.gb` and `order.csv`.

    Violations of the vendor's limits are listed in `findings.csv`, a row for each failed check.

    Args:
        candidates: Candidates, best first; RNA is written as the DNA that it is transcribed from.
        folder: Existing folder.
        vendor: Limits on the DNA.
        wild_type: Reference for mutations.
        upstream: DNA before each design.
        downstream: DNA after each design.
        name: Prefix of the identifiers.

    Returns:
        Paths of the written files.
    """
    folder = Path(folder)
    records: list[SeqRecord] = []
    findings: dict[str, list[str]] = {"id": [], "check": [], "detail": []}
    identifiers = make_identifiers(candidates, name=name)
    for identifier, label, candidate in zip(identifiers, _short_labels(candidates), candidates, strict=True):
        own = candidate.design.replace(GAP, "").replace("U", "T")
        dna = f"{upstream}{own}{downstream}"
        qualifiers = {"label": identifier}
        if wild_type is not None:
            qualifiers["note"] = f"mutations {';'.join(wild_type.mutations(candidate.design)) or 'none'}"
        start, end = len(upstream), len(upstream) + len(own)
        features = [*_flank_features(len(dna), start, end), _make_feature(start, end, "misc_feature", qualifiers)]
        records.append(_make_record(dna, identifier, label, f"designed DNA {identifier}", features))
        checks = dna_validators.check_vendor_limits(dna, vendor=vendor)
        checks += dna_validators.restriction_sites([dna], vendor=vendor)
        for check in checks:
            if not check.passed:
                _append_row(findings, identifier, check.name, check.detail)
    paths = _write_order(records, folder, "dna", vendor)
    return [*paths, _write_table(findings, folder / FINDINGS)] if findings["id"] else paths


def plates(
    candidates: Sequence[Candidate[str]],
    folder: Path,
    *,
    wells: plate_layouts.Wells = 96,
    fill: plate_layouts.Fill = "columns",
    wild_type: WildType | None = None,
    wild_type_wells: Sequence[str] = (),
    blank_wells: Sequence[str] = (),
    name: str = NAME,
) -> list[Path]:
    """Write `plate-1.csv` (well, id, sequence, content) and `plate-1.svg`, and so on for as many plates as are needed.

    Args:
        candidates: Candidates in the order in which they are placed, best first.
        folder: Existing folder.
        wells: Number of wells of a plate.
        fill: `"columns"` (down the columns) or `"rows"` (along the rows).
        wild_type: Control in `wild_type_wells` of every plate.
        wild_type_wells: Wells of the wild type, e.g. `["A1", "H12"]`.
        blank_wells: Wells that stay empty on every plate.
        name: Prefix of the identifiers.

    Returns:
        Paths of the written files.
    """
    designs = [candidate.design.replace(GAP, "") for candidate in candidates]
    control = None if wild_type is None else (_hyphenate(wild_type.name), wild_type.sequence.replace(GAP, ""))
    layouts = plate_layouts.fill_plates(
        list(zip(make_identifiers(candidates, name=name), designs, strict=True)),
        wells=wells,
        fill=fill,
        wild_type=control,
        wild_type_wells=wild_type_wells,
        blank_wells=blank_wells,
    )
    paths = []
    for number, plate in enumerate(layouts, start=1):
        title = f"{name}, plate {number} of {len(layouts)}"
        texts = {"csv": plate_layouts.format_table(plate), "svg": plate_layouts.draw_plate(plate, title=title)}
        for suffix, text in texts.items():
            paths.append(Path(folder) / f"plate-{number}.{suffix}")
            write_bytes(paths[-1], text.encode())
    return paths


def _short_labels(candidates: Sequence[Candidate[str]]) -> list[str]:
    """Return the number and hash of each candidate, short enough for the name of a GenBank record."""
    width = len(str(max(len(candidates), 100)))
    hashes = [hashlib.sha256(candidate.key.encode()).hexdigest()[:8] for candidate in candidates]
    return [f"{number:0{width}d}-{sha}" for number, sha in enumerate(hashes, start=1)]


def _format_values(candidate: Candidate[str]) -> dict[str, str]:
    """Return the values of a candidate by what they are, objectives separated by `;`; empty where none is finite.

    The value of an oracle that predicts is the prediction, with the error of the oracle as its sd; one that a surrogate
    made of it is left out.
    """
    kinds = [candidate.value_kind(j) for j in range(len(candidate.y))]
    own = {kind: [y if of == kind else math.nan for y, of in zip(candidate.y, kinds, strict=True)] for kind in KINDS}
    predicted, sd = list(candidate.mean), list(candidate.sd)
    if "predicted" in kinds:
        predicted, sd = own["predicted"], [candidate.value_error(j) for j in range(len(kinds))]
    values = {"predicted": predicted, "sd": sd, "computed": own["computed"], "measured": own["measured"]}
    return {
        key: ";".join(f"{value:.4g}" for value in cells) if any(map(math.isfinite, cells)) else ""
        for key, cells in values.items()
    }


def _gene_features(gene: Gene, identifier: str) -> list[SeqFeature]:
    qualifiers = {"label": identifier, "codon_start": 1, "transl_table": 1, "translation": gene.protein}
    return [
        *_flank_features(len(gene.dna), gene.start, gene.end),
        _make_feature(gene.start, gene.end, "CDS", qualifiers),
    ]


def _flank_features(n: int, start: int, end: int) -> list[SeqFeature]:
    flanks = [(0, start, "upstream"), (end, n, "downstream")]
    return [_make_feature(a, b, "misc_feature", {"label": label}) for a, b, label in flanks if b > a]


def _make_feature(start: int, end: int, kind: str, qualifiers: Mapping[str, Any]) -> SeqFeature:
    feature: SeqFeature = _seq_feature(_simple_location(start, end, 1), type=kind, qualifiers=dict(qualifiers))
    return feature


def _make_record(dna: str, identifier: str, label: str, description: str, features: Sequence[SeqFeature]) -> SeqRecord:
    annotations: dict[str, Any] = {"molecule_type": "DNA", "topology": "linear", "data_file_division": "SYN"}
    annotations |= {"source": "synthetic construct", "organism": "synthetic construct"}
    return SeqRecord(
        Seq(dna), id=identifier, name=label, description=description, features=list(features), annotations=annotations
    )


def _append_row(columns: dict[str, list[str]], *cells: str) -> None:
    for key, cell in zip(columns, cells, strict=True):
        columns[key].append(cell)


def _write_order(records: Sequence[SeqRecord], folder: Path, stem: str, vendor: Vendor) -> list[Path]:
    """Write DNA as FASTA, as GenBank, and as the table that the vendor reads."""
    name_heading, sequence_heading = vendor.headings
    columns: dict[str, Sequence[Any]] = {
        name_heading: [record.id for record in records],
        sequence_heading: [str(record.seq) for record in records],
    }
    return [
        _write_records(records, folder / f"{stem}.fasta", "fasta"),
        _write_records(records, folder / f"{stem}.gb", "genbank"),
        _write_table(columns, folder / "order.csv"),
    ]


def _write_records(records: Sequence[SeqRecord], path: Path, file_format: str) -> Path:
    stream = io.StringIO()
    SeqIO.write(records, stream, file_format)
    write_bytes(path, stream.getvalue().encode())
    return path


def _write_table(columns: Mapping[str, Sequence[Any]], path: Path) -> Path:
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(columns)
    rows.writerows([safe_cell(cell) for cell in row] for row in zip(*columns.values(), strict=True))
    write_bytes(path, stream.getvalue().encode())
    return path


def _hyphenate(name: str) -> str:
    """Replace spaces of a name by hyphens."""
    return "-".join(name.split())
