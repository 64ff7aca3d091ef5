"""Space groups as spglib's database has them: operators, sites (Wyckoff positions), and relabellings of one crystal.

A site is not typed in from tables. The operators that leave a point where it is average to a projector on the points
that they all leave where they are: that affine subspace, chosen canonically among its images, is the site.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

# Its remarks on the way to an answer go to the terminal; what it answers is checked wherever it is asked.
os.environ.setdefault("SPGLIB_WARNING", "OFF")

import spglib

from invdesign.core import Array, InvdesignError

# Fractional coordinates of special positions are multiples of 1/24.
TOLERANCE = 1e-4
FAMILIES = ((2, "triclinic"), (15, "monoclinic"), (74, "orthorhombic"), (142, "tetragonal"), (194, "hexagonal"))
FREE_CELL = {
    "triclinic": (0, 1, 2, 3, 4, 5),
    "monoclinic": (0, 1, 2, 4),
    "orthorhombic": (0, 1, 2),
    "tetragonal": (0, 2),
    "hexagonal": (0, 2),
    "cubic": (0,),
}


@dataclass(frozen=True)
class Site:
    """A Wyckoff position: the points `offset + u @ basis` and their images under the group.

    Args:
        space_group: 1 to 230.
        letter: its label; up to the choice of an origin the one of the International Tables.
        multiplicity: points of an orbit in the conventional cell.
        offset: fractional coordinates at `u = 0`.
        basis: a row of whole numbers for each free coordinate, so that `u` counts modulo 1.
    """

    space_group: int
    letter: str
    multiplicity: int
    offset: tuple[float, ...]
    basis: tuple[tuple[int, ...], ...]

    @property
    def n_free(self) -> int:
        """Free coordinates, 0 to 3."""
        return len(self.basis)

    def point(self, u: Array) -> Array:
        """Fractional coordinates (3) of the free ones (`n_free`)."""
        return np.asarray(self.offset) + np.asarray(u) @ np.asarray(self.basis, dtype=float).reshape(-1, 3)


def family(space_group: int) -> str:
    """The crystal family, which says what of the cell is free."""
    return next((name for last, name in FAMILIES if space_group <= last), "cubic")


def free_cell(space_group: int) -> tuple[int, ...]:
    """Which of a, b, c, alpha, beta, gamma are free."""
    return FREE_CELL[family(space_group)]


def full_cell(space_group: int, free: Array) -> tuple[float, ...]:
    """All six cell parameters of the free ones, in the order of `free_cell`."""
    name = family(space_group)
    cell = np.array([1.0, 1.0, 1.0, 90.0, 90.0, 120.0 if name == "hexagonal" else 90.0])
    cell[list(FREE_CELL[name])] = free
    if name == "cubic":
        cell[:3] = cell[0]
    elif name in ("tetragonal", "hexagonal"):
        cell[1] = cell[0]
    return tuple(float(v) for v in cell)


@cache
def _halls() -> dict[int, int]:
    """The default setting of every space group: the first of spglib's numbers that belongs to it."""
    first: dict[int, int] = {}
    for hall in range(1, 531):
        kind: Any = spglib.get_spacegroup_type(hall)
        first.setdefault(kind.number, hall)
    return first


@cache
def operators(space_group: int) -> tuple[Array, Array]:
    """Rotations (`k x 3 x 3`, whole numbers) and translations (`k x 3`) in the conventional cell, centring included.

    Raises:
        InvdesignError: there is no such space group.
    """
    if space_group not in _halls():
        raise InvdesignError(f"space group {space_group}: expected a number from 1 to 230")
    found: Any = spglib.get_symmetry_from_database(_halls()[space_group])
    return found["rotations"].astype(float), found["translations"]


def images(space_group: int, x: Array) -> Array:
    """The distinct points (`m x 3`, in [0, 1)) that symmetry makes of one."""
    R, t = operators(space_group)
    W, w, n_fixed = _projector(space_group, np.asarray(x, dtype=float), TOLERANCE)
    points = _wrapped(R @ (W @ x + w) + t)
    if n_fixed == 1:
        return points
    # On its subspace a point is exact, and so are its images; the odd shift keeps fractions from the edges of bins.
    a, b, c = np.floor(points * 1e5 + 0.3819).astype(np.int64).T
    return points[np.sort(np.unique((a * 200_003 + b) * 200_003 + c, return_index=True)[1])]


def _projector(space_group: int, x: Array, tolerance: float) -> tuple[Array, Array, int]:
    """The mean of the operators that leave a point where it is: `y -> W y + w`, and how many they are."""
    R, t = operators(space_group)
    moved = R @ x + t
    steps = np.round(moved - x)
    fixed = (np.abs(moved - x - steps) < tolerance).all(1)
    return R[fixed].mean(0), (t - steps)[fixed].mean(0), int(fixed.sum())


