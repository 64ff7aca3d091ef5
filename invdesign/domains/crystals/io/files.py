"""Crystals from files: CIF, POSCAR, extended XYZ, ASE databases and tables, with a reason for every row refused."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pymatgen.core import Element, Structure
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from invdesign.core import Array, Corpus, InvdesignError, Progress, Rejection, silent
from invdesign.domains.crystals import crystal
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.io import records
from invdesign.domains.crystals.io.cif import BROKEN, RefusedError
from invdesign.domains.crystals.io.records import MAX_SITES, READ, Row
from invdesign.domains.crystals.symmetry import canonical
from invdesign.io.corpora import make_corpus
from invdesign.io.text_files import MAX_BYTES

Paths = str | Path | Sequence[str | Path]
OnInvalid = Literal["skip", "error"]

UNKNOWN_VALUES = ("", "nan", "na", "n/a", "none", "null", "-")
MERGED, APART = 0.05, 0.5


@dataclass(frozen=True)
class Found:
    """What became of a row: a crystal with its key, or a reason; or both where it was repaired."""

    crystal: Crystal | None
    key: str = ""
    reason: str = ""
    remedy: str = ""


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
    """Read crystals from a .cif, POSCAR, .extxyz, .db or .csv file, plain or gzipped, or from a folder of such files.

    Sites of one element within 0.05 A are merged, deuterium becomes hydrogen, and charges are left out; a crystal that
    was repaired is kept and reported too, with a reason that begins with "repaired".

    Args:
        path: the file or folder, or several. A CIF may have many data blocks; a table has CIFs in a column.
        structure_column: the column of a table that holds CIFs; found by its name where it is not given.
        properties: measured properties, our name -> column (item of a CIF, key of a database or of an extended XYZ
            comment); an empty cell is unknown (NaN).
        on_invalid: `"skip"` reports a bad row among the corpus's rejections, `"error"` stops at the first;
            a repeated crystal is reported, never an error.
        max_designs: read no more than this many crystals.
        max_sites: refuse larger cells.
        symprec: distance (angstrom) at which two atoms count as symmetric.
        workers: processes that look for symmetry. More than one needs a main module that can be imported again.
        max_bytes: refuse files that are longer than this when unpacked.
        progress: called now and then with ("reading", rows done, rows).

    Returns:
        Distinct crystals in the file's order. Of repeated crystals the first is kept, the others reported.

    Raises:
        InvdesignError: for a missing file, an unknown format or column, no valid row, or with `on_invalid="error"`.
    """
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(p) for p in path]
    if not paths:
        raise InvdesignError("expected at least one file of crystals, got none; give its path")
    if on_invalid not in ("skip", "error"):
        raise InvdesignError(f"on_invalid must be 'skip' or 'error', got {on_invalid!r}")
    properties = dict(properties or {})
    columns = list(properties.values())
    given = [
        row for p in paths for row in records.rows(p, column=structure_column, wanted=columns, max_bytes=max_bytes)
    ]
    convert = partial(_convert, max_sites=max_sites, symprec=symprec)
    seen: dict[str, tuple[Crystal, Row]] = {}
    values: dict[str, list[float]] = {name: [] for name in properties}
    rejected: list[Rejection] = []
    n_read = 0
    for row, found in _mapped(convert, given, workers):
        if n_read % 50 == 0:
            progress("reading", n_read, len(given))
        n_read += 1
        numbers, problem = _numbers(row, columns)
        reason, remedy = found.reason, found.remedy
        is_repeated = found.crystal is not None and found.key in seen
        if found.crystal is not None and problem:
            reason, remedy = problem, "write a plain number, or leave the cell empty where unknown"
        elif is_repeated:
            first = seen[found.key][1]
            where = "" if first.file == row.file else f" of {first.file}"
            reason, remedy = f"the same crystal as row {first.number}{where}", "keep one row per crystal"
        if reason:
            rejected.append(Rejection(row.number, f"{row.file}: {row.label}"[:200], reason, remedy))
        if found.crystal is None or problem or is_repeated:
            if on_invalid == "error" and not is_repeated:
                raise InvdesignError(
                    f"{row.file}, row {row.number} ({row.label}): {reason}. "
                    f"Remedy: {remedy or 'mend the row'}, or pass on_invalid='skip'"
                )
            continue
        seen[found.key] = (found.crystal, row)
        for name, column in properties.items():
            values[name].append(numbers[column])
        if max_designs is not None and len(seen) >= max_designs:
            break
    progress("reading", len(given), len(given))
    if not seen:
        problem = f"; the first was row {rejected[0].row}: {rejected[0].reason}" if rejected else ""
        raise InvdesignError(
            f"{', '.join(map(str, paths))}: expected crystals, found none in {n_read} rows{problem}. "
            f"Check the format ({', '.join(READ)}) and the column of structures"
        )
    return corpus(
        tuple(found for found, _ in seen.values()),
        properties={name: np.array(column) for name, column in values.items()},
        rejected=tuple(rejected),
        name=" + ".join(p.name.removesuffix(".gz").rsplit(".", 1)[0] for p in paths),
    )


def corpus(
    designs: tuple[Crystal, ...],
    *,
    properties: Mapping[str, Array] | None = None,
    rejected: tuple[Rejection, ...] = (),
    name: str,
) -> Corpus[Crystal]:
    """A corpus with the checksum of its content: designs and properties, but neither name nor rejections."""
    return make_corpus(designs, properties=properties, rejected=rejected, name=name, to_text=crystal.to_text)


def _mapped(convert: Any, given: Sequence[Row], workers: int) -> Iterator[tuple[Row, Found]]:
    if workers <= 1 or len(given) < 2:
        yield from ((row, convert(row)) for row in given)
        return
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(max_workers=workers, mp_context=context) as pool:
        try:
            yield from zip(given, pool.map(convert, given, chunksize=20), strict=True)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _convert(row: Row, *, max_sites: int, symprec: float) -> Found:
    """The crystal of a row, or why there is none."""
    try:
        if row.problem:
            raise RefusedError(row.problem, "mend the row")
        structure, repair = check_structure(records.structure(row, max_sites=max_sites), max_sites=max_sites)
        found = canonical.crystal_of(structure, symprec=symprec)
        return Found(found, canonical.key(found), repair, "kept; nothing to do" if repair else "")
    except RefusedError as refusal:
        return Found(None, "", refusal.reason, refusal.remedy)
    except InvdesignError as error:
        return Found(None, "", str(error), "mend the structure and write it again")
    except BROKEN as error:
        return Found(None, "", f"cannot be read ({type(error).__name__}: {error})"[:300], "write the structure again")


def check_structure(structure: Structure, *, max_sites: int = MAX_SITES) -> tuple[Structure, str]:
    """A structure that can be believed, and what was repaired in it.

    Raises:
        RefusedError: no atoms or too many, no finite coordinates or volume, disorder, unknown elements, or atoms that
            overlap and are not the same atom written twice.
    """
    if not len(structure):
        raise RefusedError("no atoms", "give a structure with atoms")
    if len(structure) > max_sites:
        raise RefusedError(
            f"{len(structure):,} sites, more than {max_sites:,}", "give a primitive cell, or raise max_sites"
        )
    lattice, x = structure.lattice, structure.frac_coords
    if not (np.isfinite(lattice.matrix).all() and np.isfinite(x).all()):
        raise RefusedError("the cell or a coordinate is NaN or infinite", "give finite numbers")
    if not abs(lattice.volume) > 0.1 or not min(lattice.abc) > 0.1:
        raise RefusedError(
            f"a cell of {abs(lattice.volume):.3g} A^3 and lengths {lattice.abc}", "give a cell with a volume"
        )
    symbols = []
    for site in structure:
        if any(abs(n - 1) > 0.01 for n in site.species.values()) or len(site.species) != 1:
            raise RefusedError(
                f"partial occupancies or several atoms on one site: {site.species_string}",
                "order the structure, e.g. with pymatgen's OrderDisorderedStructureTransformation",
            )
        symbol = getattr(site.species.elements[0], "symbol", "")
        if not Element.is_valid_symbol(symbol):
            raise RefusedError(f"unknown element {symbol!r}", "give chemical symbols")
        symbols.append(symbol)
    plain = Structure(lattice, symbols, x)
    i, j, image, distance = plain.get_neighbor_list(APART)
    if not len(i):
        return plain, ""
    is_twin = distance <= MERGED
    numbers = np.array(plain.atomic_numbers)
    far = np.flatnonzero(~is_twin | (numbers[i] != numbers[j]) | (i == j))
    if len(far):
        k = far[0]
        raise RefusedError(
            f"{symbols[i[k]]} and {symbols[j[k]]} are {distance[k]:.3f} A apart",
            "remove one of the two, or check the cell and the units of the coordinates",
        )
    n = len(plain)
    _, group = connected_components(coo_array((np.ones(len(i)), (i, j)), shape=(n, n)), directed=False)
    shifted = np.zeros((n, 3))
    np.add.at(shifted, i, x[j] + image - x[i])
    mean = x + shifted / (1 + np.bincount(i, minlength=n))[:, None]
    first = np.unique(group, return_index=True)[1]
    merged = Structure(lattice, [symbols[k] for k in first], mean[first])
    if len(merged.get_neighbor_list(APART)[0]):
        raise RefusedError("overlapping sites that cannot be merged", "remove the atoms that are written twice")
    return merged, f"repaired: {n - len(merged)} sites within {MERGED} A of a like one were merged into it"


def _numbers(row: Row, columns: Iterable[str]) -> tuple[dict[str, float], str]:
    numbers: dict[str, float] = {}
    for column in columns:
        cell = str(row.cells.get(column, "")).strip().removeprefix("'")
        if cell.lower() in (*UNKNOWN_VALUES, "?", "."):
            numbers[column] = math.nan
            continue
        try:
            numbers[column] = float(cell)
        except ValueError:
            return {}, f"column {column!r} has {cell[:40]!r}, expected a number"
        if math.isinf(numbers[column]):
            return {}, f"column {column!r} is infinite"
    return numbers, ""
