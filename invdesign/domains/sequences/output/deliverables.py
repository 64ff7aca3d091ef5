"""What a laboratory gets of the candidates: sequences to read, DNA to order, plates to fill.

Every file calls a design by the same identifier: a name, its place in the list, and a hash of its sequence, which tells
the design whatever its place in another list.
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
from invdesign.domains.sequences.alphabet import GAP
from invdesign.domains.sequences.dna import dna_validators as dna_checks
from invdesign.domains.sequences.dna.codons import Gene, gene
from invdesign.domains.sequences.dna.vendors import ANY, Vendor
from invdesign.domains.sequences.output import plates as wells_of
from invdesign.domains.sequences.wild_type.wild_type import WildType, distance
from invdesign.io.atomic import write_bytes
from invdesign.io.cells import safe_cell

LEFT_OUT, FINDINGS = "left_out.csv", "findings.csv"
NAME = "design"


def identifiers(candidates: Sequence[Candidate[str]], *, name: str = NAME) -> list[str]:
    """Stable identifiers without spaces, e.g. `design-001-3f2a9c81`.

    Raises:
        InvdesignError: the name has characters that order forms refuse.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,15}", name):
        raise InvdesignError(
            f"name {name!r}: identifiers begin with a letter and have letters, digits, _ and - only; at most 16"
        )
    return [f"{name}-{label}" for label in _labels(candidates)]


def fasta(
    candidates: Sequence[Candidate[str]], folder: Path, *, wild_type: WildType | None = None, name: str = NAME
) -> list[Path]:
    """Write `designs.fasta`, without gaps: `>id mutations=A108D;V11L predicted=.. sd=.. measured=..`.

    Args:
        candidates: best first.
        folder: exists.
        wild_type: what mutations are counted on; none are said without one.
        name: what identifiers begin with.
    """
    records = []
    for title, candidate in zip(identifiers(candidates, name=name), candidates, strict=True):
        told = _told(candidate)
        if wild_type is not None:
            told = {"mutations": ";".join(wild_type.mutations(candidate.design)) or "none", **told}
        words = " ".join(f"{key}={value}" for key, value in told.items() if value)
        records.append(SeqRecord(Seq(candidate.design.replace(GAP, "")), id=title, description=words))
    return [_written(records, Path(folder) / "designs.fasta", "fasta")]


def mutations(
    candidates: Sequence[Candidate[str]], folder: Path, *, wild_type: WildType, name: str = NAME
) -> list[Path]:
    """Write `mutations.csv`: for every candidate what tells it from the wild type, by residue numbers.

    Args:
        candidates: best first.
        folder: exists.
        wild_type: its name and the numbers of its residues stand in every row.
        name: what identifiers begin with.
    """
    designs = [candidate.design for candidate in candidates]
    told = [_told(candidate) for candidate in candidates]
    columns: dict[str, Sequence[Any]] = {
        "id": identifiers(candidates, name=name),
        "mutations": [";".join(wild_type.mutations(design)) for design in designs],
        "n_mutations": [distance(wild_type.sequence, design) for design in designs],
        "wild_type": [wild_type.name] * len(designs),
        "residues": [wild_type.residues] * len(designs),
        **{key: [row[key] for row in told] for key in ("predicted", "sd", "measured")},
    }
    return [_table(columns, Path(folder) / "mutations.csv")]