def place(space_group: int, x: Array, *, tolerance: float = TOLERANCE) -> tuple[Site, tuple[float, ...]]:
    """The site on which a point lies and its free coordinates, for the canonical one of its images.

    Args:
        space_group: 1 to 230.
        x: fractional coordinates (3).
        tolerance: distance (fractional) at which an image counts as the point itself.

    Returns:
        The site, and `u` in [0, 1); the point moves to its site by less than the tolerance.
    """
    W, w, n_fixed = _projector(space_group, np.asarray(x, dtype=float), tolerance)
    frame = _frame(space_group, tuple(np.round(W, 9).ravel().tolist()), tuple(np.round(w, 9).tolist()), n_fixed)
    if not frame.site.n_free:
        return frame.site, ()
    lifted = frame.rotations @ (W @ x + w) + frame.shifts
    u = np.round(_wrapped((lifted - frame.site.offset) @ frame.inverse, least=1e-6), 6)
    return frame.site, tuple(float(v) for v in u[np.lexsort(u.T[::-1])[0]])


@dataclass(frozen=True, eq=False)
class _Frame:
    """The operators (`r` of them) that bring the points of a subspace to the canonical one of its site.

    `inverse` is `3 x n_free`, from coordinates beyond the offset to free ones.
    """

    site: Site
    rotations: Array
    shifts: Array
    inverse: Array


@cache
def _frame(space_group: int, linear: tuple[float, ...], start: tuple[float, ...], n_fixed: int) -> _Frame:
    """The site of a projector `y -> W y + w`, and all ways to it."""
    R, t = operators(space_group)
    W, w = np.array(linear).reshape(3, 3), np.array(start)
    # The same subspace as every image of a point on it sees it: g P g^-1.
    back = np.linalg.inv(R)
    Ws = R @ W @ back
    offsets = (R @ (W @ -(back @ t[..., None]) + w[:, None]))[..., 0] + t
    # Shifts of the lattice move an offset by (1 - W) n.
    n = _steps()
    shifts = np.einsum("kij,nj->kni", np.eye(3) - Ws, n)
    base = -np.floor(offsets + TOLERANCE)
    near = offsets + np.einsum("kij,kj->ki", np.eye(3) - Ws, base)
    choices = np.round(near[:, None] + shifts, 4) + 0.0
    order = np.concatenate(
        [
            (choices < -TOLERANCE).any(-1, keepdims=True),
            np.round(choices**2 @ np.ones(3), 4)[..., None],
            choices,
            np.broadcast_to(-np.round(Ws, 4).reshape(len(Ws), 1, 9), (*choices.shape[:2], 9)),
        ],
        axis=-1,
    ).reshape(-1, 14)
    best = order[np.lexsort(order.T[::-1])[0]]
    rows = np.flatnonzero((np.abs(order - best) < 1e-3).all(1))
    site = _site(space_group, tuple((-best[5:]).tolist()), tuple(best[2:5].tolist()), n_fixed)
    k, j = rows // len(n), rows % len(n)
    basis = np.asarray(site.basis, dtype=float).reshape(-1, 3)
    return _Frame(site, R[k], t[k] + base[k] + n[j], np.linalg.pinv(basis))


