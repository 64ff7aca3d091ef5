"""Corpora of crystals: benchmark sets from given files, and tables of the user's own."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pymatgen.core
import spglib

from invdesign.core import Corpus, InvdesignError, Progress, Rejection, silent
from invdesign.domains.crystals import crystal
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.io import files
from invdesign.domains.crystals.io.records import MAX_SITES
from invdesign.io import text_files
from invdesign.io.atomic import write_bytes

CACHE_FORMAT = 3
# sha256 of the tables unpacked.
PEROV_5 = {
    "c3ea4dd7cf4dbfb68bd800d982485087c05817ff22a008429304cfb4eb724382": "perov_5_train.csv.gz (3,787 crystals)",
    "30164523d9d559a52ef4fcd3f728f7d27c7bf1612d8cd88044cd4de9c99398cf": "perov_5_test.csv.gz (1,885 crystals)",
}
CARBON_24 = {
    "6b0422401831710fc79513c8baf48dea2f3fc1520ae8a81f1f0ad41bfc89da43": "carbon_24_train.csv.gz (2,032 crystals)",
}
MP_20 = {
    "c61b2c348e8f11ab693a4b765ec5aa7ed02b20c733b0dccdcd53a2812c2822f8": "mp_20_train.csv.gz (7,140 crystals)",
    "0ad5762f2a4b8bbeb01c4be6236d3559b0774d6cffba6ba5c3c04152e808fbec": "mp_20_pilot_train.csv.gz (1,000 crystals)",
    "7df96d903eae4a79441dfcf8d70a49d17dcccb5cfa39d9f9f38c8295cdb5123d": "mp_20_test.csv.gz (2,000 crystals)",
}
CDVAE = "https://github.com/txie-93/cdvae, commit f857f59, folder data"
WYCKOFF_TRANSFORMER = (
    "https://github.com/SymmetryAdvantage/WyckoffTransformer, commits 507e8f1 and 85bd47b, folder data"
)


def perov_5(
    path: files.Paths | None = None,
    *,
    is_pinned: bool = True,
    max_designs: int | None = None,
    workers: int = 1,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Corpus[Crystal]:
    """perov_5: ABX3 perovskites in cubic cells of five atoms, from density functional theory.

    Properties: `heat_ref` (eV/atom, above the reference: lower is more stable), `heat_all` (eV per formula unit),
    `dir_gap` and `ind_gap` (eV).

    Args:
        path: one file or several; a table with a CIF column, plain or gzipped.
        is_pinned: refuse files whose content is not that of the benchmark.
        max_designs: read no more than this many crystals.
        workers: processes that look for symmetry.
        cache: folder for the parsed corpus, keyed by the content of the files.
        progress: called now and then with ("reading", rows done, rows).

    Raises:
        InvdesignError: no file is given, or its content is another.

    References:
        Castelli et al., Energy Environ. Sci. 2012, doi:10.1039/C1EE02717D;
        Xie et al., ICLR 2022, arXiv:2110.06197 (the benchmark).
    """
    columns = ("heat_ref", "heat_all", "dir_gap", "ind_gap")
    return _benchmark("perov_5", path, PEROV_5, CDVAE, columns, is_pinned, max_designs, workers, cache, progress)


def carbon_24(
    path: files.Paths | None = None,
    *,
    is_pinned: bool = True,
    max_designs: int | None = None,
    workers: int = 1,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Corpus[Crystal]:
    """carbon_24: carbon of 6 to 24 atoms in the cell, found by random search at 10 GPa.

    Property: `energy_per_atom` (eV/atom, total energy).

    Args:
        path: one file or several; a table with a CIF column, plain or gzipped.
        is_pinned: refuse files whose content is not that of the benchmark.
        max_designs: read no more than this many crystals.
        workers: processes that look for symmetry.
        cache: folder for the parsed corpus, keyed by the content of the files.
        progress: called now and then with ("reading", rows done, rows).

    Raises:
        InvdesignError: no file is given, or its content is another.

    References:
        Pickard, AIRSS data for carbon at 10 GPa, 2020, doi:10.24435/materialscloud:2020.0026/v1.
    """
    return _benchmark(
        "carbon_24", path, CARBON_24, CDVAE, ("energy_per_atom",), is_pinned, max_designs, workers, cache, progress
    )


def mp_20(
    path: files.Paths | None = None,
    *,
    is_pinned: bool = True,
    max_designs: int | None = None,
    workers: int = 1,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Corpus[Crystal]:
    """mp_20: crystals of the Materials Project with at most 20 atoms in the primitive cell.

    Properties: `formation_energy_per_atom` and `e_above_hull` (eV/atom), `band_gap` (eV).

    Args:
        path: one file or several (the two training files together are 8,140 crystals); tables with a CIF column.
        is_pinned: refuse files whose content is not that of the benchmark.
        max_designs: read no more than this many crystals.
        workers: processes that look for symmetry.
        cache: folder for the parsed corpus, keyed by the content of the files.
        progress: called now and then with ("reading", rows done, rows).

    Raises:
        InvdesignError: no file is given, or its content is another.

    References:
        Jain et al., APL Materials 2013, doi:10.1063/1.4812323; Xie et al., ICLR 2022, arXiv:2110.06197.
    """
    columns = ("formation_energy_per_atom", "band_gap", "e_above_hull")
    return _benchmark(
        "mp_20", path, MP_20, WYCKOFF_TRANSFORMER, columns, is_pinned, max_designs, workers, cache, progress
    )


def table(
    path: files.Paths,
    *,
    structure_column: str | None = None,
    properties: Mapping[str, str] | None = None,
    on_invalid: files.OnInvalid = "skip",
    max_designs: int | None = None,
    max_sites: int = MAX_SITES,
    symprec: float = 0.1,
    workers: int = 1,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Corpus[Crystal]:
    """The crystals of files of the user's: .cif, POSCAR, .extxyz, .db, .csv with a CIF column, folders of these.

    Args:
        path: one file or folder, or several.
        structure_column: the column of a table that holds CIFs; found by its name where it is not given.
        properties: measured properties, our name -> column.
        on_invalid: `"skip"` reports bad rows in `rejected`, `"error"` stops at the first.
        max_designs: read no more than this many crystals.
        max_sites: refuse larger cells.
        symprec: distance (angstrom) at which two atoms count as symmetric.
        workers: processes that look for symmetry.
        cache: folder for the parsed corpus, keyed by the content of the files and these options.
        progress: called now and then with ("reading", rows done, rows).

    Raises:
        InvdesignError: as `files.read`.
    """
    options: dict[str, Any] = {
        "structure_column": structure_column,
        "properties": dict(properties or {}),
        "on_invalid": on_invalid,
        "max_designs": max_designs,
        "max_sites": max_sites,
        "symprec": symprec,
    }
    if cache is None:
        return files.read(path, **options, workers=workers, progress=progress)
    contents = [[p.name, content_sha256(p)] for p in _paths(path)]
    versions = {"pymatgen": pymatgen.core.__version__, "spglib": spglib.__version__, "format": CACHE_FORMAT}
    key = {"contents": contents, **versions, **options}
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    place = Path(cache) / f"crystals-{digest[:16]}.json.gz"
    known = kept(place)
    if known is not None:
        return known
    fresh = files.read(path, **options, workers=workers, progress=progress)
    keep(fresh, place)
    return fresh


def _benchmark(
    name: str,
    path: files.Paths | None,
    known: Mapping[str, str],
    origin: str,
    columns: Sequence[str],
    is_pinned: bool,
    max_designs: int | None,
    workers: int,
    cache: str | Path | None,
    progress: Progress,
) -> Corpus[Crystal]:
    paths = _paths(path)
    remedy = f"fetch {' or '.join(known.values())} from {origin}, and give it: corpus.path=/path/to/the_file"
    missing = [str(p) for p in paths if not p.is_file()]
    if not paths or missing:
        raise InvdesignError(f"{name}: {f'no such file {missing[0]}' if missing else 'no file is given'}; {remedy}")
    for p in paths if is_pinned else ():
        digest = hashlib.sha256(text_files.read_bytes(p)).hexdigest()
        if digest not in known:
            raise InvdesignError(
                f"{name}: {p} has the sha256 {digest} (unpacked), which is none of the benchmark's; {remedy}; "
                "or, where another split is meant, pass corpus.is_pinned=false"
            )
    properties = {column: column for column in columns}
    found = table(
        paths, structure_column="cif", properties=properties, max_designs=max_designs, workers=workers, cache=cache,
        progress=progress,
    )  # fmt: skip
    return replace(found, name=name)


def _paths(path: files.Paths | None) -> list[Path]:
    if path is None:
        return []
    return [Path(path)] if isinstance(path, str | Path) else [Path(p) for p in path]


def kept(place: Path) -> Corpus[Crystal] | None:
    """A parsed corpus from the cache; None where there is none, or where it is damaged and must be made again."""
    if not place.exists():
        return None
    try:
        state = json.loads(gzip.decompress(place.read_bytes()))
        found = files.corpus(
            tuple(map(crystal.from_text, state["designs"])),
            properties={name: np.array(values, dtype=float) for name, values in state["properties"].items()},
            rejected=tuple(Rejection(**rejection) for rejection in state["rejected"]),
            name=state["name"],
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError, InvdesignError):
        return None
    return found if found.sha256 == state["sha256"] else None


def keep(corpus: Corpus[Crystal], place: Path) -> None:
    """Write a parsed corpus where `kept` finds it."""
    state = {
        "designs": [crystal.to_text(design) for design in corpus.designs],
        "properties": {name: values.tolist() for name, values in corpus.properties.items()},
        "rejected": [vars(rejection) for rejection in corpus.rejected],
        "name": corpus.name,
        "sha256": corpus.sha256,
    }
    place.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(place, gzip.compress(json.dumps(state).encode(), compresslevel=3, mtime=0))


def content_sha256(path: Path) -> str:
    """Of a file's content, or of the names and contents of a folder's files."""
    digest = hashlib.sha256()
    try:
        for p in sorted(path.iterdir()) if path.is_dir() else [path]:
            if p.is_file():
                with p.open("rb") as stream:
                    digest.update(
                        f"{p.name}\0".encode() * path.is_dir() + hashlib.file_digest(stream, "sha256").digest()
                    )
    except OSError as error:
        raise InvdesignError(f"cannot read {path}: {error}. Check the path") from error
    return digest.hexdigest()
