"""Agreement of a calculated and a measured pattern, and cells and positions that agree best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize

from invdesign.core import Array
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.model.encoding import free_coordinates
from invdesign.domains.crystals.powder.diffraction import (
    Reflections,
    angles,
    lorentz_polarization,
    monomials,
    reciprocal_metric,
    reflections,
    scattering_factors,
)
from invdesign.domains.crystals.powder.measured import Measured
from invdesign.domains.crystals.symmetry.wyckoff import (
    Site,
    free_cell,
    full_cell,
    images,
    operators,
    place,
    snap,
)

SCAN_WIDTH = 0.5
"""Width of the peaks in the first search [degrees]."""
SCALES = np.linspace(0.89, 1.11, 41)
"""Factors by which the lengths of a cell are scaled in the first search."""
STRAIN, TURN, SHIFT = 0.03, 1.5, 0.03
"""Initial spread of the lengths (relative), the angles [degrees] and the zero of 2 theta [degrees]."""
LEVELS = ((0.5, 3), (0.25, 4), (0.1, 5))
"""Widths [degrees] at which patterns are compared in the refinement of a cell, and its generations at each of them."""
FAMILY, ELITE = 48, 8
"""Cells of a generation, and those that the next one is drawn from."""
WIDTHS = (0.04, 0.08, 0.15, 0.3)
"""Widths of calculated peaks that are compared with a measured pattern [degrees]."""
MAX_MOVE = 0.03
"""Typical change of a free coordinate in a refinement."""
MOVE_WEIGHT = 0.01
"""Loss of agreement that a change of all coordinates by `MAX_MOVE` must outweigh."""


@dataclass(frozen=True, eq=False)
class Model:
    """A crystal whose pattern is calculated: reflections, atoms as functions of the free coordinates."""

    crystal: Crystal
    """The crystal."""
    found: Reflections
    """Its reflections, as far as any tried cell needs them."""
    rotations: Array
    """Maps from an orbit's representative to its images, `n x 3 x 3`."""
    shifts: Array
    """Translations of these maps, `n x 3`."""
    owner: Array
    """Number of the orbit of each of the `n` atoms."""
    sites: tuple[Site, ...]
    """Site of each orbit."""
    u: Array
    """Free coordinates of all orbits, one after another."""

    @property
    def positions(self) -> Array:
        """Fractional coordinates of the atoms, `n x 3`."""
        return self.positions_at(self.u)

    def positions_at(self, u: Array) -> Array:
        """Return the fractional coordinates of the atoms at free coordinates."""
        points, start = [], 0
        for site in self.sites:
            points.append(site.point(u[start : start + site.n_free]))
            start += site.n_free
        moved: Array = np.einsum("nij,nj->ni", self.rotations, np.array(points)[self.owner]) + self.shifts
        return moved

    def jacobian(self) -> Array:
        """Return the change of the positions with each free coordinate, `n x 3 x n_free`."""
        columns, start = np.zeros((len(self.sites), 3, len(self.u))), 0
        for i, site in enumerate(self.sites):
            columns[i, :, start : start + site.n_free] = np.array(site.basis, dtype=float).reshape(-1, 3).T
            start += site.n_free
        turned: Array = self.rotations @ columns[self.owner]
        return turned


def make_model(crystal: Crystal, measured: Measured, *, margin: float = 1.0) -> Model:
    """Return the model of a crystal for a measured pattern.

    Args:
        crystal: The crystal.
        measured: The pattern, which limits the reflections.
        margin: Largest factor by which the lengths of the cell will grow: a larger cell has more reflections.
    """
    found = reflections(crystal.space_group, crystal.cell, measured.max_s * margin)
    R, t = operators(crystal.space_group)
    rotations, shifts, owner, sites, u = [], [], [], [], []
    for i, orbit in enumerate(crystal.orbits):
        site, _ = place(crystal.space_group, np.array(orbit.position))
        free = free_coordinates(site, orbit)
        x = site.point(free)
        moved = R @ x + t
        for image in images(crystal.space_group, x):
            difference = moved - image
            k = int(np.abs(difference - np.rint(difference)).max(1).argmin())
            rotations.append(R[k])
            shifts.append(t[k])
            owner.append(i)
        sites.append(site)
        u.extend(free.tolist())
    return Model(
        crystal, found, np.array(rotations), np.array(shifts), np.array(owner), tuple(sites), np.array(u, dtype=float)
    )


