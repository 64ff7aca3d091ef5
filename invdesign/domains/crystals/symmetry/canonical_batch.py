"""Canonical descriptions of many crystals of one structure type at once: what `symmetry.canonical` does to one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from invdesign.core import Array
from invdesign.domains.crystals.crystal import Cell, Crystal, Orbit
from invdesign.domains.crystals.symmetry.wyckoff import Site, family, operators, place, polar, relabellings

STEPS = np.stack(np.meshgrid(*[(-1.0, 0.0, 1.0)] * 3, indexing="ij"), -1).reshape(-1, 3)


@dataclass(frozen=True)
class Moved:
    """One description of all crystals: sites, positions (`n x s x 3`) and cells (`n x 6`).

    `anchor` is the site that lies at the origin of a polar direction, if the group has one.
    """

    sites: list[Site]
    positions: Array
    cells: Array
    anchor: int | None


def canonical_batch(
    space_group: int, sites: list[tuple[Site, Array]], cells: Array, u: Array, elements: Sequence[Sequence[str]]
) -> list[Crystal]:
    """The canonical descriptions of crystals that differ by elements, cell lengths and free coordinates.

    The sites of a description and the operators that lead to its canonical representatives are looked for once, at
    the reference; only positions are computed for each crystal.

    Args:
        space_group: of all of them.
        sites: Wyckoff positions and their free coordinates in the reference crystal, `s`.
        cells: lengths (angstrom) and angles (degrees), `n x 6`.
        u: free coordinates of all sites together, `n x f`.
        elements: of each crystal, on each site.
    """
    found = descriptions(space_group, sites, cells, u)
    return [_first(space_group, found, i, symbols) for i, symbols in enumerate(elements)]


def descriptions(space_group: int, sites: list[tuple[Site, Array]], cells: Array, u: Array) -> list[Moved]:
    """All descriptions that differ by origin and axes; arguments as those of `canonical_batch`."""
    last = np.cumsum([site.n_free for site, _ in sites])
    x = [
        np.array(site.offset) + u[:, end - site.n_free : end] @ np.array(site.basis, dtype=float).reshape(-1, 3)
        for (site, _), end in zip(sites, last, strict=True)
    ]
    reference = [site.point(v) for site, v in sites]
    is_polar = np.abs(polar(space_group)).max() > 1e-6
    anchors = list(range(len(sites))) if is_polar else [None]
    return [
        _moved(space_group, reference, x, cells, Q, s, anchor)
        for Q, s in relabellings(space_group)
        for anchor in anchors
    ]


def _moved(
    space_group: int, reference: list[Array], x: list[Array], cells: Array, Q: Array, s: Array, anchor: int | None
) -> Moved:
    """All crystals with other axes and origin."""
    free = polar(space_group)
    shift, at_reference = np.broadcast_to(s, (len(cells), 3)), s
    if anchor is not None:
        shift = s - (x[anchor] @ Q.T + s) @ free.T
        at_reference = s - free @ (Q @ reference[anchor] + s)
    sites, positions = [], []
    for point, points in zip(reference, x, strict=True):
        site, at = _placed(space_group, Q @ point + at_reference, points @ Q.T + shift)
        sites.append(site)
        positions.append(at)
    turned = cells.copy()
    if family(space_group) == "orthorhombic":
        turned[:, :3] = cells[:, :3] @ np.abs(Q).T
    return Moved(sites, np.stack(positions, axis=1), np.round(turned, 5), anchor)


def _placed(space_group: int, point: Array, points: Array) -> tuple[Site, Array]:
    """The site of a point, and the canonical images (`n x 3`) on it of others that lie as it does."""
    site, _ = place(space_group, point, tolerance=1e-3)
    offset = np.array(site.offset)
    if not site.n_free:
        return site, np.broadcast_to(_neat(offset), points.shape)
    basis = np.array(site.basis, dtype=float)
    back = np.linalg.pinv(basis)
    R, t = operators(space_group)
    at = R @ point + t
    lifted = (at - np.floor(at + 1e-4))[:, None] + STEPS
    off = lifted - offset
    lies = np.abs(off - off @ back @ basis).max(-1) < 2e-3
    rows = np.flatnonzero(lies.any(1))
    steps = lifted[rows, lies[rows].argmax(1)] - at[rows]
    images = np.einsum("kij,nj->kni", R[rows], points) + (t[rows] + steps - offset)[:, None]
    u = (images @ back) % 1.0
    u = np.round(np.where(u > 1 - 1e-6, 0.0, u) * 1e6).astype(np.int64)
    order = u @ 1_000_001 ** np.arange(site.n_free - 1, -1, -1)
    best = u[order.argmin(0), np.arange(len(points))] / 1e6
    return site, _neat(offset + best @ basis)


def _neat(x: Array) -> Array:
    """Coordinates as `symmetry` writes them: special ones are fractions, others have six digits."""
    near = np.round(x * 24) / 24
    return np.where(np.abs(x - near) < 2e-6, near, np.round(x, 6)) + 0.0


def _first(space_group: int, found: list[Moved], i: int, symbols: Sequence[str]) -> Crystal:
    """The first of the descriptions of the crystal with number `i`, in the order of `symmetry.canonical`."""
    counts: Counter[str] = Counter()
    for symbol, site in zip(symbols, found[0].sites, strict=True):
        counts[symbol] += site.multiplicity
    rarest = min(counts, key=lambda e: (counts[e], e))
    best: tuple[tuple[object, ...], Crystal] | None = None
    for moved in found:
        if moved.anchor is not None and symbols[moved.anchor] != rarest:
            continue
        where = zip(symbols, moved.sites, moved.positions[i].tolist(), strict=True)
        orbits = sorted(((site.letter, symbol, tuple(at), site.multiplicity) for symbol, site, at in where))
        cell = moved.cells[i].tolist()
        rank = (
            tuple((m, letter, symbol) for letter, symbol, _, m in orbits),
            [round(v, 2) for v in cell],
            tuple(at for _, _, at, _ in orbits),
        )
        if best is None or rank < best[0]:
            a, b, c, alpha, beta, gamma = cell
            six: Cell = (a, b, c, alpha, beta, gamma)
            made = tuple(Orbit(symbol, letter, at, m) for letter, symbol, at, m in orbits)
            best = (rank, Crystal(space_group, six, made))
    assert best is not None  # the rarest element lies on some site
    return best[1]
