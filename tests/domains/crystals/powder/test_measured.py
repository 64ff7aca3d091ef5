"""Measured powder patterns."""

import numpy as np
import pytest

from invdesign.core import InvdesignError
from invdesign.domains.crystals.powder.measured import (
    PowderPattern,
    parse_wavelength,
    prepare_pattern,
    read_pattern,
)

ANGLES = np.arange(10, 60, 0.05)
COUNTS = np.exp(-((ANGLES - 30) ** 2) / 0.02) * 900 + np.exp(-((ANGLES - 40) ** 2) / 0.02) * 300 + 100 - ANGLES


@pytest.mark.parametrize(
    ("name", "separator", "head"),
    [("a.xy", " ", "# measured\n"), ("b.xye", "\t", ""), ("c.csv", ", ", "2theta,intensity,esd\n")],
)
def test_tables_of_any_separator_and_header_are_read(tmp_path, name, separator, head):
    lines = [separator.join(f"{value:.4f}" for value in (x, y, 1.0)) for x, y in zip(ANGLES, COUNTS, strict=True)]
    (tmp_path / name).write_text(head + "\n".join(lines))
    pattern = read_pattern(tmp_path / name, 1.5406)
    assert pattern.two_theta == pytest.approx(ANGLES) and pattern.intensity == pytest.approx(COUNTS, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2\n3 4\n", "expected at least 50 lines"),
        ("\n".join(f"{i * 3} 5" for i in range(100)), "from 0 to 180 degrees"),
        ("\n".join(f"{i / 2} 5" for i in range(100)), "the same intensity everywhere"),
    ],
)
def test_a_file_that_is_no_pattern_is_refused(tmp_path, text, message):
    (tmp_path / "bad.xy").write_text(text)
    with pytest.raises(InvdesignError, match=message):
        read_pattern(tmp_path / "bad.xy", 1.5406)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InvdesignError, match="cannot be read"):
        read_pattern(tmp_path / "none.xy", 1.5406)


def test_a_wavelength_is_a_name_or_a_number():
    assert parse_wavelength("cu-Kα") == parse_wavelength("CuKa") == 1.54184
    assert parse_wavelength("0.71073") == 0.71073
    for text in ("Unobtainium", "15", "-1"):
        with pytest.raises(InvdesignError, match="wavelength: expected a number"):
            parse_wavelength(text)


def test_background_and_noise_are_removed_and_peaks_stay():
    counts = np.random.default_rng(0).poisson(np.maximum(COUNTS, 0)).astype(float)
    measured = prepare_pattern(PowderPattern(ANGLES, counts, 1.5406))
    angles = measured.grid.angles
    assert angles[measured.intensity.argmax()] == pytest.approx(30, abs=0.1)
    second = measured.intensity[np.abs(angles - 40) < 0.3].max()
    assert second == pytest.approx(33, abs=6)
    between = measured.intensity[np.abs(angles - 35) < 3]
    assert np.mean(between) < 1.0


def test_a_pattern_without_peaks_or_of_a_short_range_is_refused():
    noise = np.random.default_rng(0).normal(100, 1, len(ANGLES))
    for counts in (noise, np.linspace(0, 1, len(ANGLES))):
        with pytest.raises(InvdesignError, match="expected peaks above the noise"):
            prepare_pattern(PowderPattern(ANGLES, counts, 1.54))
    with pytest.raises(InvdesignError, match="at least 5 degrees"):
        prepare_pattern(PowderPattern(ANGLES[:60], COUNTS[:60], 1.54))
