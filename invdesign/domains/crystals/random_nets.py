"""New 4-connected nets: random sites in a space group, pulled until each has four neighbours at 3.07 angstrom."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from invdesign.core import Array, InvdesignError, Progress, silent
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.groups import free_cell, full_cell, images, lattice_of, operators, place
from invdesign.domains.crystals.nets import SI_SI, decorate, periodic
from invdesign.domains.crystals.symmetry import crystal_of, key, make
from invdesign.domains.crystals.zeolites import without_oxygen

# Groups in which many known frameworks crystallize, and that leave room for sites on planes and axes.
GROUPS = (63, 71, 74, 69, 65, 47, 51, 62, 139, 140, 136, 131, 141, 166, 191, 193, 194, 225, 229, 12, 72, 64)
# Sites that are not bonded keep this distance; what lies farther away than the second is not looked at (angstrom).
APART, FAR = 4.3, 6.0
# T sites in 1,000 cubic angstrom; zeolites lie between.
DENSITY = (12.5, 20.0)
MOST_RESIDUAL, LEAST_CLEARANCE = 0.02, 2.3


def random_nets(
    *, n: int, seed: int = 0, most_orbits: int = 4, most_sites: int = 120, progress: Progress = silent
) -> list[Crystal]:
    """So many distinct 4-connected nets of T sites, each of which silica can take without strain.

    Args:
        n: how many.
        seed: of the random draws; the first `k` of a longer list are the list of length `k`.
        most_orbits: 1 to so many T sites that differ.
        most_sites: T sites in the conventional cell.
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
        net = _try(rng, most_orbits, most_sites)
        if net is not None and (mark := key(net)) not in found:
            found[mark] = net
            progress("searching nets", len(found), n)
    return list(found.values())


def _try(rng: np.random.Generator, most_orbits: int, most_sites: int) -> Crystal | None:
    group = int(rng.choice(GROUPS))
    n_orbits = int(rng.integers(1, most_orbits + 1))
    shape = np.array([1.0, 1.0, 1.0, 90.0, rng.uniform(90, 115), 90.0])
    shape[:3] = np.exp(rng.normal(0, 0.35, 3))
    shape = np.array(full_cell(group, shape[list(free_cell(group))]))
    sites = [_site(rng, group) for _ in range(n_orbits)]
    size = sum(len(images(group, x)) for x in sites)
    if not 6 <= size <= most_sites:
        return None
    volume = size / rng.uniform(*DENSITY) * 1000
    shape[:3] *= (volume / abs(np.linalg.det(lattice_of(tuple(shape))))) ** (1 / 3)
    relaxed = _relaxed(group, shape, sites)
    if relaxed is None:
        return None
    cell, points = relaxed
    try:
        net = make(group, tuple(cell.tolist()), [("Si", x) for x in points])
        atoms = np.concatenate([images(group, np.array(o.position)) for o in net.orbits])
        framework = decorate(lattice_of(net.cell), atoms, most_seconds=2.0)
    except (InvdesignError, np.linalg.LinAlgError):
        return None
    if framework.residual > MOST_RESIDUAL or framework.clearance < LEAST_CLEARANCE:
        return None
    return crystal_of(without_oxygen(framework.structure))


def _site(rng: np.random.Generator, group: int) -> Array:
    """A random point, moved half of the time onto the plane, axis or centre nearest to it."""
    x = rng.random(3)
    if rng.random() < 0.5:
        site, u = place(group, x, tolerance=float(rng.uniform(0.05, 0.25)))
        x = site.point(np.array(u))
    return x


def _relaxed(group: int, cell: Array, sites: list[Array]) -> tuple[Array, list[Array]] | None:
    """Cell and representatives at the least of the misses; None where no four neighbours are in sight."""
    R, t = operators(group)
    columns = list(free_cell(group))
    placed = [place(group, x) for x in sites]
    ends = np.cumsum([0, *(site.n_free for site, _ in placed)])
    n_free = int(ends[-1])
    bases: list[Array] = []
    offsets: list[Array] = []
    firsts: list[int] = []
    for (site, u), start in zip(placed, ends, strict=False):
        basis = np.zeros((3, n_free))
        basis[:, start : start + site.n_free] = np.array(site.basis, dtype=float).reshape(-1, 3).T
        # One operator for each image: which, does not change while the point moves on its site.
        points = np.round((R @ site.point(np.array(u)) + t) % 1.0, 5) % 1.0
        own = np.unique(points, axis=0, return_index=True)[1]
        own = np.concatenate([[0], own[own != 0]])
        firsts.append(sum(len(block) for block in bases))
        bases.append(R[own] @ basis)
        offsets.append(R[own] @ np.array(site.offset) + t[own])
    motion, origin, first = np.concatenate(bases), np.concatenate(offsets), np.array(firsts)

    def lattice(x: Array) -> Array:
        return lattice_of(full_cell(group, np.exp(x[n_free:])))

    def misses(x: Array) -> tuple[float, Array]:
        atoms, L = motion @ x[:n_free] + origin, lattice(x)
        around, owner, _ = periodic(L, atoms, FAR)
        centers = (atoms[first] - np.floor(atoms[first])) @ L
        distance, index = cKDTree(around).query(centers, k=12, distance_upper_bound=FAR)
        distance, index = distance[:, 1:], np.minimum(index[:, 1:], len(owner) - 1)
        away = np.where(np.isfinite(distance), distance, FAR)
        force = np.concatenate([away[:, :4] - SI_SI, 0.5 * np.minimum(away[:, 4:] - APART, 0.0)], axis=1)
        value = (force[:, :4] ** 2).sum() + 2 * (force[:, 4:] ** 2).sum()
        force = np.where(np.isfinite(distance), 2 * force, 0.0)
        vectors = around[index] - centers[:, None]
        pull = force[..., None] * vectors / np.maximum(away, 1e-3)[..., None]
        relative = motion[owner[index]] - motion[first][:, None]
        slope = np.einsum("ija,ijaf->f", pull @ L.T, relative)
        by_cell = np.einsum("ija,ijb->ab", vectors @ np.linalg.inv(L), pull)
        steps = np.eye(len(x))[n_free:] * 1e-5
        bent = [((lattice(x + h) - lattice(x - h)) * by_cell).sum() / 2e-5 for h in steps]
        return float(value), np.concatenate([slope, bent])

    x0 = np.concatenate([*(np.array(u) for _, u in placed), np.log(cell[columns])])
    bounds = [(None, None)] * n_free + [(v - 0.7, v + 0.7) for v in x0[n_free:]]
    result = minimize(misses, x0, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 100})
    if result.fun > 0.15 * len(sites):
        return None
    points = motion[first] @ result.x[:n_free] + origin[first]
    return np.array(full_cell(group, np.exp(result.x[n_free:]))), list(points)
