"""Reader of crystal files: CIF, POSCAR, extended XYZ, ASE databases, tables; with a reason for every rejected row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from pymatgen.core.periodic_table import Element
from pymatgen.core.structure import Structure
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from invdesign.core import Array, Corpus, InvdesignError, Progress, Rejection, silent
from invdesign.domains.crystals import crystal
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.io import records
from invdesign.domains.crystals.io.cif import BROKEN, RefusedError
from invdesign.domains.crystals.io.records import MAX_SITES, READ
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

MERGE_DISTANCE = 0.05
"""Distance within which two sites of one element are one atom [angstrom]."""
MIN_DISTANCE = 0.5
"""Smallest distance between two atoms [angstrom]."""
MAX_OCCUPANCY_ERROR = 0.01
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
    options = ReadOptions(dict(properties or {}), None, on_invalid, max_designs)
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


def check_structure(structure: Structure, *, max_sites: int = MAX_SITES) -> tuple[Structure, str]:
    """Return a structure with plain elements and without duplicate sites, and a description of what was repaired.

    Raises:
        RefusedError: The structure has no atoms or too many, coordinates or a volume that are not finite, disorder or
            unknown elements, or atoms that overlap and are not duplicates of one atom.
    """
    _check_geometry(structure, max_sites)
    symbols = _site_symbols(structure)
    plain = Structure(structure.lattice, symbols, structure.frac_coords)
    return _merge_duplicates(plain, symbols)


def _check_geometry(structure: Structure, max_sites: int) -> None:
    if not len(structure):
        raise RefusedError("no atoms", "give a structure with atoms")
    if len(structure) > max_sites:
        raise RefusedError(
            f"{len(structure):,} sites, more than {max_sites:,}", "give a primitive cell, or raise max_sites"
        )
    lattice = structure.lattice
    if not (np.isfinite(lattice.matrix).all() and np.isfinite(structure.frac_coords).all()):
        raise RefusedError("the cell or a coordinate is NaN or infinite", "give finite numbers")
    if not abs(lattice.volume) > 0.1 or not min(lattice.abc) > 0.1:
        raise RefusedError(
            f"a cell of {abs(lattice.volume):.3g} A^3 and lengths {lattice.abc}", "give a cell with a volume"
        )


def _site_symbols(structure: Structure) -> list[str]:
    """Return the chemical symbol of each site; partial occupancies and unknown elements are rejected."""
    symbols = []
    for site in structure:
        if any(abs(n - 1) > MAX_OCCUPANCY_ERROR for n in site.species.values()) or len(site.species) != 1:
            raise RefusedError(
                f"partial occupancies or several atoms on one site: {site.species_string}",
                "order the structure, e.g. with pymatgen's OrderDisorderedStructureTransformation",
            )
        symbol = getattr(site.species.elements[0], "symbol", "")
        if not Element.is_valid_symbol(symbol):
            raise RefusedError(f"unknown element {symbol!r}", "give chemical symbols")
        symbols.append(symbol)
    return symbols


def _merge_duplicates(plain: Structure, symbols: Sequence[str]) -> tuple[Structure, str]:
    """Merge sites of one element within `MERGE_DISTANCE` into their mean; reject other atoms that overlap."""
    i, j, image, distance = plain.get_neighbor_list(MIN_DISTANCE)
    if not len(i):
        return plain, ""
    is_duplicate = distance <= MERGE_DISTANCE
    numbers = np.array(plain.atomic_numbers)
    overlapping = np.flatnonzero(~is_duplicate | (numbers[i] != numbers[j]) | (i == j))
    if len(overlapping):
        k = overlapping[0]
        raise RefusedError(
            f"{symbols[i[k]]} and {symbols[j[k]]} are {distance[k]:.3f} A apart",
            "remove one of the two, or check the cell and the units of the coordinates",
        )
    x = plain.frac_coords
    n = len(plain)
    _, group = connected_components(coo_array((np.ones(len(i)), (i, j)), shape=(n, n)), directed=False)
    shifted = np.zeros((n, 3))
    np.add.at(shifted, i, x[j] + image - x[i])
    mean = x + shifted / (1 + np.bincount(i, minlength=n))[:, None]
    first = np.unique(group, return_index=True)[1]
    merged = Structure(plain.lattice, [symbols[k] for k in first], mean[first])
    if len(merged.get_neighbor_list(MIN_DISTANCE)[0]):
        raise RefusedError("overlapping sites that cannot be merged", "remove the atoms that are written twice")
    n_merged = n - len(merged)
    return (
        merged,
        f"repaired: {n_merged} sites within {MERGE_DISTANCE} A of one of the same element were merged into it",
    )


def _parse_row(row: Row, *, max_sites: int, symprec: float) -> Parsed[Crystal]:
    try:
        if row.problem:
            raise RefusedError(row.problem, "fix the row")
        structure, repair = check_structure(records.structure(row, max_sites=max_sites), max_sites=max_sites)
        design = canonical.crystal_of(structure, symprec=symprec)
        return Parsed(design, canonical.key(design), repair, "kept; nothing to do" if repair else "")
    except RefusedError as refusal:
        return Parsed(reason=refusal.reason, remedy=refusal.remedy)
    except InvdesignError as error:
        return Parsed(reason=str(error), remedy="correct the structure and write it again")
    except BROKEN as error:
        reason = f"cannot be read ({type(error).__name__}: {error})"[:300]
        return Parsed(reason=reason, remedy="write the structure again")