def codons(
    candidates: Sequence[Candidate[str]],
    folder: Path,
    *,
    vendor: Vendor = ANY,
    organism: str = "e_coli",
    upstream: str = "",
    downstream: str = "",
    start: bool = True,
    stop: str = "TAA",
    seed: int = 0,
    wild_type: WildType | None = None,
    name: str = NAME,
) -> list[Path]:
    """Write genes of proteins: `genes.fasta`, `genes.gb` with features, and `order.csv` with the vendor's headings.

    Each gene is translated again and passes the checks of DNA. A protein for which none was found is listed in
    `left_out.csv` with the reason.

    Args:
        candidates: proteins, best first.
        folder: exists.
        vendor: limits on the DNA.
        organism: whose codon usage (see `codons.gene`, also for what follows).
        upstream: DNA in front of the first codon.
        downstream: DNA behind the last one.
        start: whether a protein that does not begin with methionine gets one.
        stop: the stop codon; empty for a part of a longer gene.
        seed: of the solver's random numbers.
        wild_type: whose residues the designs are.
        name: what identifiers begin with.

    Raises:
        InvdesignError: there is a gene for none of them, or the wild type leaves residues out.
    """
    if wild_type is not None and " " in wild_type.residues:
        raise InvdesignError(
            f"codons: the designs are residues {wild_type.residues} of {wild_type.name}, which alone are no protein; "
            "set deliverables.codons=null, or design within the whole sequence (domain.designable)"
        )
    folder = Path(folder)
    records: list[SeqRecord] = []
    left_out: dict[str, list[str]] = {"id": [], "reason": [], "sequence": []}
    titles = identifiers(candidates, name=name)
    for title, label, candidate in zip(titles, _labels(candidates), candidates, strict=True):
        try:
            made = gene(
                candidate.design,
                vendor=vendor,
                organism=organism,
                upstream=upstream,
                downstream=downstream,
                start=start,
                stop=stop,
                seed=seed,
            )
        except InvdesignError as error:
            for key, cell in zip(left_out, (title, str(error), candidate.design), strict=True):
                left_out[key].append(cell)
        else:
            about = f"gene for {title}, codons of {organism}, limits of {f'{vendor.name} {vendor.date}'.strip()}"
            records.append(_record(made.dna, title, label, about, _features(made, title)))
    if not records:
        raise InvdesignError(f"genes for none of {len(candidates)} proteins, the first: {left_out['reason'][0]}")
    paths = _ordered(records, folder, "genes", vendor)
    return [*paths, _table(left_out, folder / LEFT_OUT)] if left_out["id"] else paths


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
    """Write designs of DNA or RNA as they are, for an order: `dna.fasta`, `dna.gb` and `order.csv`.

    What the vendor would object to is listed in `findings.csv`, a row for each check that failed.

    Args:
        candidates: best first; RNA is written as the DNA that it is transcribed from.
        folder: exists.
        vendor: limits that the DNA is held against.
        wild_type: what mutations are counted on.
        upstream: DNA in front of each design.
        downstream: DNA behind it.
        name: what identifiers begin with.
    """
    folder = Path(folder)
    records: list[SeqRecord] = []
    found: dict[str, list[str]] = {"id": [], "check": [], "detail": []}
    titles = identifiers(candidates, name=name)
    for title, label, candidate in zip(titles, _labels(candidates), candidates, strict=True):
        own = candidate.design.replace(GAP, "").replace("U", "T")
        dna = f"{upstream}{own}{downstream}"
        told = {"label": title}
        if wild_type is not None:
            told["note"] = f"mutations {';'.join(wild_type.mutations(candidate.design)) or 'none'}"
        start, end = len(upstream), len(upstream) + len(own)
        features = [*_flanks(len(dna), start, end), _feature(start, end, "misc_feature", told)]
        records.append(_record(dna, title, label, f"designed DNA {title}", features))
        for check in dna_checks.orderable(dna, vendor=vendor) + dna_checks.restriction_sites([dna], vendor=vendor):
            if not check.passed:
                for key, cell in zip(found, (title, check.name, check.detail), strict=True):
                    found[key].append(cell)
    paths = _ordered(records, folder, "dna", vendor)
    return [*paths, _table(found, folder / FINDINGS)] if found["id"] else paths