@cache
def _site(space_group: int, W: tuple[float, ...], offset: tuple[float, ...], n_fixed: int) -> Site:
    """The site of a projector; its letter as spglib names it."""
    basis = _whole_basis(np.array(W).reshape(3, 3))
    exact = tuple(round(v * 24) / 24 for v in offset)
    site = Site(space_group, "", len(operators(space_group)[0]) // n_fixed, exact, basis)
    return Site(space_group, _letter(site), site.multiplicity, exact, basis)


def _whole_basis(W: Array) -> tuple[tuple[int, ...], ...]:
    """Primitive whole-number vectors that span the image of a projector, in reduced echelon form."""
    rows, rank = W.T.copy(), 0
    for column in range(3):
        pivot = rank + int(np.abs(rows[rank:, column]).argmax()) if rank < 3 else rank
        if rank == 3 or abs(rows[pivot, column]) < 1e-3:
            continue
        rows[[rank, pivot]] = rows[[pivot, rank]]
        rows[rank] /= rows[rank, column]
        for other in range(3):
            if other != rank:
                rows[other] -= rows[other, column] * rows[rank]
        rank += 1
    scaled = [
        next(row * k for k in (1, 2, 3, 4, 6) if np.allclose(row * k, np.round(row * k), atol=0.01))
        for row in rows[:rank]
    ]
    return tuple(tuple(int(v) for v in np.round(row)) for row in scaled)


def _letter(site: Site) -> str:
    """The letter that spglib gives to a generic point of a site, in a crystal whose other atoms fix the group."""
    general = [(0.1234, 0.2718, 0.0577), (0.4142, 0.0731, 0.3333 - 0.01), (0.2236, 0.3606, 0.1789)]
    point = site.point(np.array([0.1618, 0.3142, 0.0693])[: site.n_free])
    blocks = [images(site.space_group, np.array(x)) for x in (*general, point)]
    numbers = np.repeat([1, 2, 3, 4], [len(block) for block in blocks])
    lattice = lattice_of(full_cell(site.space_group, _typical(site.space_group)))
    cell: Any = (lattice, np.concatenate(blocks), numbers)
    found = spglib.get_symmetry_dataset(cell, symprec=1e-4)
    return "?" if found is None or found.number != site.space_group else str(found.wyckoffs[-1])


def _typical(space_group: int) -> Array:
    cell = np.array([11.3, 13.1, 17.9, 82.0, 101.0, 97.0])
    return cell[list(free_cell(space_group))]


def lattice_of(cell: tuple[float, ...]) -> Array:
    """Lattice vectors as rows (angstrom), a along x and b in the xy plane."""
    a, b, c = cell[:3]
    ca, cb, cg = np.cos(np.radians(cell[3:]))
    sg = np.sin(np.radians(cell[5]))
    y = (ca - cb * cg) / sg
    return np.array([[a, 0, 0], [b * cg, b * sg, 0], [c * cb, c * y, c * np.sqrt(max(1 - cb * cb - y * y, 0.0))]])


@cache
def relabellings(space_group: int) -> tuple[tuple[Array, Array], ...]:
    """Changes `x -> Q x + s` of axes and origin that keep the group, one for each class that does something new.

    One crystal has as many descriptions; these are of the Euclidean normalizer (proper, with whole-number axes, and
    without its continuous part, for which see `polar`).
    """
    R, t = operators(space_group)
    same = np.abs(R[:, None] - R[None]).max((2, 3)) < 0.5
    centring = t[same[0]] - t[0]
    found: list[tuple[Array, Array]] = []
    seen: set[tuple[float, ...]] = set()
    for Q in _turns(space_group):
        turned = Q @ R @ np.linalg.inv(Q)
        is_match = np.abs(turned[:, None] - R[None]).max((2, 3)) < 1e-3
        if not is_match.any(1).all():
            continue
        like = t[is_match.argmax(1)]
        for s in _origins(space_group):
            off = t @ Q.T + s - turned @ s - like
            apart = np.abs(_wrapped(off[:, None] - centring[None] + 0.5) - 0.5)
            if not (apart.max(-1) < TOLERANCE).any(1).all():
                continue
            name = min(_name(r @ Q, r @ s + v) for r, v in zip(R, t, strict=True))
            if name not in seen:
                seen.add(name)
                found.append((Q, s))
    return tuple(found)


@cache
def polar(space_group: int) -> Array:
    """Projector (`3 x 3`) on the directions along which the origin may lie anywhere."""
    return operators(space_group)[0].mean(0)


@cache
def _turns(space_group: int) -> tuple[Array, ...]:
    """Proper changes of axes worth trying."""
    name = family(space_group)
    if name == "triclinic":
        return (np.eye(3),)
    if name == "monoclinic":
        return np.eye(3), np.diag([-1.0, 1.0, -1.0])
    if name == "hexagonal":
        group = operators(191)[0]
        return tuple(r for r in group if np.linalg.det(r) > 0)
    turns = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            Q = np.zeros((3, 3))
            Q[range(3), order] = signs
            if np.linalg.det(Q) > 0 and (name != "tetragonal" or order[2] == 2):
                turns.append(Q)
    return tuple(turns)


@cache
def _origins(space_group: int) -> tuple[Array, ...]:
    """Shifts of the origin worth trying: none along directions in which the group does not fix it."""
    steps = (0, 1 / 4, 1 / 2, 3 / 4) if family(space_group) != "hexagonal" else (0, 1 / 3, 1 / 2, 2 / 3)
    free = polar(space_group)
    grid = (np.array(s) for s in itertools.product(steps, repeat=3))
    return tuple(s for s in grid if np.abs(free @ s).max() < 1e-6)


@cache
def _steps() -> Array:
    return np.array(sorted(itertools.product((-1.0, 0.0, 1.0), repeat=3), key=lambda n: (np.abs(n).sum(), n)))


def snapped(x: Array) -> tuple[float, float, float]:
    """Fractional coordinates to six decimals; special positions stay the fractions that they are."""
    near = np.round(x * 24) / 24
    a, b, c = np.where(np.abs(x - near) < 2e-6, near, np.round(x, 6) + 0.0).tolist()
    return a, b, c


def _name(rotation: Array, shift: Array) -> tuple[float, ...]:
    return (*np.round(rotation).ravel().tolist(), *(np.round(_wrapped(shift) * 24) % 24).tolist())


def _wrapped(x: Array, *, least: float = TOLERANCE) -> Array:
    """Into [0, 1), where what is a hair below 1 is 0."""
    x = np.asarray(x) % 1.0
    return np.where(x > 1 - least, 0.0, x)
