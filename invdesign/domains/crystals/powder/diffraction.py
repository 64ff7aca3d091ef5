"""Calculated powder patterns: reflections of a crystal, their intensities, and broadened patterns on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from pymatgen.analysis.diffraction.xrd import ATOMIC_SCATTERING_PARAMS
from pymatgen.core.periodic_table import Element
from scipy import fft

from invdesign.core import Array, InvdesignError
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.wyckoff import lattice_of, operators

SCATTERING = 41.78214
"""Factor of the Mott-Bethe formula, by which the tables of pymatgen are given as electron scattering."""
WEAK = 2e-4
"""Reflections weaker than this share of the strongest one are left out."""
MAX_REFLECTIONS = 60_000
"""Largest number of points of the reciprocal lattice that are evaluated for one crystal."""


@dataclass(frozen=True, eq=False)
class Reflections:
    """Sets of symmetry-equivalent reflections of a space group in a cell."""

    hkl: Array
    """Miller indices of one reflection of each of the `m` sets, `m x 3`."""
    multiplicity: Array
    """Number of reflections of each set, Friedel pairs included (`m`)."""


def reciprocal_metric(cells: Array) -> Array:
    """Return the coefficients of 1/d^2 in h^2, k^2, l^2, kl, hl and hk for cells.

    Args:
        cells: Lengths [angstrom] and angles [degrees], `b x 6`.

    Returns:
        Coefficients [1/angstrom^2], `b x 6`.
    """
    lengths, cosines = cells[:, :3], np.cos(np.radians(cells[:, 3:]))
    metric = lengths[:, :, None] * lengths[:, None]
    for (i, j), cosine in zip(((1, 2), (0, 2), (0, 1)), cosines.T, strict=True):
        metric[:, i, j] *= cosine
        metric[:, j, i] *= cosine
    inverse = np.linalg.inv(metric)
    diagonal = inverse[:, range(3), range(3)]
    return np.concatenate([diagonal, 2 * inverse[:, (1, 0, 0), (2, 2, 1)]], axis=1)


def monomials(hkl: Array) -> Array:
    """Return h^2, k^2, l^2, kl, hl and hk (`m x 6`) of Miller indices."""
    h, k, i = hkl.T
    return np.stack([h * h, k * k, i * i, k * i, h * i, h * k], axis=1)


def reflections(space_group: int, cell: Sequence[float], max_s: float) -> Reflections:
    """Return the sets of equivalent reflections with 1/d up to a limit, without those that the centring forbids.

    Args:
        space_group: Number of the space group.
        cell: Lengths [angstrom] and angles [degrees].
        max_s: Largest 1/d [1/angstrom].

    Raises:
        InvdesignError: The cell is so large that the pattern would have too many reflections.
    """
    lattice = lattice_of(tuple(cell))
    highest = np.floor(np.linalg.norm(lattice, axis=1) * max_s + 1e-9).astype(int)
    if np.prod(2 * highest + 1) > MAX_REFLECTIONS:
        raise InvdesignError(
            f"powder pattern: expected at most {MAX_REFLECTIONS:,} reflections, got {np.prod(2 * highest + 1):,} in a "
            f"cell of {abs(np.linalg.det(lattice)):,.0f} A^3. Use a smaller range of angles"
        )
    axes = [np.arange(-n, n + 1) for n in highest]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    grid = grid[(np.sign(grid) @ np.array([9, 3, 1])) > 0]  # one of each Friedel pair
    squared = monomials(grid) @ reciprocal_metric(np.array([cell]))[0]
    grid = grid[squared <= max_s * max_s]
    phases = grid @ centrings(space_group).T
    grid = grid[(np.abs(phases - np.rint(phases)) < 1e-3).all(1)]
    labels = np.zeros(len(grid), dtype=np.int64)
    for R in point_group(space_group):
        h, k, i = (grid @ R).T
        code = (h + 500) * 1_000_000 + (k + 500) * 1000 + i + 500
        # -hkl has the code `mirror - code`
        labels = np.maximum(labels, np.maximum(code, 2 * (500 * 1_000_000 + 500 * 1000 + 500) - code))
    _, first, counts = np.unique(labels, return_index=True, return_counts=True)
    return Reflections(grid[first].astype(np.float64), 2.0 * counts.astype(np.float64))


@cache
def point_group(space_group: int) -> tuple[Array, ...]:
    """Return the distinct rotations of a space group as integer matrices."""
    R, _ = operators(space_group)
    return tuple(np.unique(np.rint(R).astype(np.int64), axis=0))


@cache
def centrings(space_group: int) -> Array:
    """Return the centring translations of a space group, `k x 3`."""
    R, t = operators(space_group)
    is_identity = np.abs(R - np.eye(3)).max((1, 2)) < 0.5
    shifts: Array = t[is_identity] - t[is_identity][0]
    return shifts


def scattering_factors(elements: Sequence[str], s: Array) -> Array:
    """Return the atomic scattering factors of elements at 1/d = `s` (`m`): `k x m`.

    Raises:
        InvdesignError: An element has no tabulated factors.
    """
    quarter = (s / 2) ** 2
    rows = []
    for element in elements:
        number, a, b = _scattering_parameters(element)
        rows.append(number - SCATTERING * quarter * (a[:, None] * np.exp(-b[:, None] * quarter)).sum(0))
    return np.array(rows)


@lru_cache
def _scattering_parameters(element: str) -> tuple[int, Array, Array]:
    if element not in ATOMIC_SCATTERING_PARAMS:
        raise InvdesignError(f"powder pattern: expected an element with known scattering factors, got {element!r}")
    a, b = np.array(ATOMIC_SCATTERING_PARAMS[element]).T
    return Element(element).Z, a, b


def lorentz_polarization(s: Array, wavelength: float) -> Array:
    """Return the Lorentz and polarization factor at 1/d = `s`; 0 beyond the limit of reflection."""
    sine = np.clip(s * wavelength / 2, 1e-6, 1 - 1e-9)
    theta = np.arcsin(sine)
    factor: Array = (1 + np.cos(2 * theta) ** 2) / (sine**2 * np.cos(theta))
    return np.where(s * wavelength < 2, factor, 0.0)


def angles(s: Array, wavelength: float) -> Array:
    """Return 2 theta [degrees] at 1/d = `s` [1/angstrom]; NaN beyond the limit of reflection."""
    with np.errstate(invalid="ignore"):
        two_theta: Array = 2 * np.degrees(np.arcsin(s * wavelength / 2))
    return two_theta


def squared_structure_factors(hkl: Array, s: Array, species: Sequence[str], positions: Array) -> Array:
    """Return |F|^2 of reflections (`m`).

    Args:
        hkl: Miller indices, `m x 3`.
        s: Their 1/d [1/angstrom], `m`.
        species: Elements of the `n` atoms of the cell.
        positions: Their fractional coordinates, `n x 3`.
    """
    elements = sorted(set(species))
    factors = scattering_factors(elements, s)
    phase = 2 * np.pi * (hkl @ positions.T)
    owner = np.array([elements.index(e) for e in species])
    F = np.zeros(len(hkl), dtype=complex)
    for i in range(len(elements)):
        part = phase[:, owner == i]
        F += factors[i] * (np.cos(part).sum(1) + 1j * np.sin(part).sum(1))
    return np.abs(F) ** 2


def peaks(
    crystal: Crystal, species: Sequence[str], positions: Array, wavelength: float, max_angle: float
) -> tuple[Array, Array]:
    """Return 2 theta [degrees] and intensities (the strongest is 100) of the reflections of a crystal, in order.

    Args:
        crystal: The crystal.
        species: Elements of its atoms, as `canonical.expand` returns them.
        positions: Their fractional coordinates.
        wavelength: Wavelength [angstrom].
        max_angle: Largest 2 theta [degrees].
    """
    max_s = 2 * np.sin(np.radians(max_angle / 2)) / wavelength
    found = reflections(crystal.space_group, crystal.cell, max_s)
    s = np.sqrt(monomials(found.hkl) @ reciprocal_metric(np.array([crystal.cell]))[0])
    strength = squared_structure_factors(found.hkl, s, species, positions) * found.multiplicity
    intensity = strength * lorentz_polarization(s, wavelength)
    order = np.argsort(s)
    order = order[intensity[order] > WEAK * intensity.max(initial=0.0)]
    scaled: Array = 100 * intensity[order] / intensity.max(initial=1e-300)
    return angles(s[order], wavelength), scaled


@dataclass(frozen=True)
class Grid:
    """Equidistant angles on which patterns are compared."""

    first: float
    """First 2 theta [degrees]."""
    step: float
    """Distance of the points [degrees]."""
    n: int
    """Number of points."""

    @property
    def angles(self) -> Array:
        """2 theta of the points [degrees]."""
        return self.first + self.step * np.arange(self.n, dtype=np.float64)

    def deposit(self, two_theta: Array, intensity: Array) -> Array:
        """Return intensities summed on the grid, each divided between the two nearest points.

        Args:
            two_theta: Angles of peaks [degrees], `b x m`; NaN and angles beyond the grid are left out.
            intensity: Their intensities, `b x m` or `m`.

        Returns:
            `b x n`.
        """
        at = (np.nan_to_num(two_theta, nan=-1e6) - self.first) / self.step
        at = np.where((at >= 0) & (at < self.n - 1), at, -1.0)
        below = np.floor(at).astype(np.int64)
        share = at - below
        weight = np.broadcast_to(intensity, at.shape) * (at >= 0)
        rows = np.arange(len(at))[:, None] * (self.n + 1) + 1  # slot 0 of a row takes what lies beyond
        n_slots = len(at) * (self.n + 1) + 2
        flat = np.zeros(n_slots)
        for slots, part in ((rows + below, 1 - share), (rows + below + 1, share)):
            flat += np.bincount(slots.ravel(), (weight * part).ravel(), n_slots)
        return flat[: n_slots - 2].reshape(len(at), self.n + 1)[:, 1:]

    def broaden(self, patterns: Array, sigma: float) -> Array:
        """Return patterns (`b x n`) convolved with a Gaussian of standard deviation `sigma` [degrees]."""
        padded = fft.next_fast_len(self.n + int(np.ceil(4 * sigma / self.step)), real=True)
        transfer = np.exp(-2 * (np.pi * sigma * fft.rfftfreq(padded, self.step)) ** 2)
        broadened: Array = fft.irfft(fft.rfft(patterns, padded) * transfer, padded)
        return broadened[..., : self.n]