def plates(
    candidates: Sequence[Candidate[str]],
    folder: Path,
    *,
    wells: wells_of.Wells = 96,
    fill: wells_of.Fill = "columns",
    wild_type: WildType | None = None,
    wild_type_wells: Sequence[str] = (),
    blank_wells: Sequence[str] = (),
    name: str = NAME,
) -> list[Path]:
    """Write `plate-1.csv` (well, id, sequence, content) and `plate-1.svg`, and so on for as many as are needed.

    Args:
        candidates: best first, and so they are put in.
        folder: exists.
        wells: of a plate.
        fill: down the columns, or along the rows.
        wild_type: stands in its wells of every plate.
        wild_type_wells: e.g. `["A1", "H12"]`.
        blank_wells: stay empty on every plate.
        name: what identifiers begin with.
    """
    designs = [candidate.design.replace(GAP, "") for candidate in candidates]
    control = None if wild_type is None else (_plain(wild_type.name), wild_type.sequence.replace(GAP, ""))
    made = wells_of.filled(
        list(zip(identifiers(candidates, name=name), designs, strict=True)),
        wells=wells,
        fill=fill,
        wild_type=control,
        wild_type_wells=wild_type_wells,
        blank_wells=blank_wells,
    )
    paths = []
    for number, plate in enumerate(made, start=1):
        title = f"{name}, plate {number} of {len(made)}"
        for suffix, text in (("csv", wells_of.table(plate)), ("svg", wells_of.svg(plate, title=title))):
            paths.append(Path(folder) / f"plate-{number}.{suffix}")
            write_bytes(paths[-1], text.encode())
    return paths


def _labels(candidates: Sequence[Candidate[str]]) -> list[str]:
    """Place and hash of each, short enough for the name of a GenBank record."""
    width = len(str(max(len(candidates), 100)))
    hashes = [hashlib.sha256(candidate.key.encode()).hexdigest()[:8] for candidate in candidates]
    return [f"{number:0{width}d}-{sha}" for number, sha in enumerate(hashes, start=1)]


def _told(candidate: Candidate[str]) -> dict[str, str]:
    """What is predicted and measured, several objectives apart by `;`; empty where nothing is."""
    values = {"predicted": candidate.mean, "sd": candidate.sd, "measured": candidate.y}
    return {
        key: ";".join(f"{value:.4g}" for value in cells) if any(map(math.isfinite, cells)) else ""
        for key, cells in values.items()
    }


def _features(made: Gene, title: str) -> list[SeqFeature]:
    told = {"label": title, "codon_start": 1, "transl_table": 1, "translation": made.protein}
    return [*_flanks(len(made.dna), made.start, made.end), _feature(made.start, made.end, "CDS", told)]


def _flanks(n: int, start: int, end: int) -> list[SeqFeature]:
    found = [(0, start, "upstream"), (end, n, "downstream")]
    return [_feature(a, b, "misc_feature", {"label": label}) for a, b, label in found if b > a]


def _feature(start: int, end: int, kind: str, qualifiers: Mapping[str, Any]) -> SeqFeature:
    return SeqFeature(SimpleLocation(start, end, 1), type=kind, qualifiers=dict(qualifiers))


def _record(dna: str, title: str, label: str, about: str, features: Sequence[SeqFeature]) -> SeqRecord:
    annotations: dict[str, Any] = {"molecule_type": "DNA", "topology": "linear", "data_file_division": "SYN"}
    annotations |= {"source": "synthetic construct", "organism": "synthetic construct"}
    return SeqRecord(
        Seq(dna), id=title, name=label, description=about, features=list(features), annotations=annotations
    )


def _ordered(records: Sequence[SeqRecord], folder: Path, stem: str, vendor: Vendor) -> list[Path]:
    """DNA as FASTA, as GenBank, and as the table that a vendor reads."""
    named, sequence = vendor.headings
    columns: dict[str, Sequence[Any]] = {
        named: [record.id for record in records],
        sequence: [str(record.seq) for record in records],
    }
    return [
        _written(records, folder / f"{stem}.fasta", "fasta"),
        _written(records, folder / f"{stem}.gb", "genbank"),
        _table(columns, folder / "order.csv"),
    ]


def _written(records: Sequence[SeqRecord], path: Path, form: str) -> Path:
    stream = io.StringIO()
    SeqIO.write(records, stream, form)
    write_bytes(path, stream.getvalue().encode())
    return path


def _table(columns: Mapping[str, Sequence[Any]], path: Path) -> Path:
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(columns)
    rows.writerows([safe_cell(cell) for cell in row] for row in zip(*columns.values(), strict=True))
    write_bytes(path, stream.getvalue().encode())
    return path


def _plain(name: str) -> str:
    """A name without spaces."""
    return "-".join(name.split())
