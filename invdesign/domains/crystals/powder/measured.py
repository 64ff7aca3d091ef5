"""Measured powder patterns: reading, wavelengths, background and resampling."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pymatgen.analysis.diffraction.xrd import WAVELENGTHS
from scipy.ndimage import gaussian_filter1d

from invdesign.core import Array, InvdesignError
from invdesign.domains.crystals.powder.diffraction import Grid

STEP = 0.05
"""Distance of the points at which patterns are compared [degrees]."""
MIN_ANGLE, MAX_ANGLE = 3.0, 120.0
"""Range of 2 theta that is used [degrees]."""
MIN_POINTS = 50
"""Smallest number of points of a measured pattern."""
BACKGROUND_WIDTH = 3.0
"""Half of the width over which a pattern is clipped to find its background [degrees]: wider than a peak."""
POINTS_PER_SIGMA = 2.5
"""Points within a standard deviation of a broadened peak."""
NOISE_SIGMAS = 2.0
"""Intensities below this multiple of the noise are taken for background."""
SMOOTHING = 0.15
"""Width over which noise is averaged before the background is found [degrees]."""
MIN_PEAK, MIN_CONTRAST = 6.0, 0.05
"""Smallest height of the highest peak, in units of the noise and of the range of all intensities."""
NUMBERS = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
SUFFIXES = (".xy", ".xye", ".csv", ".txt", ".dat")


@dataclass(frozen=True, eq=False)
class PowderPattern:
    """Intensities of a powder over the diffraction angle."""

    two_theta: Array
    """Angles [degrees], ascending (`n`)."""
    intensity: Array
    """Intensities in any unit (`n`)."""
    wavelength: float
    """Wavelength [angstrom]."""


def parse_wavelength(text: str) -> float:
    """Return a wavelength [angstrom] given by name (CuKa, CuKa1, MoKa, ...) or as a number.

    Raises:
        InvdesignError: No such name, or no number between 0.1 and 5 angstrom.

    Example:
        >>> parse_wavelength("CuKa1"), parse_wavelength("0.4137")
        (1.54056, 0.4137)
    """
    names = {name.lower(): value for name, value in WAVELENGTHS.items()}
    word = text.strip().lower()
    name = word.replace("α", "a").replace("-", "").replace(" ", "")
    if name in names:
        return float(names[name])
    if NUMBERS.fullmatch(word) and 0.1 <= float(word) <= 5.0:
        return float(word)
    raise InvdesignError(
        f"wavelength: expected a number of angstrom between 0.1 and 5, or one of {', '.join(WAVELENGTHS)}, got {text!r}"
    )


def read_pattern(path: Path, wavelength: float) -> PowderPattern:
    """Read a table of angles and intensities: .xy, .xye or .csv, with any header lines.

    Columns are separated by spaces, tabs, commas or semicolons; those after the second are not used. Lines that do not
    begin with a number are headers or comments and are left out.

    Args:
        path: The file.
        wavelength: Wavelength [angstrom].

    Raises:
        InvdesignError: The file cannot be read, or is no pattern.
    """
    try:
        lines = Path(path).read_text("utf-8", errors="replace").splitlines()
    except OSError as error:
        raise InvdesignError(f"{path}: cannot be read ({error.strerror}). Give a .xy, .xye or .csv file") from error
    rows = [row for row in map(_numbers_of, lines) if row is not None]
    if len(rows) < MIN_POINTS:
        raise InvdesignError(
            f"{path}: expected at least {MIN_POINTS} lines with an angle and an intensity, got {len(rows)}. Give a "
            "table of two columns, e.g. .xy"
        )
    table = np.array(sorted(rows))
    two_theta, first = np.unique(table[:, 0], return_index=True)
    intensity = table[first, 1]
    if two_theta[0] < 0 or two_theta[-1] > 180:
        raise InvdesignError(
            f"{path}: expected angles 2 theta from 0 to 180 degrees in the first column, got {two_theta[0]:g} to "
            f"{two_theta[-1]:g}. Convert the pattern to 2 theta"
        )
    if intensity.max() <= intensity.min():
        raise InvdesignError(f"{path}: expected peaks, got the same intensity everywhere. Check the columns")
    return PowderPattern(two_theta, intensity, wavelength)


def _numbers_of(line: str) -> tuple[float, float] | None:
    """Return the first two numbers of a line; None for a line that does not begin with two finite numbers."""
    words = [word for word in re.split(r"[\s,;]+", line.strip()) if word]
    if len(words) < 2 or not all(NUMBERS.fullmatch(word) for word in words[:2]):
        return None
    return float(words[0]), float(words[1])


@dataclass(frozen=True, eq=False)
class Measured:
    """A measured pattern on the grid of comparison, without background."""

    grid: Grid
    """The grid."""
    intensity: Array
    """Intensities without background and noise; the largest is 100."""
    wavelength: float
    """Wavelength [angstrom]."""

    def broadened(self, sigma: float) -> Measured:
        """Return the pattern with broader peaks, on a grid that is as fine as these need.

        Args:
            sigma: Standard deviation of the Gaussian that the pattern is convolved with [degrees].
        """
        step = max(self.grid.step, sigma / POINTS_PER_SIGMA)
        grid = Grid(self.grid.first, step, int(self.grid.step * (self.grid.n - 1) / step) + 1)
        smooth = self.grid.broaden(self.intensity[None], sigma)[0]
        return Measured(grid, np.interp(grid.angles, self.grid.angles, smooth), self.wavelength)

    @property
    def max_angle(self) -> float:
        """Largest 2 theta [degrees]."""
        return self.grid.first + self.grid.step * (self.grid.n - 1)

    @property
    def max_s(self) -> float:
        """Largest 1/d [1/angstrom]."""
        return float(2 * np.sin(np.radians(self.max_angle / 2)) / self.wavelength)


def prepare_pattern(pattern: PowderPattern) -> Measured:
    """Return a pattern on the grid of comparison, without background and noise.

    Raises:
        InvdesignError: The pattern has less than five degrees within the range that is used, or no peak.
    """
    low, high = max(MIN_ANGLE, pattern.two_theta[0]), min(MAX_ANGLE, pattern.two_theta[-1])
    n = int((high - low) / STEP) + 1
    if high - low < 5:
        raise InvdesignError(
            f"powder pattern: expected at least 5 degrees between {MIN_ANGLE:g} and {MAX_ANGLE:g}, got "
            f"{pattern.two_theta[0]:g} to {pattern.two_theta[-1]:g}. Give angles 2 theta in degrees"
        )
    grid = Grid(float(low), STEP, n)
    edges = np.concatenate([[low - STEP / 2], grid.angles + STEP / 2])
    intensity = _bin_means(pattern, edges)
    smooth = gaussian_filter1d(intensity, SMOOTHING / STEP, mode="nearest")
    signal = intensity - background(smooth, int(BACKGROUND_WIDTH / STEP))
    noise = float(np.median(np.abs(np.diff(intensity)))) / 0.954  # of the difference of two normal numbers
    if signal.max() < max(MIN_PEAK * noise, MIN_CONTRAST * float(np.ptp(intensity))):
        raise InvdesignError("powder pattern: expected peaks above the noise, got none. Check the columns of the file")
    signal = np.where(signal > NOISE_SIGMAS * noise, signal, 0.0)
    return Measured(grid, 100 * signal / signal.max(), pattern.wavelength)


def _bin_means(pattern: PowderPattern, edges: Array) -> Array:
    """Return the mean intensity between edges, by the integral of the pattern that is linear between its points."""
    x, y = pattern.two_theta, pattern.intensity
    integral = np.concatenate([[0.0], np.cumsum(np.diff(x) * (y[1:] + y[:-1]) / 2)])
    # The integral is quadratic between points; points at the edges make it exact there.
    at = np.clip(edges, x[0], x[-1])
    i = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    t = at - x[i]
    slope = (y[i + 1] - y[i]) / (x[i + 1] - x[i])
    values = integral[i] + y[i] * t + slope * t * t / 2
    widths = np.diff(at)
    means: Array = np.diff(values) / np.where(widths > 0, widths, 1.0)
    return np.where(widths > 0, means, y[np.clip(i[1:], 0, len(y) - 1)])


def background(intensity: Array, half_width: int) -> Array:
    """Return the background under the peaks of a pattern, by statistics-sensitive peak clipping.

    Args:
        intensity: Intensities at equidistant points (`n`).
        half_width: Half of the width of the widest peak [points].

    References:
        Ryan et al., Nucl. Instrum. Methods B 1988, doi:10.1016/0168-583X(88)90063-8.
    """
    low = float(intensity.min())
    level = np.log(np.log(np.sqrt(intensity - low + 1) + 1) + 1)
    for width in range(min(half_width, len(level) // 2 - 1), 0, -1):
        clipped = level.copy()
        clipped[width:-width] = np.minimum(level[width:-width], (level[: -2 * width] + level[2 * width :]) / 2)
        level = clipped
    found: Array = (np.exp(np.exp(level) - 1) - 1) ** 2 - 1 + low
    return found
