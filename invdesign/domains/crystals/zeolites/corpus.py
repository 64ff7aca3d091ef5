"""Corpus of known zeolite frameworks as T sites, with strained copies and random nets."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from lzma import LZMAError
from pathlib import Path

import numpy as np
import spglib
from pymatgen.core.structure import Structure

from invdesign.core import Check, Corpus, InvdesignError, Progress, Rejection, silent
from invdesign.domains.crystals.crystal import Crystal, from_text, to_text
from invdesign.domains.crystals.io import cif_reader, files
from invdesign.domains.crystals.io.refusals import RefusedError
from invdesign.domains.crystals.symmetry.canonical import canonical, crystal_of, expand, key, make
from invdesign.domains.crystals.symmetry.wyckoff import free_cell, lattice_of, place
from invdesign.domains.crystals.zeolites.nets import connect
from invdesign.domains.crystals.zeolites.random_nets import generate_random_nets
from invdesign.domains.crystals.zeolites.silica import remove_oxygens
from invdesign.domains.crystals.zeolites.topology import topology_of
from invdesign.io.corpus_cache import content_sha256, load_corpus, save_corpus

# Property -> column of the pore table.
COLUMNS = {
    "included_sphere": "included_sphere",
    "free_sphere": "largest_diff_sphere",
    "framework_density": "density",
}
# Version of the cached corpora: increase it whenever frameworks, copies or random nets change.
FORMAT = 1
MAX_UNPACKED = 50_000_000
MAX_SITES = 6_000

PoreTable = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class _Options:
    """Options of `frameworks` that decide which designs the corpus contains."""

    max_designs: int | None
    max_orbits: int | None
    n_strained: int
    n_random: int
    seed: int


def frameworks(
    path: str | Path,
    *,
    pores: str | Path | None = None,
    max_designs: int | None = None,
    max_orbits: int | None = None,
    n_strained: int = 0,
    n_random: int = 0,
    seed: int = 0,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Corpus[Crystal]:
    """Read the frameworks of an archive of CIFs as crystals of T sites (all silicon, without oxygens).

    Properties, if the pore table contains them: `included_sphere` and `free_sphere` [angstrom], `framework_density`
    [T sites per 1,000 cubic angstrom]. A structure that is not a 4-connected net is rejected.

    Args:
        path: Tar archive of CIFs (.tar.xz, .tar.gz), one framework each, named by its three-letter code.
        pores: Pore table; default `zeolite_pores.csv` beside the archive, if it exists.
        max_designs: Largest number of frameworks to read.
        max_orbits: Largest number of symmetrically distinct T sites of a framework. The longest list of sites
            determines how long the decoder takes.
        n_strained: Number of copies of each framework with a different cell and displaced sites but the same symmetry
            and net.
        n_random: Number of nets from random search (see `generate_random_nets`).
        seed: Seed of the random draws; the n-th copy of a framework depends on nothing else.
        cache: Folder for the corpus, keyed by the content of the files and these options.
        progress: Called repeatedly with ("reading", frameworks done, frameworks).

    Returns:
        The known frameworks, each followed by its copies, then the random nets.

    Raises:
        InvdesignError: The archive or the table cannot be read.

    References:
        Baerlocher and McCusker, Database of Zeolite Structures, http://www.iza-structure.org/databases/.
    """
    table = Path(pores) if pores is not None else Path(path).parent / "zeolite_pores.csv"
    pore_table = _read_pores(table, is_required=pores is not None)
    options = _Options(max_designs, max_orbits, n_strained, n_random, seed)
    if cache is None:
        return _build_corpus(path, pore_table, options, progress)
    content = [
        content_sha256(Path(path)),
        pore_table,
        max_designs,
        max_orbits,
        n_strained,
        n_random,
        seed,
        spglib.__version__,
        FORMAT,
    ]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    cache_path = Path(cache) / f"frameworks-{digest[:16]}.json.gz"
    corpus = load_corpus(cache_path, to_text=to_text, from_text=from_text)
    if corpus is None:
        corpus = _build_corpus(path, pore_table, options, progress)
        save_corpus(corpus, cache_path, to_text=to_text)
    return corpus


def read_structures(path: str | Path) -> Iterator[tuple[str, Structure | str]]:
    """Yield name and complete structure of every CIF of an archive, ordered by name.

    Args:
        path: Tar archive of CIFs.

    Yields:
        Name, and the structure or the reason why it cannot be used.

    Raises:
        InvdesignError: The archive is missing, is not a tar archive, or unpacks to more than 50 MB.
    """
    for name, text in sorted(_read_texts(Path(path)).items()):
        try:
            block, *_ = cif_reader.blocks(text) or [""]
            atoms, _ = cif_reader.read_atoms(block, max_sites=MAX_SITES)
        except RefusedError as refusal:
            yield name, refusal.reason
            continue
        structure = atoms.to_structure()
        n, n_oxygens = len(atoms), atoms.counts.get("O", 0)
        # The T site of a net has four shared oxygens. The ratio of SiO2 also confirms that duplicate sites are merged.
        if 3 * n_oxygens == 2 * n:
            yield name, structure
        else:
            yield name, f"expected SiO2, got {n_oxygens:g} oxygens of {n} atoms: the framework is interrupted"


def new_net(designs: Sequence[Crystal], *, path: str | Path) -> list[Check]:
    """Check that the net of T sites is not one of an archive's frameworks.

    Args:
        designs: `n` crystals of T sites or of complete frameworks.
        path: Tar archive of CIFs of known frameworks (see `frameworks`); it is read once per process.

    Returns:
        `n` checks; the detail names the known framework, or gives the point symbol of a new net.

    Raises:
        InvdesignError: The archive cannot be read.
    """
    archive = Path(path)
    if not archive.exists():
        raise InvdesignError(f"new_net: expected an archive of known frameworks, got {archive}: no such file")
    names = _name_nets(archive.resolve(), archive.stat().st_mtime_ns)
    checks = []
    for design in designs:
        try:
            topology = topology_of(design)
        except InvdesignError as error:
            checks.append(Check("new_net", False, str(error)))
            continue
        name = names.get(topology.key)
        checks.append(Check("new_net", name is None, f"the net of {name}" if name else topology.symbol))
    return checks


def strain(
    design: Crystal, rng: np.random.Generator, *, cell_sd: float = 0.03, displacement_sd: float = 0.15
) -> Crystal | None:
    """Return a copy with a different cell and displaced sites but the same symmetry.

    Args:
        design: T sites.
        rng: Random generator.
        cell_sd: Relative standard deviation of the free cell lengths; free angles vary by 0.3 times as much.
        displacement_sd: Standard deviation of the free coordinates [angstrom].

    Returns:
        The copy, or None if it is not 4-connected.
    """
    group, cell = design.space_group, np.array(design.cell)
    free = np.array(free_cell(group))
    factor = np.ones(6)
    factor[free] += cell_sd * rng.standard_normal(len(free)) * np.where(free < 3, 1.0, 0.3)
    atoms = []
    for orbit in design.orbits:
        site, u = place(group, np.array(orbit.position))
        step = displacement_sd * rng.standard_normal(site.n_free) / cell[:3].mean()
        atoms.append((orbit.element, site.point(np.array(u) + step)))
    strained = make(group, tuple((cell * factor).tolist()), atoms)
    try:
        connect(lattice_of(strained.cell), expand(strained)[1])
    except InvdesignError:
        return None
    return canonical(strained)


def _build_corpus(path: str | Path, pore_table: PoreTable, options: _Options, progress: Progress) -> Corpus[Crystal]:
    archive = list(islice(read_structures(path), options.max_designs))
    designs: dict[str, Crystal] = {}
    values: list[tuple[float, ...]] = []
    rejected = []
    unknown = (np.nan,) * len(COLUMNS)

    def add(design: Crystal, properties: tuple[float, ...] = unknown) -> bool:
        """Append a design unless an equal one is present; return whether it was appended."""
        identity = key(design)
        if identity in designs:
            return False
        designs[identity] = design
        values.append(properties)
        return True

    for row, (name, structure) in enumerate(archive, start=1):
        progress("reading", row - 1, len(archive))
        try:
            design = _read_framework(structure, options.max_orbits)
        except InvdesignError as error:
            rejected.append(Rejection(row, name, str(error), "leave it out"))
            continue
        if not add(design, pore_table.get(name, unknown)):
            rejected.append(Rejection(row, name, "the same net of T sites as another framework", "leave it out"))
            continue
        for copy in range(options.n_strained):
            rng = np.random.default_rng([options.seed, copy, zlib.crc32(name.encode())])
            strained = strain(design, rng)
            if strained is not None:
                add(strained)
    if options.n_random:
        for net in generate_random_nets(n=options.n_random, seed=options.seed, progress=progress):
            add(net)
    progress("reading", len(archive), len(archive))
    table = np.array(values, dtype=float).reshape(-1, len(COLUMNS))
    return files.corpus(
        tuple(designs.values()),
        properties=dict(zip(COLUMNS, table.T, strict=True)),
        rejected=tuple(rejected),
        name="frameworks",
    )


def _read_framework(structure: Structure | str, max_orbits: int | None) -> Crystal:
    """Return the T sites of a structure.

    Raises:
        InvdesignError: The structure is a reason for a rejection, not a 4-connected net, or has too many T sites.
    """
    if isinstance(structure, str):
        raise InvdesignError(structure)
    design = crystal_of(remove_oxygens(structure))
    connect(lattice_of(design.cell), expand(design)[1])
    if max_orbits is not None and len(design.orbits) > max_orbits:
        raise InvdesignError(
            f"frameworks: expected at most max_orbits={max_orbits} distinct T sites, got {len(design.orbits)}"
        )
    return design


def _read_texts(path: Path) -> dict[str, str]:
    """Return the texts of the CIFs in a tar archive by name, without writing to disk."""
    texts, size = {}, 0
    try:
        with tarfile.open(path, mode="r:*") as archive:
            for member in archive:
                if not member.isreg() or not member.name.endswith(".cif"):
                    continue
                size += member.size
                if size > MAX_UNPACKED:
                    raise InvdesignError(
                        f"{path}: expected at most {MAX_UNPACKED:,} bytes when unpacked, got more. Provide a smaller "
                        "archive"
                    )
                content = archive.extractfile(member)
                assert content is not None  # a regular file has content
                text = content.read().decode("utf-8", errors="replace")
                texts[Path(member.name).stem] = "\n".join(text.splitlines()) + "\n"
    except (OSError, EOFError, LZMAError, tarfile.TarError) as error:
        raise InvdesignError(f"{path}: expected a tar archive of CIFs, got {error}. Check the path") from error
    if not texts:
        raise InvdesignError(f"{path}: expected a tar archive with one CIF per framework, got no .cif in it")
    return texts


def _read_pores(path: Path, *, is_required: bool) -> dict[str, tuple[float, ...]]:
    """Return the columns of the pore table by framework; empty if the table is optional and absent."""
    if not path.exists() and not is_required:
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        return {row["framework"]: tuple(float(row[column]) for column in COLUMNS.values()) for row in rows}
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InvdesignError(
            f"{path}: expected a pore table with the columns framework, {', '.join(COLUMNS.values())} and numbers in "
            f"them, got {error!r}"
        ) from error


@lru_cache(maxsize=4)
def _name_nets(path: Path, modified: int) -> Mapping[str, str]:
    """Return the names of an archive's frameworks by the key of their net; `modified` keys the cache."""
    names = {}
    for name, structure in read_structures(path):
        if not isinstance(structure, str):
            with contextlib.suppress(InvdesignError):
                names[topology_of(crystal_of(remove_oxygens(structure))).key] = name
    return names
