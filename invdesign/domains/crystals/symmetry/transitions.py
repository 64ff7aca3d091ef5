"""Tables of how free coordinates change between the equivalent descriptions of a crystal.

A change of axes and origin `x -> Q x + s` that leaves a space group as it is maps a Wyckoff position to a Wyckoff
position. Free coordinates change by `u -> u M + v`, with one pair of `M` and `v` for each operator that leads to the
canonical subspace. The tables depend on the space group only, so that a crystal is described by a few products.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

import numpy as np

from invdesign.core import Array
from invdesign.domains.crystals.symmetry.wyckoff import Site, normalizer_operations, site_frame, snap_all

# Free coordinates without accidental symmetry.
GENERIC = np.array([0.1618034, 0.3141593, 0.0693147])


@dataclass(frozen=True, eq=False)
class Transition:
    """Change of the free coordinates of a site by one normalizer operation, in `c` ways that the group allows."""

    site: Site
    """Site after the operation."""
    M: Array
    """Linear parts, `c x n_free x n_free`."""
    v: Array
    """Constant parts, `c x n_free`."""
    inverse: Array
    """Map from a shift of the origin to the change of the free coordinates, `3 x n_free`."""


@dataclass(frozen=True, eq=False)
class StackedTransitions:
    """Transitions of one site by `k` normalizer operations, each in at most `c` ways; repeated to `c`."""

    M: Array
    """Linear parts, `k x c x n_free x n_free`."""
    v: Array
    """Constant parts, `k x c x n_free`."""
    inverse: Array
    """Maps from a shift of the origin to free coordinates, `k x 3 x n_free`."""
    offset: Array
    """Offsets of the sites after the operations, `k x 3`."""
    basis: Array
    """Bases of the sites after the operations, `k x n_free x 3`."""

    @cached_property
    def fixed_positions(self) -> Array:
        """Positions of an atom without free coordinates in every description, `k x 1 x 3`."""
        return snap_all(self.offset)[:, None]

    def first_positions(self, u: Array, shifts: Array | None) -> Array:
        """Return the canonical positions of an atom in every description.

        Args:
            u: Free coordinates (`n_free`).
            shifts: Shift of the origin in polar groups for each operation and anchor, `k x a x 3`.

        Returns:
            Positions, `k x a x 3`, with `a = 1` without shifts.
        """
        if not len(u):
            return self.fixed_positions
        moved = (u @ self.M + self.v)[:, None]
        if shifts is not None:
            moved = moved - (shifts @ self.inverse)[:, :, None]
        moved = moved % 1.0
        coded = np.rint(np.where(moved > 1 - 1e-6, 0.0, moved) * 1e6).astype(np.int64)
        order = coded @ 1_000_001 ** np.arange(len(u) - 1, -1, -1)
        k, a, _ = order.shape
        first = coded[np.arange(k)[:, None], np.arange(a), order.argmin(2)]
        return snap_all(self.offset[:, None] + (first / 1e6) @ self.basis)


@cache
def transition(space_group: int, operation: int, site: Site) -> Transition:
    """Return the change of a site by a normalizer operation, given by its position in `normalizer_operations`."""
    Q, s = normalizer_operations(space_group)[operation]
    frame = site_frame(space_group, Q @ site.point(GENERIC[: site.n_free]) + s)
    basis = np.asarray(site.basis, dtype=float).reshape(-1, 3)
    offset = np.asarray(site.offset)
    target = np.asarray(frame.site.basis, dtype=float).reshape(-1, 3)
    inverse = np.linalg.pinv(target)
    M = np.round(np.einsum("fi,ji,ckj,kg->cfg", basis, Q, frame.rotations, inverse), 9)
    v = (frame.rotations @ (Q @ offset + s) + frame.shifts - np.asarray(frame.site.offset)) @ inverse
    v = np.round(np.round(v * 24) / 24 % 1.0, 9) if np.allclose(v * 24, np.round(v * 24), atol=1e-4) else v % 1.0
    flat = np.concatenate([M.reshape(len(M), -1), v.reshape(len(M), -1)], axis=1)
    rows = np.sort(np.unique(np.round(flat, 6), axis=0, return_index=True)[1]) if flat.shape[1] else np.arange(1)
    return Transition(frame.site, M[rows], v[rows], inverse)


@lru_cache(maxsize=65536)
def moved_sites(space_group: int, site: Site) -> tuple[Site, ...]:
    """Return the site to which each normalizer operation moves a site, in the order of `normalizer_operations`."""
    return tuple(transition(space_group, i, site).site for i in range(len(normalizer_operations(space_group))))


@lru_cache(maxsize=65536)
def stack(space_group: int, operations: tuple[int, ...], site: Site) -> StackedTransitions:
    """Return the transitions of a site by several normalizer operations as arrays."""
    found = [transition(space_group, operation, site) for operation in operations]
    n = max(len(each.M) for each in found)
    rows = [np.resize(np.arange(len(each.M)), n) for each in found]
    bases = [np.asarray(each.site.basis, dtype=float).reshape(-1, 3) for each in found]
    return StackedTransitions(
        np.stack([each.M[r] for each, r in zip(found, rows, strict=True)]),
        np.stack([each.v[r] for each, r in zip(found, rows, strict=True)]),
        np.stack([each.inverse for each in found]),
        np.array([each.site.offset for each in found]),
        np.stack(bases),
    )
