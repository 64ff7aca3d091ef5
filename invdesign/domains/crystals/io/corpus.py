"""Corpora of crystals: benchmark datasets from given files, and files of the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from invdesign.core import Corpus, Progress, silent
from invdesign.domains.crystals import crystal
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.io import files, records
from invdesign.domains.crystals.io.refusals import MAX_SITES
from invdesign.io.corpus_cache import cache_path, cached_corpus
from invdesign.io.datasets import DataFile, DatasetSpec, load_dataset
from invdesign.io.text_files import list_paths

CACHE_FORMAT = 6
"""Version of the parsed corpora in a cache: increased where parsing changes."""

CDVAE = "https://github.com/txie-93/cdvae, commit f857f59, folder data"
WYCKOFF_TRANSFORMER = (
    "https://github.com/SymmetryAdvantage/WyckoffTransformer, commits 507e8f1 and 85bd47b, folder data"
)
DATASETS = {
    "perov_5": DatasetSpec(
        name="perov_5",
        files=(
            DataFile(
                "perov_5_train.csv.gz",
                "c3ea4dd7cf4dbfb68bd800d982485087c05817ff22a008429304cfb4eb724382",
                "3,787 crystals",
            ),
            DataFile(
                "perov_5_test.csv.gz",
                "30164523d9d559a52ef4fcd3f728f7d27c7bf1612d8cd88044cd4de9c99398cf",
                "1,885 crystals",
            ),
        ),
        columns={name: name for name in ("heat_ref", "heat_all", "dir_gap", "ind_gap")},
        units={"heat_ref": "eV/atom", "heat_all": "eV per formula unit", "dir_gap": "eV", "ind_gap": "eV"},
        source=CDVAE,
        licence="MIT (cdvae)",
    ),
    "carbon_24": DatasetSpec(
        name="carbon_24",
        files=(
            DataFile(
                "carbon_24_train.csv.gz",
                "6b0422401831710fc79513c8baf48dea2f3fc1520ae8a81f1f0ad41bfc89da43",
                "2,032 crystals",
            ),
        ),
        columns={"energy_per_atom": "energy_per_atom"},
        units={"energy_per_atom": "eV/atom"},
        source=CDVAE,
        licence="MIT (cdvae); data of Pickard 2020, CC BY",
    ),
    "mp_20": DatasetSpec(
        name="mp_20",
        files=(
            DataFile(
                "mp_20_train.csv.gz",
                "c61b2c348e8f11ab693a4b765ec5aa7ed02b20c733b0dccdcd53a2812c2822f8",
                "7,140 crystals",
            ),
            DataFile(
                "mp_20_pilot_train.csv.gz",
                "0ad5762f2a4b8bbeb01c4be6236d3559b0774d6cffba6ba5c3c04152e808fbec",
                "1,000 crystals",
            ),
            DataFile(
                "mp_20_test.csv.gz",
                "7df96d903eae4a79441dfcf8d70a49d17dcccb5cfa39d9f9f38c8295cdb5123d",
                "2,000 crystals",
            ),
        ),
        columns={name: name for name in ("formation_energy_per_atom", "band_gap", "e_above_hull")},
        units={"formation_energy_per_atom": "eV/atom", "band_gap": "eV", "e_above_hull": "eV/atom"},
        source=WYCKOFF_TRANSFORMER,
        licence="Apache-2.0 (WyckoffTransformer); data of the Materials Project, CC BY 4.0",
    ),
}


def perov_5(
    path: files.Paths | None = None,
    *,
    is_pinned: bool = True,
    max_designs: int | None = None,
    workers: int = 1,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Corpus[Crystal]:
    """Return perov_5: ABX3 perovskites in cubic cells of five atoms, from density functional theory.

    Properties: `heat_ref` [eV/atom] (heat of formation above the reference: lower is more stable), `heat_all` [eV per
    formula unit], `dir_gap` and `ind_gap` [eV].

    Args:
        path: One file or several; a table with a CIF column, plain or gzipped.
        is_pinned: Reject files whose content is not that of the benchmark.
        max_designs: Largest number of crystals to read.
        workers: Number of processes that search for symmetry.
        cache: Folder for the parsed corpus, keyed by the content of the files.
        progress: Called with ("reading", rows done, rows).

    Raises:
        InvdesignError: No file is given, or its content differs.

    References:
        Castelli et al., Energy Environ. Sci. 2012, doi:10.1039/C1EE02717D;
        Xie et al., ICLR 2022, arXiv:2110.06197 (the benchmark).
    """
    return _load_benchmark(
        "perov_5",
        path,
        is_pinned=is_pinned,
        max_designs=max_designs,
        workers=workers,
        cache=cache,
        progress=progress,
    )


def carbon_24(
    path: files.Paths | None = None,
    *,
    is_pinned: bool = True,
    max_designs: int | None = None,
    workers: int = 1,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Corpus[Crystal]:
    """Return carbon_24: carbon of 6 to 24 atoms in the cell, found by random search at 10 GPa.

    Property: `energy_per_atom` [eV/atom] (total energy).

    Args:
        path: One file or several; a table with a CIF column, plain or gzipped.
        is_pinned: Reject files whose content is not that of the benchmark.
        max_designs: Largest number of crystals to read.
        workers: Number of processes that search for symmetry.
        cache: Folder for the parsed corpus, keyed by the content of the files.
        progress: Called with ("reading", rows done, rows).

    Raises:
        InvdesignError: No file is given, or its content differs.

    References:
        Pickard, AIRSS data for carbon at 10 GPa, 2020, doi:10.24435/materialscloud:2020.0026/v1.
    """
    return _load_benchmark(
        "carbon_24",
        path,
        is_pinned=is_pinned,
        max_designs=max_designs,
        workers=workers,
        cache=cache,
        progress=progress,
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
    """Return mp_20: crystals of the Materials Project with at most 20 atoms in the primitive cell.

    Properties: `formation_energy_per_atom` and `e_above_hull` [eV/atom], `band_gap` [eV].

    Args:
        path: One file or several (the two training files together have 8,140 crystals); tables with a CIF column.
        is_pinned: Reject files whose content is not that of the benchmark.
        max_designs: Largest number of crystals to read.
        workers: Number of processes that search for symmetry.
        cache: Folder for the parsed corpus, keyed by the content of the files.
        progress: Called with ("reading", rows done, rows).

    Raises:
        InvdesignError: No file is given, or its content differs.

    References:
        Jain et al., APL Materials 2013, doi:10.1063/1.4812323; Xie et al., ICLR 2022, arXiv:2110.06197.
    """
    return _load_benchmark(
        "mp_20",
        path,
        is_pinned=is_pinned,
        max_designs=max_designs,
        workers=workers,
        cache=cache,
        progress=progress,
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
    per_atom: Sequence[str] = (),
    labels: Sequence[str] = (),
    workers: int = 1,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Corpus[Crystal]:
    """Return the crystals of files of the user: .cif, POSCAR, .extxyz, .db, .csv with a CIF column, folders of these.

    Args:
        path: One file or folder, or several.
        structure_column: Column of a table that contains CIFs; found by its name where it is not given.
        properties: Measured properties: name -> column.
        on_invalid: `"skip"` reports an invalid row as a rejection, `"error"` stops at the first.
        max_designs: Largest number of crystals to read.
        max_sites: Largest number of sites in a cell.
        symprec: Tolerance of the symmetry search [angstrom].
        per_atom: Properties that are totals of the cell as written, such as an energy in eV; they are divided by its
            number of atoms.
        labels: Columns of labels, e.g. `[laboratory, method]`, for a conditional VAE; `vae.condition` names them too.
        workers: Number of processes that search for symmetry.
        cache: Folder for the parsed corpus, keyed by the content of the files and these options.
        progress: Called with ("reading", rows done, rows).

    Raises:
        InvdesignError: See `files.read`.
    """
    options: dict[str, Any] = {
        "structure_column": structure_column,
        "properties": dict(properties or {}),
        "on_invalid": on_invalid,
        "max_designs": max_designs,
        "max_sites": max_sites,
        "symprec": symprec,
        **({"per_atom": tuple(per_atom)} if per_atom else {}),
        **({"labels": tuple(labels)} if labels else {}),
    }
    cached: Path | None = None
    if cache is not None:
        contents = [[each.name, records.checksums(each, column=structure_column)] for each in list_paths(path)]
        versions = {"gemmi": version("gemmi"), "moyopy": version("moyopy"), "format": CACHE_FORMAT}
        cached = cache_path(cache, "crystals", {"contents": contents, **versions, **options})
    return cached_corpus(
        cached,
        lambda: files.read(path, **options, workers=workers, progress=progress),
        to_text=crystal.to_text,
        from_text=crystal.from_text,
    )


def _load_benchmark(
    name: str,
    path: files.Paths | None,
    *,
    is_pinned: bool,
    max_designs: int | None,
    workers: int,
    cache: str | Path | None,
    progress: Progress,
) -> Corpus[Crystal]:
    spec = DATASETS[name]

    def read(paths: Sequence[Path]) -> Corpus[Crystal]:
        return table(
            paths,
            structure_column="cif",
            properties=spec.columns,
            max_designs=max_designs,
            workers=workers,
            cache=cache,
            progress=progress,
        )

    return load_dataset(spec, path, read, is_pinned=is_pinned)
