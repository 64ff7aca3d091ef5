"""Whether two crystals are the same: pymatgen's matcher at the tolerances of the field, made fast for many.

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
from pymatgen.core import Structure

from invdesign.core import Check, Domain, InvdesignError
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.canonical import structure_of

T = TypeVar("T")
STOL, ANGLE_TOL, LTOL = 0.5, 10.0, 0.3


def match(a: Crystal | Structure, b: Crystal | Structure) -> bool:
    """Whether two crystals are the same up to scale, at stol 0.5, angle_tol 10 degrees, ltol 0.3."""
    return a == b or bool(_matcher().fit(_whole(a), _whole(b)))


def rms(a: Crystal | Structure, b: Crystal | Structure) -> float:
    """Root mean square distance of matched atoms in units of `(V/N)^(1/3)`; NaN where there is no match."""
    found = _matcher().get_rms_dist(_whole(a), _whole(b))
    return math.nan if found is None else float(found[0])


def reduced(crystal: Crystal | Structure) -> Structure:
    """The Niggli cell of the primitive lattice, which `StructureMatcher` would make anew for every comparison."""
    # The matcher wants the atoms of an element side by side.
    cell = _whole(crystal).get_primitive_structure().get_sorted_structure(key=lambda site: site.specie.Z)
    with warnings.catch_warnings(), contextlib.suppress(Exception):  # spglib raises its own kinds
        warnings.simplefilter("ignore")
        niggli: Any = spglib.niggli_reduce(cell.lattice.matrix)
        if niggli is not None:
            return Structure(niggli, cell.species, cell.cart_coords, coords_are_cartesian=True, to_unit_cell=True)
    return cell


def fits(a: Structure, b: Structure) -> bool:
    """What `match` says of two structures that are `reduced` already, in a fraction of its time."""
    return len(a) == len(b) and bool(_matcher().fit(a, b, skip_structure_reduction=True))


def formula(crystal: Crystal | Structure) -> str:
    """The reduced formula in the form of `Crystal.formula`."""
    if isinstance(crystal, Crystal):
        return crystal.formula
    counts = Counter(site.specie.symbol for site in crystal)
    unit = math.gcd(*counts.values())
    return "".join(f"{e}{n // unit if n > unit else ''}" for e, n in sorted(counts.items()))


def firsts(designs: Sequence[Crystal | Structure], *, workers: int = 1) -> npt.NDArray[np.int64]:
    """For each design (`n`) the position of the first one that matches it: its own, where it is unique so far.

    Args:
        designs: `n` crystals.
        workers: processes that compare; formulas are shared out among them, so one formula (carbon) keeps one busy. A
            script that asks for several guards its entry with `if __name__ == "__main__"`.
    """
    found = np.arange(len(designs), dtype=np.int64)
    groups = [members for members in _groups(designs).values() if len(members) > 1]
    jobs = [([designs[i] for i in members],) for members in groups]
    for members, rows in zip(groups, _spread(_firsts, jobs, workers), strict=True):
        found[members] = [members[row] for row in rows]
    return found


def is_known(
    designs: Sequence[Crystal | Structure], others: Sequence[Crystal | Structure], *, workers: int = 1
) -> npt.NDArray[np.bool_]:
    """For each design (`n`) whether one of the others matches it.

    Crystals are grouped by reduced formula and reduced once, and only where a formula occurs on both sides; within a
    formula only cells of as many atoms are compared. Many crystals of one formula (carbon) are still all compared.

    Args:
        designs: `n` crystals.
        others: what is known.
        workers: processes that compare; formulas are shared out among them, so one formula (carbon) keeps one busy. A
            script that asks for several guards its entry with `if __name__ == "__main__"`.
    """
    found = np.zeros(len(designs), dtype=bool)
    known = _groups(others)
    groups = [(members, known[label]) for label, members in _groups(designs).items() if label in known]
    jobs = [([designs[i] for i in members], [others[j] for j in there]) for members, there in groups]
    for (members, _), answer in zip(groups, _spread(_known_among, jobs, workers), strict=True):
        found[members] = answer
    return found


def novel_structure(
    designs: Sequence[Crystal], *, path: str | Path, domain: Domain[Any, Any], against: str | None = None
) -> list[Check]:
    """A validator: no structure of a user's file matches the design; more tolerant than `generic.novel_to_file`.

    Args:
        designs: `n` crystals.
        path: a file that the domain can read; it is read once.
        domain: reads it.
        against: what the file holds, for the name of the check; the file's name where it is not given.
    """
    place = Path(path)
    if not place.exists():
        raise InvdesignError(f"cannot check novelty against {place}: no such file. Check the path")
    known = _known(domain.read, place.resolve(), place.stat().st_mtime_ns)
    name = against or place.name.split(".")[0]
    return [
        Check(f"novel_structure_{name}", not bad, f"matches a structure of {name}" if bad else "")
        for bad in is_known(designs, known).tolist()
    ]


def unique_structure(designs: Sequence[Crystal]) -> list[Check]:
    """A validator: the design is the first of those that match it in the list."""
    return [
        Check("unique_structure", j == i, "" if j == i else f"matches number {j + 1}")
        for i, j in enumerate(firsts(designs).tolist())
    ]


def _firsts(designs: Sequence[Crystal | Structure]) -> list[int]:
    """`firsts` of crystals of one formula."""
    found, kept = [], list[tuple[int, Structure]]()
    for i, design in enumerate(designs):
        structure = _reduced_once(design)
        same = next((j for j, other in kept if fits(structure, other)), i)
        if same == i:
            kept.append((i, structure))
        found.append(same)
    return found


def _known_among(designs: Sequence[Crystal | Structure], others: Sequence[Crystal | Structure]) -> list[bool]:
    """`is_known` of crystals of one formula."""
    there = [_reduced_once(other) for other in others]
    return [any(fits(structure, other) for other in there) for structure in map(_reduced_once, designs)]


def _spread(function: Callable[..., T], jobs: Sequence[tuple[Any, ...]], workers: int) -> list[T]:
    """The answer of every job, in order, from so many processes."""
    if workers < 2 or len(jobs) < 2:
        return [function(*job) for job in jobs]
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        return list(pool.map(function, *zip(*jobs, strict=True), chunksize=8))


def _groups(designs: Sequence[Crystal | Structure]) -> dict[str, list[int]]:
    """Positions by formula."""
    found: dict[str, list[int]] = {}
    for i, design in enumerate(designs):
        found.setdefault(formula(design), []).append(i)
    return found


def _whole(crystal: Crystal | Structure) -> Structure:
    return structure_of(crystal) if isinstance(crystal, Crystal) else crystal


def _reduced_once(crystal: Crystal | Structure) -> Structure:
    return _reduced_crystal(crystal) if isinstance(crystal, Crystal) else reduced(crystal)


@lru_cache(maxsize=4096)
def _reduced_crystal(crystal: Crystal) -> Structure:
    return reduced(crystal)


@lru_cache(maxsize=4)
def _known(read: Callable[[Path], Any], path: Path, changed: int) -> tuple[Crystal, ...]:
    return tuple(read(path).designs)


@cache
def _matcher() -> StructureMatcher:
    return StructureMatcher(stol=STOL, angle_tol=ANGLE_TOL, ltol=LTOL)
