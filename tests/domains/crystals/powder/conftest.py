"""Measured patterns that the tests of this folder share."""

import numpy as np
import pytest
from pymatgen.analysis.diffraction.xrd import XRDCalculator

from invdesign.domains.crystals.powder.measured import PowderPattern
from invdesign.domains.crystals.symmetry.canonical import structure_of

WAVELENGTH = 1.54184


@pytest.fixture(scope="session")
def simulate():
    """Return a function that measures a crystal: pymatgen's peaks with width, background and noise."""

    def measure(crystal, *, seed=0, zero=0.0):
        peaks = XRDCalculator("CuKa").get_pattern(structure_of(crystal), two_theta_range=(10, 85))
        angles = np.arange(10, 80, 0.02)
        shapes = np.exp(-((angles[:, None] - np.asarray(peaks.x) - zero) ** 2) / (2 * 0.07**2))
        expected = shapes @ np.asarray(peaks.y) + 8 * np.exp(-angles / 30) + 2
        counts = np.random.default_rng(seed).poisson(40 * expected)
        return PowderPattern(angles, counts.astype(float), WAVELENGTH)

    return measure
