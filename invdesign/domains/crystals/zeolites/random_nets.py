"""New 4-connected nets: random sites in a space group, pulled until each has four neighbours at 3.07 angstrom."""

from __future__ import annotations

import numpy as np

from invdesign.core import Array, InvdesignError, Progress, silent
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.canonical import crystal_of
from invdesign.domains.crystals.symmetry.wyckoff import free_cell, full_cell, images, lattice_of, operators, place
from invdesign.domains.crystals.zeolites.geometry_optimization import decorate, pulled
from invdesign.domains.crystals.zeolites.silica import without_oxygen
from invdesign.domains.crystals.zeolites.topology import topology_of

# Groups in which many known frameworks crystallize, and that leave room for sites on planes and axes.
GROUPS = (63, 71, 74, 69, 65, 47, 51, 62, 139, 140, 136, 131, 141, 166, 191, 193, 194, 225, 229, 12, 72, 64)
# Sites that are not bonded keep this distance; what lies farther away than the second is not looked at (angstrom).
APART, FAR = 4.3, 6.0
# T sites in 1,000 cubic angstrom; zeolites lie between.
DENSITY = (12.5, 20.0)
MAX_RESIDUAL, MIN_CLEARANCE = 0.02, 2.3


def random_nets(
    *, n: int, seed: int = 0, max_orbits: int = 4, max_sites: int = 120, progress: Progress = silent
) -> list[Crystal]:
    """So many 4-connected nets of T sites of different topology, each of which silica can take without strain.

    Args:
        n: how many.
        seed: of the random draws; the first `k` of a longer list are the list of length `k`.
        max_orbits: 1 to so many T sites that differ.
        max_sites: T sites in the conventional cell.
        progress: called after each with ("searching nets", found, n).

    Raises:
        InvdesignError: the search runs dry.
    """
    rng = np.random.default_rng([seed, 4])
    found: dict[str, Crystal] = {}
    tries = 0
    while len(found) < n:
        tries += 1
        if tries > 2_000 + 2_000 * n:
            raise InvdesignError(f"random_nets: only {len(found)} of {n} nets in {tries:,} tries; ask for fewer")
        net = _try(rng, max_orbits, max_sites)
        if net is not None and (mark := topology_of(net).key) not in found:
            found[mark] = net
            progress("searching nets", len(found), n)
    return list(found.values())


def _try(rng: np.random.Generator, max_orbits: int, max_sites: int) -> Crystal | None:
    group = int(rng.choice(GROUPS))
    n_orbits = int(rng.integers(1, max_orbits + 1))
    shape = np.array([1.0, 1.0, 1.0, 90.0, rng.uniform(90, 115), 90.0])
    shape[:3] = np.exp(rng.normal(0, 0.35, 3))
    shape = np.array(full_cell(group, shape[list(free_cell(group))]))
    T = np.concatenate([images(group, _site(rng, group)) for _ in range(n_orbits)])
    if not 6 <= len(T) <= max_sites:
        return None
    volume = len(T) / rng.uniform(*DENSITY) * 1000
    shape[:3] *= (volume / abs(np.linalg.det(lattice_of(tuple(shape))))) ** (1 / 3)
    try:
        cell, atoms, _ = pulled(lattice_of(tuple(shape)), T, *operators(group))
        framework = decorate(cell, atoms, max_seconds=2.0)
        if framework.residual > MAX_RESIDUAL or framework.clearance < MIN_CLEARANCE:
            return None
        net = crystal_of(without_oxygen(framework.structure))
        return net if topology_of(net).is_framework else None
    except (InvdesignError, np.linalg.LinAlgError):
        return None


def _site(rng: np.random.Generator, group: int) -> Array:
    """A random point, moved half of the time onto the plane, axis or centre nearest to it."""
    x = rng.random(3)
    if rng.random() < 0.5:
        site, u = place(group, x, tolerance=float(rng.uniform(0.05, 0.25)))
        x = site.point(np.array(u))
    return x
