"""Random search for new 4-connected nets.

Random sites in a space group are moved until each has four neighbours at 3.07 angstrom.
"""

from __future__ import annotations

import numpy as np

from invdesign.core import Array, InvdesignError, Progress, silent
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.canonical import crystal_of
from invdesign.domains.crystals.symmetry.wyckoff import free_cell, full_cell, images, lattice_of, operators, place
from invdesign.domains.crystals.zeolites.geometry_optimization import decorate, optimize_sites
from invdesign.domains.crystals.zeolites.silica import remove_oxygens
from invdesign.domains.crystals.zeolites.topology import topology_of

# Space groups that are frequent among known frameworks and have sites on planes and axes.
GROUPS = (63, 71, 74, 69, 65, 47, 51, 62, 139, 140, 136, 131, 141, 166, 191, 193, 194, 225, 229, 12, 72, 64)
# Range of framework densities that are drawn [T sites per 1,000 cubic angstrom]; it covers zeolites.
FRAMEWORK_DENSITY = (12.5, 20.0)
# Limits of the optimized framework [angstrom].
MAX_RESIDUAL, MIN_CLEARANCE = 0.02, 2.3
MIN_SITES = 6
# Attempts after which the search stops: a base, and a number for each net.
BASE_ATTEMPTS, ATTEMPTS_PER_NET = 2_000, 2_000


def generate_random_nets(
    *, n: int, seed: int = 0, max_orbits: int = 4, max_sites: int = 120, progress: Progress = silent
) -> list[Crystal]:
    """Generate 4-connected nets of T sites of distinct topology that silica can adopt without strain.

    Args:
        n: Number of nets.
        seed: Seed of the random draws; the first `k` of a longer list are the list of length `k`.
        max_orbits: Largest number of symmetrically distinct T sites.
        max_sites: Largest number of T sites in the conventional cell.
        progress: Called after each net with ("searching nets", nets found, n).

    Returns:
        `n` crystals of T sites.

    Raises:
        InvdesignError: Too few nets were found within the allowed number of attempts.
    """
    rng = np.random.default_rng([seed, 4])
    nets: dict[str, Crystal] = {}
    max_attempts = BASE_ATTEMPTS + ATTEMPTS_PER_NET * n
    n_attempts = 0
    while len(nets) < n:
        n_attempts += 1
        if n_attempts > max_attempts:
            raise InvdesignError(
                f"generate_random_nets: expected {n} nets, got {len(nets)} in {max_attempts:,} attempts. Request fewer"
            )
        net = _draw_net(rng, max_orbits, max_sites)
        if net is None:
            continue
        topology = topology_of(net).key
        if topology not in nets:
            nets[topology] = net
            progress("searching nets", len(nets), n)
    return list(nets.values())


def _draw_net(rng: np.random.Generator, max_orbits: int, max_sites: int) -> Crystal | None:
    """Draw sites, optimize them, and return the net, or None if there is none or it is strained."""
    group = int(rng.choice(GROUPS))
    n_orbits = int(rng.integers(1, max_orbits + 1))
    shape = np.array([1.0, 1.0, 1.0, 90.0, rng.uniform(90, 115), 90.0])
    shape[:3] = np.exp(rng.normal(0, 0.35, 3))
    shape = np.array(full_cell(group, shape[list(free_cell(group))]))
    T = np.concatenate([images(group, _draw_site(rng, group)) for _ in range(n_orbits)])
    if not MIN_SITES <= len(T) <= max_sites:
        return None
    volume = len(T) / rng.uniform(*FRAMEWORK_DENSITY) * 1000
    shape[:3] *= (volume / abs(np.linalg.det(lattice_of(tuple(shape))))) ** (1 / 3)
    R, t = operators(group)
    try:
        cell, atoms, _ = optimize_sites(lattice_of(tuple(shape)), T, R, t)
        framework = decorate(cell, atoms, max_seconds=2.0)
        if framework.residual > MAX_RESIDUAL or framework.clearance < MIN_CLEARANCE:
            return None
        net = crystal_of(remove_oxygens(framework.structure))
        return net if topology_of(net).is_framework else None
    except (InvdesignError, np.linalg.LinAlgError):
        return None


def _draw_site(rng: np.random.Generator, group: int) -> Array:
    """Draw a point (3, fractional); with probability 1/2, move it onto the nearest plane, axis or centre."""
    x = rng.random(3)
    if rng.random() < 0.5:
        site, u = place(group, x, tolerance=float(rng.uniform(0.05, 0.25)))
        x = site.point(np.array(u))
    return x
