"""Reader of crystal files: CIF, POSCAR, extended XYZ, ASE databases, tables; with a reason for every rejected row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from invdesign.core import Array, Corpus, InvdesignError, Progress, Rejection, silent
from invdesign.domains.crystals import crystal
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.energies import is_open_energy
from invdesign.domains.crystals.io import records
from invdesign.domains.crystals.io.records import READ
from invdesign.domains.crystals.io.refusals import BROKEN, MAX_SITES, RefusedError
from invdesign.domains.crystals.symmetry import canonical
from invdesign.io.corpora import make_corpus
from invdesign.io.design_tables import (
    DesignSource,
    Parsed,
    ReadOptions,
    Row,
    corpus_name,
    read_designs,
)
from invdesign.io.design_tables import OnInvalid as OnInvalid
from invdesign.io.text_files import MAX_BYTES, list_paths
from invdesign.io.text_files import Paths as Paths

REPORT_EVERY = 50


def read(
    path: Paths,
    *,
    structure_column: str | None = None,
    properties: Mapping[str, str] | None = None,
    on_invalid: OnInvalid = "skip",
    max_designs: int | None = None,
    max_sites: int = MAX_SITES,
    symprec: float = 0.1,
    per_atom: Sequence[str] = (),
    labels: Sequence[str] = (),
    workers: int = 1,
    max_bytes: int = MAX_BYTES,
    progress: Progress = silent,
) -> Corpus[Crystal]:
    """Return the crystals of a .cif, POSCAR, .extxyz, .db or .csv file, plain or gzipped, or of a folder of such files.

    Sites of one element within 0.05 A are merged, deuterium becomes hydrogen, and charges are left out. A repaired
    crystal is kept and also reported as a rejection, with a reason that begins with "repaired".

    Args:
        path: The file or folder, or several. A CIF may have many data blocks; a table has CIFs in a column.
        structure_column: Column of a table that contains CIFs; found by its name where it is not given.
        properties: Measured properties: name -> column (item of a CIF, key of a database or of an extended XYZ
            comment). An empty cell is an unknown value (NaN).
        on_invalid: `"skip"` reports an invalid row as a rejection, `"error"` stops at the first. A repeated crystal is
            reported, and never an error.
        max_designs: Largest number of crystals to read.
        max_sites: Largest number of sites in a cell.
        symprec: Tolerance of the symmetry search [angstrom].
        per_atom: Properties that are totals of the cell as written; they are divided by its number of atoms.
        labels: Columns of labels, e.g. `[laboratory, method]`, for a conditional VAE.
        workers: Number of processes that search for symmetry. More than one needs a main module that can be imported
            again.
        max_bytes: Largest size of an unpacked file [bytes].
        progress: Called with ("reading", rows done, rows).

    Returns:
        Distinct crystals in the order of the file, each with the mean of its measured values; see `io.repeats`.

    Raises:
        InvdesignError: A file is missing, has an unknown format or lacks a column, no row is valid, or a row is invalid
            and `on_invalid="error"`.
    """
    paths = list_paths(path)
    if not paths:
        raise InvdesignError("crystals: expected at least one file, got none. Pass its path")
    options = ReadOptions(
        dict(properties or {}),
        None,
        on_invalid,
        max_designs,
        tuple(per_atom),
        tuple(labels),
        energies=[name for name, c in (properties or {}).items() if is_open_energy(name) or is_open_energy(c)],
    )
    rows = [
        row
        for each in paths
        for row in records.rows(each, column=structure_column, wanted=options.columns, max_bytes=max_bytes)
    ]
    source = DesignSource(
        path=", ".join(map(str, paths)),
        name=" + ".join(map(corpus_name, paths)),
        noun="crystal",
        to_check=f"the format ({', '.join(READ)}) and the column of structures",
        n_rows=len(rows),
        report_every=REPORT_EVERY,
    )
    parse = partial(_parse_row, max_sites=max_sites, symprec=symprec)
    return read_designs(
        rows, parse, source=source, options=options, to_text=crystal.to_text, workers=workers, progress=progress
    )


def corpus(
    designs: tuple[Crystal, ...],
    *,
    properties: Mapping[str, Array] | None = None,
    rejected: tuple[Rejection, ...] = (),
    name: str,
) -> Corpus[Crystal]:
    """Return a corpus of crystals with the sha256 of its designs and properties.

    Args:
        designs: `n` distinct crystals.
        properties: Measured properties by name, each of length `n`.
        rejected: Rows of the file that were rejected.
        name: Name of the corpus.
    """
    return make_corpus(designs, properties=properties, rejected=rejected, name=name, to_text=crystal.to_text)


def _parse_row(row: Row, *, max_sites: int, symprec: float) -> Parsed[Crystal]:
    try:
        if row.problem:
            raise RefusedError(row.problem, "fix the row")
        atoms, repair = records.atoms(row, max_sites=max_sites)
        design = canonical.crystal_of(atoms, symprec=symprec)
        return Parsed(
            design, canonical.key(design), repair, "kept; nothing to do" if repair else "", n_atoms=len(atoms)
        )
    except RefusedError as refusal:
        return Parsed(reason=refusal.reason, remedy=refusal.remedy)
    except InvdesignError as error:
        return Parsed(reason=str(error), remedy="correct the structure and write it again")
    except BROKEN as error:
        reason = f"cannot be read ({type(error).__name__}: {error})"[:300]
        return Parsed(reason=reason, remedy="write the structure again")
