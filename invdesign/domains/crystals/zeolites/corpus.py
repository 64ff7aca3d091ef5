"""The corpus of known zeolite frameworks, by their T sites, and made-up ones beside them."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from lzma import LZMAError
from pathlib import Path

import numpy as np
import spglib
from pymatgen.core import Structure

from invdesign.core import Check, Corpus, InvdesignError, Progress, Rejection, silent
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.io import cif, files
from invdesign.domains.crystals.io.cif import RefusedError
from invdesign.domains.crystals.io.corpus import content_sha256, keep, kept
from invdesign.domains.crystals.symmetry.canonical import canonical, crystal_of, expand, key, make
from invdesign.domains.crystals.symmetry.wyckoff import free_cell, lattice_of, place
from invdesign.domains.crystals.zeolites.nets import connect
from invdesign.domains.crystals.zeolites.random_nets import random_nets
from invdesign.domains.crystals.zeolites.silica import without_oxygen
from invdesign.domains.crystals.zeolites.topology import topology_of

# Columns of the table of pores, by what they are called here.
COLUMNS = {
    "included_sphere": "included_sphere",
    "free_sphere": "largest_diff_sphere",
    "framework_density": "density",
}
# Of what is kept in the cache: another number where frameworks, copies or random nets come out otherwise.
FORMAT = 1
MAX_UNPACKED = 50_000_000
MAX_SITES = 6_000


def frameworks(
    path: str | Path,
    *,
    pores: str | Path | None = None,
    max_designs: int | None = None,
    max_orbits: int | None = None,
    strained: int = 0,
    random: int = 0,
    seed: int = 0,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Corpus[Crystal]:
    """Frameworks of an archive of CIFs as crystals of T sites (all silicon, oxygens left out).

    Properties, where the table of pores has them: `included_sphere` and `free_sphere` (angstrom), `framework_density`
    (T sites in 1,000 cubic angstrom). What is no 4-connected net is rejected.

    Args:
        path: a tar of CIFs (.tar.xz, .tar.gz), one framework each, named by its three letters.
        pores: table of pores; `zeolite_pores.csv` beside the archive where there is one.
        max_designs: read no more than this many.
        max_orbits: leave out frameworks with more T sites that differ; the longest list decides how long a map writes.
        strained: add so many copies of each with another cell and moved sites, of the same symmetry and net.
        random: add so many nets of random search (see `random_nets`).
        seed: of the random draws; the n-th copy of a framework depends on nothing else.
        cache: folder for the corpus, keyed by the content of the files and these options.
        progress: called now and then with ("reading", frameworks done, frameworks).

    Raises:
        InvdesignError: the archive or the table cannot be read.

    References:
        Baerlocher and McCusker, Database of Zeolite Structures, http://www.iza-structure.org/databases/.
    """
    table = Path(pores) if pores is not None else Path(path).parent / "zeolite_pores.csv"
    known = _pores(table, pores is not None)
    if cache is None:
        return _made(path, known, max_designs, max_orbits, strained, random, seed, progress)
    options = [known, max_designs, max_orbits, strained, random, seed, spglib.__version__, FORMAT]
    digest = hashlib.sha256(json.dumps([content_sha256(Path(path)), *options], sort_keys=True).encode()).hexdigest()
    place = Path(cache) / f"frameworks-{digest[:16]}.json.gz"
    found = kept(place)
    if found is None:
        found = _made(path, known, max_designs, max_orbits, strained, random, seed, progress)
        keep(found, place)
    return found


def _made(
    path: str | Path,
    known: Mapping[str, tuple[float, ...]],
    max_designs: int | None,
    max_orbits: int | None,
    strained: int,
    random: int,
    seed: int,
    progress: Progress,
) -> Corpus[Crystal]:
    given = list(islice(structures(path), max_designs))
    designs: dict[str, Crystal] = {}
    values: list[tuple[float, ...]] = []
    rejected = []
    blank = (np.nan,) * len(COLUMNS)
    for row, (name, structure) in enumerate(given, start=1):
        progress("reading", row - 1, len(given))
        try:
            if isinstance(structure, str):
                raise InvdesignError(structure)
            design = crystal_of(without_oxygen(structure))
            connect(lattice_of(design.cell), expand(design)[1])
            if max_orbits is not None and len(design.orbits) > max_orbits:
                raise InvdesignError(f"{len(design.orbits)} T sites that differ, more than max_orbits={max_orbits}")
        except InvdesignError as error:
            rejected.append(Rejection(row, name, str(error), "leave it out"))
            continue
        identity = key(design)
        if identity in designs:
            rejected.append(Rejection(row, name, "the same net of T sites as another framework", "leave it out"))
            continue
        designs[identity] = design
        values.append(known.get(name, blank))
        for copy in range(strained):
            rng = np.random.default_rng([seed, copy, zlib.crc32(name.encode())])
            other = strain(design, rng)
            if other is not None and (mark := key(other)) not in designs:
                designs[mark] = other
                values.append(blank)
    for other in random_nets(n=random, seed=seed, progress=progress) if random else ():
        if (mark := key(other)) not in designs:
            designs[mark] = other
            values.append(blank)
    progress("reading", len(given), len(given))
    table = np.array(values, dtype=float).reshape(-1, len(COLUMNS))
    return files.corpus(
        tuple(designs.values()),
        properties=dict(zip(COLUMNS, table.T, strict=True)),
        rejected=tuple(rejected),
        name="frameworks",
    )


def structures(path: str | Path) -> Iterator[tuple[str, Structure | str]]:
    """Name and full structure of every CIF of an archive, in the order of names; a reason where it cannot be used.

    Raises:
        InvdesignError: the archive is missing, is none, or unpacks to more than 50 MB.
    """
    for name, text in sorted(_texts(Path(path)).items()):
        try:
            block, *_ = cif.blocks(text) or [""]
            structure, _ = files.check_structure(cif.structure(block, max_sites=MAX_SITES), max_sites=MAX_SITES)
        except RefusedError as refusal:
            yield name, refusal.reason
            continue
        n, n_oxygen = len(structure), structure.composition["O"]
        # Only a site of four shared oxygens is a tetrahedron of the net: SiO2 is a check of the merging too.
        yield name, structure if 3 * n_oxygen == 2 * n else f"{n_oxygen:g} oxygens of {n} atoms: not SiO2, interrupted"


def new_net(designs: Sequence[Crystal], *, path: str | Path) -> list[Check]:
    """The net of T sites is none of an archive's frameworks; where it is, the framework is named.

    Args:
        designs: crystals of T sites, or of full frameworks.
        path: a tar of CIFs of known frameworks (see `frameworks`); it is read once.

    Raises:
        InvdesignError: the archive cannot be read.
    """
    place = Path(path)
    if not place.exists():
        raise InvdesignError(f"cannot check nets against {place}: no such file. Check the path")
    known = _named(place.resolve(), place.stat().st_mtime_ns)
    checks = []
    for design in designs:
        try:
            found = topology_of(design)
        except InvdesignError as error:
            checks.append(Check("new_net", False, str(error)))
            continue
        name = known.get(found.key)
        checks.append(Check("new_net", name is None, f"the net of {name}" if name else found.symbol))
    return checks


def strain(design: Crystal, rng: np.random.Generator, *, cell: float = 0.03, moved: float = 0.15) -> Crystal | None:
    """A copy with another cell and moved sites but the same symmetry; None where it is no longer 4-connected.

    Args:
        design: T sites.
        rng: what is drawn from.
        cell: relative standard deviation of the free cell lengths; angles by as many radians.
        moved: standard deviation (angstrom) of the free coordinates.
    """
    group, lengths = design.space_group, np.array(design.cell)
    free = np.array(free_cell(group))
    factor = np.ones(6)
    factor[free] += cell * rng.standard_normal(len(free)) * np.where(free < 3, 1.0, 0.3)
    atoms = []
    for orbit in design.orbits:
        site, u = place(group, np.array(orbit.position))
        step = moved * rng.standard_normal(site.n_free) / lengths[:3].mean()
        atoms.append((orbit.element, site.point(np.array(u) + step)))
    other = make(group, tuple((lengths * factor).tolist()), atoms)
    try:
        connect(lattice_of(other.cell), expand(other)[1])
    except InvdesignError:
        return None
    return canonical(other)


def _texts(path: Path) -> dict[str, str]:
    """The CIFs in a tar, by name; nothing is written to disk."""
    texts, size = {}, 0
    try:
        with tarfile.open(path, mode="r:*") as archive:
            for member in archive:
                if not member.isreg() or not member.name.endswith(".cif"):
                    continue
                size += member.size
                if size > MAX_UNPACKED:
                    raise InvdesignError(f"{path} unpacks to more than {MAX_UNPACKED:,} bytes; give a smaller archive")
                content = archive.extractfile(member)
                assert content is not None  # it is a plain file
                text = content.read().decode("utf-8", errors="replace")
                texts[Path(member.name).stem] = "\n".join(text.splitlines()) + "\n"
    except (OSError, EOFError, LZMAError, tarfile.TarError) as error:
        raise InvdesignError(f"cannot read {path} as a tar of CIFs: {error}. Check the path") from error
    if not texts:
        raise InvdesignError(f"{path} holds no .cif; give a tar with one CIF for each framework")
    return texts


def _pores(path: Path, is_given: bool) -> dict[str, tuple[float, ...]]:
    if not path.exists() and not is_given:
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        return {row["framework"]: tuple(float(row[column]) for column in COLUMNS.values()) for row in rows}
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InvdesignError(
            f"cannot read {path} as a table of pores: {error!r}; expected the columns framework, "
            f"{', '.join(COLUMNS.values())} with numbers"
        ) from error


@lru_cache(maxsize=4)
def _named(path: Path, changed: int) -> Mapping[str, str]:
    """Names of an archive's frameworks by the key of their net."""
    names = {}
    for name, structure in structures(path):
        if not isinstance(structure, str):
            with contextlib.suppress(InvdesignError):
                names[topology_of(crystal_of(without_oxygen(structure))).key] = name
    return names
