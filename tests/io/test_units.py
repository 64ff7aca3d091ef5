"""Units as tables write them, and their conversion by metric prefixes."""

import pytest

from invdesign.io.units import conversion_factor, parse_unit, split_heading


@pytest.mark.parametrize(
    ("unit", "target", "factor"),
    [
        ("uM", "nM", 1e3),
        ("µM", "nM", 1e3),
        ("\u03bcM", "uM", 1),
        ("mg/mL", "g/L", 1),
        ("kcal/mol", "cal mol-1", 1e3),
        ("kJ·mol⁻¹", "J/mol", 1e3),
        ("meV/atom", "eV/atom", 1e-3),
        ("GPa", "MPa", 1e3),
        ("umol/L", "nM", 1e3),
        ("kDa", "g/mol", 1e3),
        ("days", "d", 1),
        ("eV", "eV/atom", None),
        ("widgets", "widgets", 1),
        ("min", "s", None),
        ("nM", "mg/L", None),
        ("nM", "widgets", None),
    ],
)
def test_units_that_differ_by_prefixes_are_converted(unit, target, factor):
    assert conversion_factor(unit, target) == factor


@pytest.mark.parametrize(
    ("heading", "parts"),
    [
        ("IC50 (nM)", ("IC50", "nM")),
        ("IC50 [µM]", ("IC50", "µM")),
        ("Kd(nM)", ("Kd", "nM")),
        ("IC50_nM", ("IC50", "nM")),
        ("IC50, nM", ("IC50", "nM")),
        ("IC50 / nM", ("IC50", "nM")),
        ("E (eV/atom)", ("E", "eV/atom")),
        ("Tm (°C)", ("Tm", "°C")),
        ("inhibition (%)", ("inhibition", "%")),
        ("log S", ("log S", "")),
        ("c_m", ("c_m", "")),
        ("name (short)", ("name (short)", "")),
        ("formation_energy_per_atom", ("formation_energy_per_atom", "")),
    ],
)
def test_a_heading_is_split_into_name_and_unit(heading, parts):
    assert split_heading(heading) == parts


@pytest.mark.parametrize("text", ["", "repeats", "n=3", "/", "5", "xM", "±"])
def test_other_texts_are_no_units(text):
    assert parse_unit(text) is None