def _structure_factors(model: Model, s: Array, u: Array | None = None) -> tuple[Array, Array]:
    """Return structure factors (`m`) and the terms of the atoms (`m x n`)."""
    elements = sorted(model.crystal.counts)
    factors = scattering_factors(elements, s)
    orbit_elements = [elements.index(orbit.element) for orbit in model.crystal.orbits]
    positions = model.positions if u is None else model.positions_at(u)
    phase = 2 * np.pi * (model.found.hkl @ positions.T)
    terms = factors[np.array(orbit_elements)[model.owner]].T * np.exp(1j * phase)
    return terms.sum(1), terms


def agreement(measured: Array, calculated: Array) -> Array:
    """Return the cosine of a measured pattern (`n`) and calculated ones (`b x n`), `b`."""
    norms = np.linalg.norm(calculated, axis=-1) * np.linalg.norm(measured)
    cosine: Array = (calculated @ measured) / np.maximum(norms, 1e-12)
    return cosine


@dataclass(frozen=True)
class Fit:
    """A crystal fitted to a measured pattern."""

    crystal: Crystal
    """The crystal with the best cell."""
    zero: float
    """Shift of the measured angles [degrees]."""
    width: float
    """Standard deviation of the peaks [degrees]."""
    agreement: float
    """Cosine of the calculated and the measured pattern."""


def scan_scale(model: Model, coarse: Measured, *, sigma: float = SCAN_WIDTH) -> tuple[Crystal, float]:
    """Return a crystal at the scale that agrees best, all lengths changed alike, and its agreement.

    Args:
        model: The crystal.
        coarse: The measured pattern, broadened by `sigma`.
        sigma: Width of the calculated peaks [degrees].
    """
    n_free = len(free_cell(model.crystal.space_group))
    is_length = np.array(free_cell(model.crystal.space_group)) < 3
    cells = _cells(model.crystal, np.log(SCALES)[:, None] * is_length * np.ones((1, n_free)))
    cosine = _compare(model, intensities(model, coarse), cells, np.zeros(len(cells)), coarse, sigma)
    best = int(cosine.argmax())
    return _with_cell(model.crystal, cells[best]), float(cosine[best])


