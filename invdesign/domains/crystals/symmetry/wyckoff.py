"""Space-group operators, Wyckoff positions and normalizer operations, derived from spglib's database.

Wyckoff positions are computed, not read from tables. The operators that fix a point average to a projector onto the
affine subspace that all of them fix. This subspace, chosen canonically among its images, defines the Wyckoff position.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np

# spglib prints warnings to the terminal. They are not needed: every result is checked where it is used.
os.environ.setdefault("SPGLIB_WARNING", "OFF")

import spglib

from invdesign.core import Array, InvdesignError

Fixed = tuple[bytes, bytes]
"""Operators that fix a point, and their lattice translations: an entry of `fixing_operators`."""
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
N_HALL_NUMBERS = 530


@dataclass(frozen=True)
class Site:
    """Wyckoff position: the points `offset + u @ basis` and their images under the space group."""

    space_group: int
    """Number of the space group, 1 to 230."""
    letter: str
    """Wyckoff letter: that of the International Tables, up to the choice of the origin."""
    multiplicity: int
    """Number of points of an orbit in the conventional cell."""
    offset: tuple[float, ...]
    """Fractional coordinates at `u = 0`."""
    basis: tuple[tuple[int, ...], ...]
    """One integer row vector per free coordinate, `n_free x 3`, so that `u` is periodic with period 1."""

    @property
    def n_free(self) -> int:
        """Number of free coordinates, 0 to 3."""
        return len(self.basis)

    def point(self, u: Array) -> Array:
        """Return the fractional coordinates (3) at free coordinates `u` (`n_free`)."""
        x: Array = np.asarray(self.offset) + np.asarray(u) @ np.asarray(self.basis, dtype=float).reshape(-1, 3)
        return x


def family(space_group: int) -> str:
    """Return the crystal family, which determines the free cell parameters.

    Example:
        >>> family(225)
        'cubic'
    """
    return next((name for last, name in FAMILIES if space_group <= last), "cubic")


def free_cell(space_group: int) -> tuple[int, ...]:
    """Return the indices of the free parameters among a, b, c, alpha, beta, gamma."""
    return FREE_CELL[family(space_group)]


def full_cell(space_group: int, free: Array) -> tuple[float, ...]:
    """Return all six cell parameters, given the free ones in the order of `free_cell`.

    Example:
        >>> full_cell(194, np.array([3.0, 5.0]))
        (3.0, 3.0, 5.0, 90.0, 90.0, 120.0)
    """
    name = family(space_group)
    cell = np.array([1.0, 1.0, 1.0, 90.0, 90.0, 120.0 if name == "hexagonal" else 90.0])
    cell[list(FREE_CELL[name])] = free
    if name == "cubic":
        cell[:3] = cell[0]
    elif name in ("tetragonal", "hexagonal"):
        cell[1] = cell[0]
    return tuple(float(v) for v in cell)


@cache
def default_hall_numbers() -> dict[int, int]:
    """Return the Hall number of the default setting of each space group, by its number.

    The default setting is the one with the smallest Hall number, as in spglib.
    """
    hall_numbers: dict[int, int] = {}
    for hall in range(1, N_HALL_NUMBERS + 1):
        kind: Any = spglib.get_spacegroup_type(hall)
        hall_numbers.setdefault(kind.number, hall)
    return hall_numbers


@cache
def operators(space_group: int) -> tuple[Array, Array]:
    """Return the symmetry operators in the conventional cell, centring translations included.

    Args:
        space_group: Number of the space group, 1 to 230.

    Returns:
        Rotations (`k x 3 x 3`, integers) and translations (`k x 3`).

    Raises:
        InvdesignError: If there is no such space group.
    """
    if space_group not in default_hall_numbers():
        raise InvdesignError(f"space group: expected a number from 1 to 230, got {space_group}")
    symmetry: Any = spglib.get_symmetry_from_database(default_hall_numbers()[space_group])
    return symmetry["rotations"].astype(float), symmetry["translations"]


def images(space_group: int, x: Array, *, tolerance: float = TOLERANCE) -> Array:
    """Return the distinct symmetry images of a point, `m x 3` fractional coordinates in [0, 1).

    Args:
        space_group: Number of the space group, 1 to 230.
        x: Fractional coordinates (3).
        tolerance: Largest fractional distance at which an image is identified with the point itself.
    """
    x = np.asarray(x, dtype=float)
    return _images_of(_stabilizer_of(space_group, x, tolerance), x)


@lru_cache(maxsize=4096)
def atoms_of_orbit(space_group: int, position: tuple[float, float, float]) -> Array:
    """Return what `images` returns for the position of an orbit, as an array that is shared and read-only."""
    points = images(space_group, np.array(position))
    points.flags.writeable = False
    return points


def place(space_group: int, x: Array, *, tolerance: float = TOLERANCE) -> tuple[Site, tuple[float, ...]]:
    """Find the Wyckoff position of a point and the free coordinates of its canonical image.

    Args:
        space_group: Number of the space group, 1 to 230.
        x: Fractional coordinates (3).
        tolerance: Largest fractional distance at which an image is identified with the point itself.

    Returns:
        The site and its free coordinates `u` in [0, 1). The point moves onto the site by less than the tolerance.
    """
    x = np.asarray(x, dtype=float)
    return _free_coordinates(_stabilizer_of(space_group, x, tolerance), x)


def place_images(space_group: int, x: Array, fixed: Fixed) -> tuple[Site, tuple[float, ...], Array]:
    """Return what `place` returns for a point, and its distinct images (`m x 3`) as `images` does.

    Args:
        space_group: Number of the space group, 1 to 230.
        x: Fractional coordinates (3).
        fixed: The operators that fix the point, of `fixing_operators`.
    """
    stabilizer = _stabilizer(space_group, *fixed)
    return (*_free_coordinates(stabilizer, x), _images_of(stabilizer, x))


def _images_of(stabilizer: _Stabilizer, x: Array) -> Array:
    """Return the distinct images of a point (`m x 3`) in [0, 1)."""
    return _wrap(stabilizer.rotations @ (stabilizer.W @ x + stabilizer.w) + stabilizer.shifts)


def _free_coordinates(stabilizer: _Stabilizer, x: Array) -> tuple[Site, tuple[float, ...]]:
    frame = _frame_of(stabilizer)
    if not frame.site.n_free:
        return frame.site, ()
    lifted = frame.rotations @ (stabilizer.W @ x + stabilizer.w) + frame.shifts
    u = np.round(_wrap((lifted - frame.offset) @ frame.inverse, margin=1e-6), 6)
    return frame.site, tuple(u[np.lexsort(u.T[::-1])[0]].tolist())


@dataclass(frozen=True, eq=False)
class _Stabilizer:
    """Operators that fix a point, their mean, and one operator for each distinct image of the point."""

    space_group: int
    """Number of the space group, 1 to 230."""
    W: Array
    """Linear part of the mean `y -> W y + w` of the operators that fix the point, `3 x 3`."""
    w: Array
    """Translation of the mean (3)."""
    n_fixed: int
    """Number of operators that fix the point."""
    rotations: Array
    """Rotations of one operator for each of the `m` images, `m x 3 x 3`."""
    shifts: Array
    """Translations of these operators, `m x 3`."""


def fixing_operators(space_group: int, points: Array, *, tolerance: float = TOLERANCE) -> list[Fixed]:
    """Return which operators fix each point, and the lattice translations with which they do, as bytes.

    Args:
        space_group: Number of the space group, 1 to 230.
        points: Fractional coordinates, `n x 3`.
        tolerance: Largest fractional distance at which an image is identified with the point itself.
    """
    R, t = operators(space_group)
    moved: Array = (R @ points.T).transpose(2, 0, 1) + t - points[:, None]
    steps = np.rint(moved)
    is_fixed = np.all(np.abs(moved - steps) < tolerance, axis=2)
    codes = steps.astype(np.int32)
    return [(own.tobytes(), code[own].tobytes()) for own, code in zip(is_fixed, codes, strict=True)]


def _stabilizer_of(space_group: int, x: Array, tolerance: float) -> _Stabilizer:
    return _stabilizer(space_group, *fixing_operators(space_group, x[None], tolerance=tolerance)[0])


@lru_cache(maxsize=65536)
def _stabilizer(space_group: int, fixed: bytes, fixed_steps: bytes) -> _Stabilizer:
    """Return the stabilizer for a result of `fixing_operators`."""
    R, t = operators(space_group)
    is_fixed = np.frombuffer(fixed, dtype=bool)
    steps = np.frombuffer(fixed_steps, dtype=np.int32).reshape(-1, 3)
    W, w, n_fixed = R[is_fixed].mean(0), (t[is_fixed] - steps).mean(0), int(is_fixed.sum())
    if n_fixed == 1:
        return _Stabilizer(space_group, W, w, n_fixed, R, t)
    # A generic point of the subspace that the operators fix has equal images only by symmetry. The offset 0.3819 keeps
    # simple fractions away from the edges of the bins.
    points = _wrap(R @ (W @ np.array([0.1618034, 0.3141593, 0.0693147]) + w) + t)
    a, b, c = np.floor(points * 1e5 + 0.3819).astype(np.int64).T
    rows = np.sort(np.unique((a * 200_003 + b) * 200_003 + c, return_index=True)[1])
    return _Stabilizer(space_group, W, w, n_fixed, R[rows], t[rows])


@lru_cache(maxsize=65536)
def _frame_of(stabilizer: _Stabilizer) -> Frame:
    linear, start = np.round(stabilizer.W, 9).ravel().tolist(), np.round(stabilizer.w, 9).tolist()
    return _frame(stabilizer.space_group, tuple(linear), tuple(start), stabilizer.n_fixed)


@dataclass(frozen=True, eq=False)
class Frame:
    """Operators that map the points of a fixed subspace to the canonical subspace of its site."""

    site: Site
    """Site of the canonical subspace."""
    rotations: Array
    """Rotations of the operators, `r x 3 x 3`."""
    shifts: Array
    """Translations of the operators, `r x 3`."""
    offset: Array
    """Fractional coordinates of the site at `u = 0` (3)."""
    inverse: Array
    """Linear map from coordinates relative to the offset to free coordinates, `3 x n_free`."""


@cache
def _frame(space_group: int, linear: tuple[float, ...], start: tuple[float, ...], n_fixed: int) -> Frame:
    """Return the site of a projector `y -> W y + w` and all operators that map the subspace to the site."""
    R, t = operators(space_group)
    W, w = np.array(linear).reshape(3, 3), np.array(start)
    # The projector P of the subspace, conjugated by every operator: g P g^-1.
    back = np.linalg.inv(R)
    Ws = R @ W @ back
    offsets = (R @ (W @ -(back @ t[..., None]) + w[:, None]))[..., 0] + t
    # A lattice translation n moves an offset by (1 - W) n.
    n = _lattice_steps()
    shifts = np.einsum("kij,nj->kni", np.eye(3) - Ws, n)
    base = -np.floor(offsets + TOLERANCE)
    near = offsets + np.einsum("kij,kj->ki", np.eye(3) - Ws, base)
    choices = np.round(near[:, None] + shifts, 4) + 0.0
    order = _sort_columns(choices, Ws)
    best = order[np.lexsort(order.T[::-1])[0]]
    rows = np.flatnonzero((np.abs(order - best) < 1e-3).all(1))
    site = _site(space_group, tuple((-best[5:]).tolist()), tuple(best[2:5].tolist()), n_fixed)
    k, j = rows // len(n), rows % len(n)
    basis = np.asarray(site.basis, dtype=float).reshape(-1, 3)
    return Frame(site, R[k], t[k] + base[k] + n[j], np.array(site.offset), np.linalg.pinv(basis))


def _sort_columns(choices: Array, Ws: Array) -> Array:
    """Return the sort criteria of the candidate subspaces, the most significant first.

    Args:
        choices: Candidate offsets, `k x n x 3`.
        Ws: Linear parts of the projectors, `k x 3 x 3`.

    Returns:
        `k n x 14` columns: whether an offset component is negative, the squared length of the offset, the offset, and
        the negated linear part.
    """
    columns = np.concatenate(
        [
            (choices < -TOLERANCE).any(-1, keepdims=True),
            np.round(choices**2 @ np.ones(3), 4)[..., None],
            choices,
            np.broadcast_to(-np.round(Ws, 4).reshape(len(Ws), 1, 9), (*choices.shape[:2], 9)),
        ],
        axis=-1,
    )
    return columns.reshape(-1, 14)


@cache
def _site(space_group: int, W: tuple[float, ...], offset: tuple[float, ...], n_fixed: int) -> Site:
    """Return the site of a projector, with the Wyckoff letter that spglib assigns."""
    basis = _integer_basis(np.array(W).reshape(3, 3))
    exact = tuple(round(v * 24) / 24 for v in offset)
    site = Site(space_group, "", len(operators(space_group)[0]) // n_fixed, exact, basis)
    return Site(space_group, _letter(site), site.multiplicity, exact, basis)


def _integer_basis(W: Array) -> tuple[tuple[int, ...], ...]:
    """Return primitive integer vectors that span the image of a projector, in reduced echelon form."""
    rows, rank = W.T.copy(), 0
    for column in range(3):
        if rank == 3:
            break
        pivot = rank + int(np.abs(rows[rank:, column]).argmax())
        if abs(rows[pivot, column]) < 1e-3:
            continue
        rows[[rank, pivot]] = rows[[pivot, rank]]
        rows[rank] /= rows[rank, column]
        for other in range(3):
            if other != rank:
                rows[other] -= rows[other, column] * rows[rank]
        rank += 1
    return tuple(_scale_to_integers(row) for row in rows[:rank])


def _scale_to_integers(row: Array) -> tuple[int, ...]:
    """Return the smallest of the multiples 1, 2, 3, 4 and 6 of a vector that is integer."""
    scaled = next(row * k for k in (1, 2, 3, 4, 6) if np.allclose(row * k, np.round(row * k), atol=0.01))
    return tuple(int(v) for v in np.round(scaled))


def _letter(site: Site) -> str:
    """Return the letter that spglib gives to a generic point of a site.

    The point is part of a crystal whose other atoms lie on general positions, so that they fix the space group.
    """
    general = [(0.1234, 0.2718, 0.0577), (0.4142, 0.0731, 0.3333 - 0.01), (0.2236, 0.3606, 0.1789)]
    point = site.point(np.array([0.1618, 0.3142, 0.0693])[: site.n_free])
    blocks = [images(site.space_group, np.array(x)) for x in (*general, point)]
    numbers = np.repeat([1, 2, 3, 4], [len(block) for block in blocks])
    lattice = lattice_of(full_cell(site.space_group, _generic_cell(site.space_group)))
    cell: Any = (lattice, np.concatenate(blocks), numbers)
    dataset = spglib.get_symmetry_dataset(cell, symprec=1e-4)
    return "?" if dataset is None or dataset.number != site.space_group else str(dataset.wyckoffs[-1])


def _generic_cell(space_group: int) -> Array:
    """Return free cell parameters without accidental symmetry."""
    cell = np.array([11.3, 13.1, 17.9, 82.0, 101.0, 97.0])
    return cell[list(free_cell(space_group))]


def lattice_of(cell: tuple[float, ...]) -> Array:
    """Return the lattice vectors as rows [angstrom], a along x and b in the xy plane.

    Args:
        cell: Lengths [angstrom] and angles [degrees].
    """
    a, b, c = cell[:3]
    ca, cb, cg = np.cos(np.radians(cell[3:]))
    sg = np.sin(np.radians(cell[5]))
    y = (ca - cb * cg) / sg
    return np.array([[a, 0, 0], [b * cg, b * sg, 0], [c * cb, c * y, c * np.sqrt(max(1 - cb * cb - y * y, 0.0))]])


@cache
def normalizer_operations(space_group: int) -> tuple[tuple[Array, Array], ...]:
    """Return changes `x -> Q x + s` of axes and origin that leave the space group as it is.

    A crystal has one description per coset of the space group in its Euclidean normalizer. One operation is returned
    per coset. Only proper operations with integer axes are included; for the continuous part of the normalizer see
    `polar_projector`.

    Args:
        space_group: Number of the space group, 1 to 230.

    Returns:
        Pairs of `Q` (`3 x 3`) and `s` (3).
    """
    R, t = operators(space_group)
    is_same = np.abs(R[:, None] - R[None]).max((2, 3)) < 0.5
    centring = t[is_same[0]] - t[0]
    operations: list[tuple[Array, Array]] = []
    labels: set[tuple[float, ...]] = set()
    for Q in _axis_changes(space_group):
        turned = Q @ R @ np.linalg.inv(Q)
        is_match = np.abs(turned[:, None] - R[None]).max((2, 3)) < 1e-3
        if not is_match.any(1).all():
            continue
        matched_t = t[is_match.argmax(1)]
        for s in _origin_shifts(space_group):
            difference = t @ Q.T + s - turned @ s - matched_t
            deviation = np.abs(_wrap(difference[:, None] - centring[None] + 0.5) - 0.5)
            if not (deviation.max(-1) < TOLERANCE).any(1).all():
                continue
            label = _coset_label(R @ Q, R @ s + t)
            if label not in labels:
                labels.add(label)
                operations.append((Q, s))
    return tuple(operations)


@cache
def polar_projector(space_group: int) -> Array:
    """Return the projector (`3 x 3`) onto the directions along which the group does not fix the origin."""
    projector: Array = operators(space_group)[0].mean(0)
    return projector


@cache
def _axis_changes(space_group: int) -> tuple[Array, ...]:
    """Return the proper changes of axes to test for normalizer operations."""
    name = family(space_group)
    if name == "triclinic":
        return (np.eye(3),)
    if name == "monoclinic":
        return np.eye(3), np.diag([-1.0, 1.0, -1.0])
    if name == "hexagonal":
        group = operators(191)[0]
        return tuple(r for r in group if np.linalg.det(r) > 0)
    changes = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            Q = np.zeros((3, 3))
            Q[range(3), order] = signs
            if np.linalg.det(Q) > 0 and (name != "tetragonal" or order[2] == 2):
                changes.append(Q)
    return tuple(changes)


@cache
def _origin_shifts(space_group: int) -> tuple[Array, ...]:
    """Return the origin shifts to test for normalizer operations: none along the polar directions."""
    steps = (0, 1 / 4, 1 / 2, 3 / 4) if family(space_group) != "hexagonal" else (0, 1 / 3, 1 / 2, 2 / 3)
    polar = polar_projector(space_group)
    grid = (np.array(s) for s in itertools.product(steps, repeat=3))
    return tuple(s for s in grid if np.abs(polar @ s).max() < 1e-6)


@cache
def _lattice_steps() -> Array:
    """Return the lattice translations with components -1, 0 and 1, the shortest first (`27 x 3`)."""
    return np.array(sorted(itertools.product((-1.0, 0.0, 1.0), repeat=3), key=lambda n: (np.abs(n).sum(), n)))


def site_frame(space_group: int, x: Array) -> Frame:
    """Return the site of a point, and the operators that map its fixed subspace to the canonical one of the site."""
    return _frame_of(_stabilizer_of(space_group, x, TOLERANCE))


def snap(x: Array) -> tuple[float, float, float]:
    """Round the fractional coordinates of a point (3) as `snap_all` does."""
    a, b, c = snap_all(x).tolist()
    return a, b, c


def snap_all(x: Array) -> Array:
    """Round fractional coordinates of any shape to six decimals, or to a multiple of 1/24 within 2e-6.

    The multiples of 1/24 keep special positions exact.
    """
    near = np.rint(x * 24) / 24
    rounded: Array = np.where(np.abs(x - near) < 2e-6, near, np.round(x, 6) + 0.0)
    return rounded


def _coset_label(rotations: Array, shifts: Array) -> tuple[float, ...]:
    """Return the first of the rounded operations (`k x 3 x 3`, `k x 3`), which can be compared and hashed."""
    rows = np.concatenate([np.round(rotations).reshape(-1, 9), np.round(_wrap(shifts) * 24) % 24], axis=1) + 0.0
    return tuple(rows[np.lexsort(rows.T[::-1])[0]].tolist())


def _wrap(x: Array, *, margin: float = TOLERANCE) -> Array:
    """Wrap coordinates into [0, 1); values within `margin` below 1 become 0."""
    x = np.asarray(x) % 1.0
    return np.where(x > 1 - margin, 0.0, x)
