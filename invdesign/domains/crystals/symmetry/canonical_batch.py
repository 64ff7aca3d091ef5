"""Canonical descriptions of many crystals of one structure type at once: a batched `symmetry.canonical`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from invdesign.core import Array
from invdesign.domains.crystals.crystal import Cell, Crystal, Orbit
from invdesign.domains.crystals.symmetry.wyckoff import (
    Site,
    family,
    normalizer_operations,
    operators,
    place,
    polar_projector,
    snap_all,
)

LATTICE_STEPS = np.stack(np.meshgrid(*[(-1.0, 0.0, 1.0)] * 3, indexing="ij"), -1).reshape(-1, 3)


@dataclass(frozen=True)
class Description:
    """One choice of axes and origin, applied to all `n` crystals of a batch with `s` sites each."""

    sites: list[Site]
    """Wyckoff positions in this description, `s`."""
    positions: Array
    """Canonical fractional coordinates on the sites, `n x s x 3`."""
    cells: Array
    """Lengths [angstrom] and angles [degrees], `n x 6`."""
    anchor: int | None
    """Index of the site that is the origin of the polar directions; None where the group is not polar."""


def canonicalize_batch(
    space_group: int, sites: list[tuple[Site, Array]], cells: Array, u: Array, elements: Sequence[Sequence[str]]
) -> list[Crystal]:
    """Return the canonical descriptions of crystals that differ in elements, cell and free coordinates.

    The sites of a description and the operators that lead to its canonical representatives are determined once, for
    the reference crystal. Only positions are computed for each crystal.

    Args:
        space_group: Space group of all crystals.
        sites: The `s` Wyckoff positions, each with its free coordinates in the reference crystal.
        cells: Lengths [angstrom] and angles [degrees], `n x 6`.
        u: Free coordinates of all sites, concatenated, `n x f`.
        elements: Element on each of the `s` sites, for each of the `n` crystals.

    Returns:
        `n` crystals.
    """
    descriptions = enumerate_descriptions(space_group, sites, cells, u)
    return [_first_crystal(space_group, descriptions, i, symbols) for i, symbols in enumerate(elements)]


def enumerate_descriptions(
    space_group: int, sites: list[tuple[Site, Array]], cells: Array, u: Array
) -> list[Description]:
    """Return all descriptions that differ by origin and axes.

    Args:
        space_group: Space group of all crystals.
        sites: The `s` Wyckoff positions, each with its free coordinates in the reference crystal.
        cells: Lengths [angstrom] and angles [degrees], `n x 6`.
        u: Free coordinates of all sites, concatenated, `n x f`.
    """
    ends = np.cumsum([site.n_free for site, _ in sites])
    positions = []
    for (site, _), end in zip(sites, ends, strict=True):
        basis = np.array(site.basis, dtype=float).reshape(-1, 3)
        positions.append(np.array(site.offset) + u[:, end - site.n_free : end] @ basis)
    reference = [site.point(v) for site, v in sites]
    is_polar = np.abs(polar_projector(space_group)).max() > 1e-6
    anchors = list(range(len(sites))) if is_polar else [None]
    return [
        _description(space_group, reference, positions, cells, operation, anchor)
        for operation in normalizer_operations(space_group)
        for anchor in anchors
    ]


def _description(
    space_group: int,
    reference: list[Array],
    positions: list[Array],
    cells: Array,
    operation: tuple[Array, Array],
    anchor: int | None,
) -> Description:
    """Return all crystals after a normalizer operation, with the origin on the anchor along polar directions.

    Args:
        space_group: Space group of all crystals.
        reference: Fractional coordinates (3) of each site in the reference crystal.
        positions: Fractional coordinates (`n x 3`) of each site.
        cells: Lengths and angles, `n x 6`.
        operation: Change `x -> Q x + s` of axes and origin.
        anchor: Index of the site that is moved to the origin of the polar directions, if any.
    """
    Q, s = operation
    polar = polar_projector(space_group)
    shift, reference_shift = np.broadcast_to(s, (len(cells), 3)), s
    if anchor is not None:
        shift = s - (positions[anchor] @ Q.T + s) @ polar.T
        reference_shift = s - polar @ (Q @ reference[anchor] + s)
    sites, canonical_positions = [], []
    for point, points in zip(reference, positions, strict=True):
        site, images = _place_all(space_group, Q @ point + reference_shift, points @ Q.T + shift)
        sites.append(site)
        canonical_positions.append(images)
    turned = cells.copy()
    if family(space_group) == "orthorhombic":
        turned[:, :3] = cells[:, :3] @ np.abs(Q).T
    return Description(sites, np.stack(canonical_positions, axis=1), np.round(turned, 5), anchor)


def _place_all(space_group: int, point: Array, points: Array) -> tuple[Site, Array]:
    """Return the site of a reference point, and the canonical images on it of points with the same site symmetry.

    Args:
        space_group: Number of the space group, 1 to 230.
        point: Fractional coordinates of the reference point (3).
        points: Fractional coordinates of the other points, `n x 3`.

    Returns:
        The site and the canonical images, `n x 3`.
    """
    site, _ = place(space_group, point, tolerance=1e-3)
    offset = np.array(site.offset)
    if not site.n_free:
        return site, np.broadcast_to(snap_all(offset), points.shape)
    basis = np.array(site.basis, dtype=float)
    inverse = np.linalg.pinv(basis)
    R, t = operators(space_group)
    moved = R @ point + t
    lifted = (moved - np.floor(moved + 1e-4))[:, None] + LATTICE_STEPS
    relative = lifted - offset
    is_on_site = np.abs(relative - relative @ inverse @ basis).max(-1) < 2e-3
    rows = np.flatnonzero(is_on_site.any(1))
    steps = lifted[rows, is_on_site[rows].argmax(1)] - moved[rows]
    images = np.einsum("kij,nj->kni", R[rows], points) + (t[rows] + steps - offset)[:, None]
    u = (images @ inverse) % 1.0
    u = np.round(np.where(u > 1 - 1e-6, 0.0, u) * 1e6).astype(np.int64)
    order = u @ 1_000_001 ** np.arange(site.n_free - 1, -1, -1)
    first = u[order.argmin(0), np.arange(len(points))] / 1e6
    return site, snap_all(offset + first @ basis)


def _first_crystal(space_group: int, descriptions: list[Description], i: int, symbols: Sequence[str]) -> Crystal:
    """Return the description of crystal `i` that is first in the order of `symmetry.canonical`."""
    counts: Counter[str] = Counter()
    for symbol, site in zip(symbols, descriptions[0].sites, strict=True):
        counts[symbol] += site.multiplicity
    rarest = min(counts, key=lambda e: (counts[e], e))
    best: tuple[tuple[object, ...], Crystal] | None = None
    for description in descriptions:
        if description.anchor is not None and symbols[description.anchor] != rarest:
            continue
        rows = zip(symbols, description.sites, description.positions[i].tolist(), strict=True)
        orbits = sorted((site.letter, symbol, tuple(x), site.multiplicity) for symbol, site, x in rows)
        a, b, c, alpha, beta, gamma = description.cells[i].tolist()
        cell: Cell = (a, b, c, alpha, beta, gamma)
        rank = (
            tuple((multiplicity, letter, symbol) for letter, symbol, _, multiplicity in orbits),
            [round(v, 2) for v in cell],
            tuple(x for _, _, x, _ in orbits),
        )
        if best is None or rank < best[0]:
            crystal = Crystal(space_group, cell, tuple(Orbit(e, letter, x, m) for letter, e, x, m in orbits))
            best = (rank, crystal)
    assert best is not None  # the rarest element lies on some site
    return best[1]