def fit_cell(model: Model, measured: Measured, levels: Sequence[Measured], rng: np.random.Generator) -> Fit:
    """Return a crystal with the cell that agrees best with a measured pattern, by a search in shrinking boxes.

    A generation of cells is drawn from a normal distribution around the best ones of the generation before, at
    first with broad peaks, then with narrow ones. The intensities of the reflections are those of the first cell until
    the end.

    Args:
        model: The crystal at about the right scale.
        measured: The pattern.
        levels: The pattern broadened by the widths of `LEVELS`.
        rng: Random numbers of the search.
    """
    free = free_cell(model.crystal.space_group)
    spread = np.array([STRAIN if i < 3 else TURN for i in free] + [SHIFT])
    center = np.zeros(len(spread))
    fixed = intensities(model, measured)
    n, n_less = (FAMILY, 0) if len(free) > 1 else (FAMILY // 2, 1)
    for (sigma, generations), coarse in zip(LEVELS, levels, strict=True):
        for _ in range(generations - n_less):
            drawn = center + spread * rng.standard_normal((n, len(spread)))
            drawn[0] = center
            cosine = _compare(model, fixed, _cells(model.crystal, drawn[:, :-1]), drawn[:, -1], coarse, sigma)
            elite = drawn[np.argsort(-cosine)[:ELITE]]
            center, spread = elite[0], np.maximum(elite.std(0) * 1.1, 1e-5)
        spread = np.maximum(spread, np.array([0.1 * sigma * (0.02 if i < 3 else 1.0) for i in free] + [0.02]))
    fitted = _with_cell(model.crystal, _cells(model.crystal, center[None, :-1])[0])
    return rate(replace(model, crystal=fitted), measured, zero=float(center[-1]))


def rate(model: Model, measured: Measured, *, zero: float = 0.0) -> Fit:
    """Return the agreement of a model as it is, at the width of its peaks that agrees best."""
    sharp = _own_pattern(model, measured, zero)
    cosines = [float(agreement(measured.intensity, measured.grid.broaden(sharp, width))[0]) for width in WIDTHS]
    best = int(np.argmax(cosines))
    return Fit(model.crystal, zero, WIDTHS[best], cosines[best])


def calculated_pattern(model: Model, measured: Measured, fit: Fit) -> Array:
    """Return the calculated pattern of a fit on the measured grid; the largest intensity is 100."""
    broadened: Array = measured.grid.broaden(_own_pattern(model, measured, fit.zero), fit.width)[0]
    return 100 * broadened / max(float(broadened.max()), 1e-12)


def refine_positions(model: Model, measured: Measured, fit: Fit, *, steps: int = 30) -> Model:
    """Return a model with the free coordinates that agree best with the intensities, near those it has.

    The pattern is a sum of peaks of fixed shape, so that its cosine with the measured one needs only the intensities of
    the reflections and their overlaps.
    """
    if not len(model.u):
        return model
    s = _inverse_distances(model, np.array([fit.crystal.cell]))[0]
    weight = model.found.multiplicity * lorentz_polarization(s, measured.wavelength)
    grid = measured.grid
    shapes = grid.broaden(grid.deposit(angles(s, measured.wavelength)[:, None] + fit.zero, np.ones(1)), fit.width)
    seen, overlaps = shapes @ measured.intensity / np.linalg.norm(measured.intensity), shapes @ shapes.T
    turns = 2 * np.pi * np.einsum("mi,niu->mnu", model.found.hkl, model.jacobian())
    start = model.u

    def loss(u: Array) -> tuple[float, Array]:
        F, terms = _structure_factors(model, s, u)
        intensity = np.abs(F) ** 2 * weight
        norm = math.sqrt(max(float(intensity @ overlaps @ intensity), 1e-12))
        cosine = float(seen @ intensity) / norm
        by_intensity = seen / norm - cosine * (overlaps @ intensity) / norm**2
        by_u = 2 * np.einsum("m,mn,mnu->mu", np.conj(F), 1j * terms, turns, optimize=True).real
        moved = (u - start) / MAX_MOVE
        penalty = MOVE_WEIGHT * float(moved @ moved) / len(u)
        gradient = -(by_intensity * weight) @ by_u + 2 * MOVE_WEIGHT * moved / MAX_MOVE / len(u)
        return 1 - cosine + penalty, gradient

    found: Any = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": steps})
    return replace(model, u=np.asarray(found.x), crystal=_with_coordinates(model, np.asarray(found.x)))


def _with_coordinates(model: Model, u: Array) -> Crystal:
    """Return the crystal of a model at other free coordinates."""
    orbits, start = [], 0
    for orbit, site in zip(model.crystal.orbits, model.sites, strict=True):
        orbits.append(replace(orbit, position=snap(site.point(u[start : start + site.n_free]) % 1.0)))
        start += site.n_free
    return replace(model.crystal, orbits=tuple(orbits))


def intensities(model: Model, measured: Measured) -> Array:
    """Return the intensities of the reflections of a model in its cell (`m`)."""
    s = _inverse_distances(model, np.array([model.crystal.cell]))[0]
    F, _ = _structure_factors(model, s)
    found: Array = np.abs(F) ** 2 * model.found.multiplicity * lorentz_polarization(s, measured.wavelength)
    return found


def _own_pattern(model: Model, measured: Measured, zero: float) -> Array:
    """Return the pattern of a model in its cell as sharp peaks, `1 x n`."""
    cells = np.array([model.crystal.cell])
    return _sharp_patterns(model, intensities(model, measured), cells, np.array([zero]), measured)


def _inverse_distances(model: Model, cells: Array) -> Array:
    """Return 1/d of the reflections of a model in cells, `b x m`."""
    found: Array = np.sqrt(np.maximum(reciprocal_metric(cells) @ monomials(model.found.hkl).T, 1e-12))
    return found


def _sharp_patterns(model: Model, fixed: Array, cells: Array, zeros: Array, measured: Measured) -> Array:
    """Return peaks of fixed intensities on the grid of a pattern, for cells (`b x 6`) and shifts of the angles."""
    two_theta = angles(_inverse_distances(model, cells), measured.wavelength) + zeros[:, None]
    return measured.grid.deposit(two_theta, fixed)


def _compare(model: Model, fixed: Array, cells: Array, zeros: Array, coarse: Measured, sigma: float) -> Array:
    """Return the agreement of a broadened pattern with a model in cells."""
    return agreement(coarse.intensity, coarse.grid.broaden(_sharp_patterns(model, fixed, cells, zeros, coarse), sigma))


def _cells(crystal: Crystal, changes: Array) -> Array:
    """Return cells (`b x 6`) with the free parameters changed: lengths by logarithms, angles by degrees."""
    free = free_cell(crystal.space_group)
    start = np.array(crystal.cell)[list(free)]
    is_length = np.array(free) < 3
    changed = np.where(is_length, start * np.exp(np.where(is_length, changes, 0.0)), start + changes)
    return np.array([full_cell(crystal.space_group, row) for row in changed])


def _with_cell(crystal: Crystal, cell: Array) -> Crystal:
    a, b, c, alpha, beta, gamma = (round(float(v), 5) for v in cell)
    return replace(crystal, cell=(a, b, c, alpha, beta, gamma))
