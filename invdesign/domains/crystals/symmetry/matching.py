"""Structure matching with pymatgen's `StructureMatcher` at the usual tolerances, made fast for many crystals.

References:
    Ong et al., Comput. Mater. Sci. 2013, doi:10.1016/j.commatsci.2012.10.028; tolerances as in Xie et al., ICLR 2022,
    arXiv:2110.06197.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import spglib
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core.structure import Structure

from invdesign.core import Check, Domain, InvdesignError
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.canonical import structure_of
from invdesign.io.design_files import read_designs

T = TypeVar("T")
STOL, ANGLE_TOL, LTOL = 0.5, 10.0, 0.3


def match(a: Crystal | Structure, b: Crystal | Structure) -> bool:
    """Return whether two crystals match up to scale.

    The tolerances are those of the literature: stol 0.5, angle_tol 10 degrees, ltol 0.3.
    """
    if a == b:
        return True
    # The matcher compares compositions as well, but only after it has built both structures.
    return formula(a) == formula(b) and bool(_matcher().fit(_to_structure(a), _to_structure(b)))


def rms(a: Crystal | Structure, b: Crystal | Structure) -> float:
    """Return the root mean square distance of matched atoms in units of `(V/N)^(1/3)`; NaN without a match."""
    matcher: Any = _matcher()
    distances = matcher.get_rms_dist(_to_structure(a), _to_structure(b))
    return math.nan if distances is None else float(distances[0])


def reduce_cell(crystal: Crystal | Structure) -> Structure:
    """Return the Niggli cell of the primitive lattice.

    `StructureMatcher` would compute it again in every comparison.
    """
    # The matcher expects the atoms of an element to be contiguous.
    cell = _to_structure(crystal).get_primitive_structure().get_sorted_structure(key=lambda site: site.specie.Z)
    with warnings.catch_warnings(), contextlib.suppress(Exception):  # spglib raises exception types of its own
        warnings.simplefilter("ignore")
        niggli: Any = spglib.niggli_reduce(cell.lattice.matrix)
        if niggli is not None:
            return Structure(niggli, cell.species, cell.cart_coords, coords_are_cartesian=True, to_unit_cell=True)
    return cell


def fits(a: Structure, b: Structure) -> bool:
    """Return the result of `match` for two structures from `reduce_cell`, in a fraction of its time."""
    return len(a) == len(b) and bool(_matcher().fit(a, b, skip_structure_reduction=True))


def formula(crystal: Crystal | Structure) -> str:
    """Return the reduced formula in the form of `Crystal.formula`."""
    if isinstance(crystal, Crystal):
        return crystal.formula
    counts = Counter(site.specie.symbol for site in crystal)
    divisor = math.gcd(*counts.values())
    parts = []
    for element, n in sorted(counts.items()):
        parts.append(f"{element}{n // divisor if n > divisor else ''}")
    return "".join(parts)


def first_matches(designs: Sequence[Crystal | Structure], *, workers: int = 1) -> npt.NDArray[np.int64]:
    """Return the index of the first design that matches each design: its own index where it is the first.

    Args:
        designs: `n` crystals.
        workers: Number of processes. Work is distributed by formula, so that one formula (carbon) occupies one
            process. A script that uses several must guard its entry point with `if __name__ == "__main__"`.

    Returns:
        `n` indices.
    """
    indices = np.arange(len(designs), dtype=np.int64)
    groups = [members for members in _group_by_formula(designs).values() if len(members) > 1]
    jobs = [([designs[i] for i in members],) for members in groups]
    for members, rows in zip(groups, _run_jobs(_first_matches_of_formula, jobs, workers), strict=True):
        indices[members] = [members[row] for row in rows]
    return indices


def has_match(
    designs: Sequence[Crystal | Structure], others: Sequence[Crystal | Structure], *, workers: int = 1
) -> npt.NDArray[np.bool_]:
    """Return whether each design matches one of the others.

    Crystals are grouped by reduced formula. Cells are reduced once, and only for formulas that occur on both sides;
    within a formula only cells with the same number of atoms are compared. Many crystals of one formula (carbon) still
    need all pairwise comparisons.

    Args:
        designs: `n` crystals.
        others: Crystals to compare with.
        workers: Number of processes. Work is distributed by formula, so that one formula (carbon) occupies one
            process. A script that uses several must guard its entry point with `if __name__ == "__main__"`.

    Returns:
        `n` booleans.
    """
    is_matched = np.zeros(len(designs), dtype=bool)
    other_groups = _group_by_formula(others)
    groups = []
    jobs = []
    for label, members in _group_by_formula(designs).items():
        if label in other_groups:
            groups.append(members)
            jobs.append(([designs[i] for i in members], [others[j] for j in other_groups[label]]))
    for members, result in zip(groups, _run_jobs(_has_match_of_formula, jobs, workers), strict=True):
        is_matched[members] = result
    return is_matched


def novel_structure(
    designs: Sequence[Crystal], *, path: str | Path, domain: Domain[Any, Any], against: str | None = None
) -> list[Check]:
    """Check that no structure of a user's file matches the design.

    The comparison is more tolerant than that of `shared_validators.novel_to_file`.

    Args:
        designs: `n` crystals.
        path: File of known structures, in a format of the domain. It is read once.
        domain: Domain that reads the file.
        against: Label of the file's content in the name of the check; default: the name of the file.

    Returns:
        One check per design.

    Raises:
        InvdesignError: If the file does not exist.
    """
    file = Path(path)
    if not file.exists():
        raise InvdesignError(f"novel_structure: expected a file of structures, got {file}: no such file. Check path.")
    reader: Any = domain
    known_structures = _read_known(reader, file.resolve(), file.stat().st_mtime_ns)
    name = against or file.name.split(".")[0]
    return [
        Check(f"novel_structure_{name}", not is_matched, f"matches a structure of {name}" if is_matched else "")
        for is_matched in has_match(designs, known_structures).tolist()
    ]


def unique_structure(designs: Sequence[Crystal]) -> list[Check]:
    """Check that no earlier design of the list matches the design.

    Args:
        designs: `n` crystals.

    Returns:
        One check per design; its detail gives the number of the first match, counted from 1.
    """
    return [
        Check("unique_structure", j == i, "" if j == i else f"matches number {j + 1}")
        for i, j in enumerate(first_matches(designs).tolist())
    ]


def _first_matches_of_formula(designs: Sequence[Crystal | Structure]) -> list[int]:
    """Return `first_matches` of crystals that have one formula."""
    indices: list[int] = []
    distinct: list[tuple[int, Structure]] = []
    for i, design in enumerate(designs):
        structure = _reduce_cached(design)
        first = next((j for j, other in distinct if fits(structure, other)), i)
        if first == i:
            distinct.append((i, structure))
        indices.append(first)
    return indices


def _has_match_of_formula(designs: Sequence[Crystal | Structure], others: Sequence[Crystal | Structure]) -> list[bool]:
    """Return `has_match` of crystals that have one formula."""
    cells = [_reduce_cached(other) for other in others]
    return [any(fits(structure, cell) for cell in cells) for structure in map(_reduce_cached, designs)]


def _run_jobs(function: Callable[..., T], jobs: Sequence[tuple[Any, ...]], workers: int) -> list[T]:
    """Call a function with the arguments of each job in `workers` processes, and return the results in order."""
    if workers < 2 or len(jobs) < 2:
        return [function(*job) for job in jobs]
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        return list(pool.map(function, *zip(*jobs, strict=True), chunksize=8))


def _group_by_formula(designs: Sequence[Crystal | Structure]) -> dict[str, list[int]]:
    """Return the indices of the designs of each reduced formula."""
    groups: dict[str, list[int]] = {}
    for i, design in enumerate(designs):
        groups.setdefault(formula(design), []).append(i)
    return groups


def _to_structure(crystal: Crystal | Structure) -> Structure:
    return structure_of(crystal) if isinstance(crystal, Crystal) else crystal


def _reduce_cached(crystal: Crystal | Structure) -> Structure:
    """Return `reduce_cell`, cached for crystals; structures are mutable and are reduced every time."""
    return _reduce_crystal(crystal) if isinstance(crystal, Crystal) else reduce_cell(crystal)


@lru_cache(maxsize=4096)
def _reduce_crystal(crystal: Crystal) -> Structure:
    return reduce_cell(crystal)


@lru_cache(maxsize=4)
def _read_known(domain: Any, path: Path, modified_ns: int) -> tuple[Crystal, ...]:
    """Return the designs of a file; the modification time is part of the cache key."""
    return tuple(read_designs(domain, path).designs)


@cache
def _matcher() -> StructureMatcher:
    return StructureMatcher(stol=STOL, angle_tol=ANGLE_TOL, ltol=LTOL)
