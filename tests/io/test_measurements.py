"""Measured values of rows: totals, repeats, bounds."""

import numpy as np
import pytest

from invdesign.io.design_tables import Row
from invdesign.io.measurements import Measurements


def merge(cells, designs, *, n_atoms=(), unit="", **options):
    rows = [Row(i, cells={"y": cell}, units={"y": unit}) for i, cell in enumerate(cells, start=2)]
    measured = Measurements.read(rows, {"y": "y"})
    for i, design in enumerate(designs):
        measured.assign(i, design)
    measured.n_atoms.update(enumerate(n_atoms))
    n = max(designs) + 1
    return measured.merge(n, [""] * n, **options)


@pytest.mark.parametrize(
    ("cells", "unit", "energies", "is_refused"),
    [
        (["-27.2", "-6.8"], "eV", ["y"], True),
        (["-27.2", "-27.2"], "eV", ["y"], True),
        (["-27.2", "-6.8"], "", [], True),
        (["-3.4", "-3.4"], "", ["y"], False),
        (["-3.4", "-3.4"], "eV/atom", ["y"], False),
        (["-3.4", "-3.4"], "kJ/mol", ["y"], False),
        (["1.2", "1.3"], "eV", [], False),
        (["0", "0"], "", [], False),
    ],
)
def test_totals_of_different_cells_of_one_design_are_refused(cells, unit, energies, is_refused):
    merged = merge([*cells, "5"], [0, 0, 1], n_atoms=[8, 2, 3], unit=unit, energies=energies)
    assert np.isnan(merged.properties["y"][0]) == is_refused and merged.properties["y"][1] == 5
    usage = merged.usage[0]
    assert (usage.n_used, usage.n_values) == (1 if is_refused else 3, 3)
    if is_refused:
        assert "cells of 2, 8 atoms of one design; set per_atom=[y]" in next(iter(usage.unused))


def test_totals_that_are_divided_by_the_atoms_are_averaged_or_contradict():
    divided = merge(["-27.2", "-6.8"], [0, 0], n_atoms=[8, 2], unit="eV", energies=["y"], per_atom=["y"])
    assert divided.properties["y"][0] == pytest.approx(-3.4) and not divided.usage[0].contradictions
    equal = merge(["-6.8", "-6.8"], [0, 0], n_atoms=[8, 2], unit="eV", energies=["y"], per_atom=["y"])
    assert equal.usage[0].contradictions


def test_notes_state_a_spread_of_plain_values_only():
    notes = merge([">50", "60", ">50", "<60"], [0, 0, 1, 1]).usage[0].notes
    assert notes == (
        "1 bound of 1 design beside plain values, which count alone",
        "2 bounds of 1 design without a plain value: the narrowest counts, or the middle between two",
    )
    notes = merge(["1", "3", "<9", "5"], [0, 0, 0, 1]).usage[0].notes
    assert notes[0] == "2 values of 1 repeated design merged into their means (standard deviation of the repeats 1.41)"
    assert notes[1].startswith("1 bound of 1 design beside")


@pytest.mark.parametrize(
    ("cells", "counting"),
    [
        ([">50", "<40"], "the middle of the narrowest bounds counts"),
        ([">50", "30"], "the plain value of 2 values counts"),
        ([">50", "30", "31"], "the mean of 2 plain values counts"),
        (["1", "30"], "the mean of 2 values counts"),
    ],
)
def test_a_contradiction_states_what_counts(cells, counting):
    assert merge(cells, [0] * len(cells)).usage[0].contradictions[0].endswith(f"; {counting}")
