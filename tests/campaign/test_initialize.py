"""Designs that come measured: each value counts for its objective."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import toy

from invdesign.campaign import (
    BatchSelected,
    OutcomeRecorded,
    RoundRecord,
    apply,
    ask,
    check_named_units,
    check_seed_properties,
    initialize,
    start,
)
from invdesign.campaign.round_model import fit_surrogates
from invdesign.core import Corpus, InvdesignError, Objective, Outcome, ValueUsage
from invdesign.ledger.tables import from_rows, to_rows

DESIGNS = tuple((i, j) for i in range(-3, 4) for j in range(-3, 4))


def planes(designs):
    P = np.array(designs, dtype=float).reshape(-1, 2)
    return np.stack([P[:, 0] + P[:, 1], P[:, 0] - P[:, 1]], axis=1)


def campaign(*names, **changes):
    objectives = [Objective(name) for name in names or ("a", "b")]
    return toy.campaign(objectives=objectives, oracle=lambda d: planes(d)[:, : len(objectives)], **changes)


def seeds(*, known_a=slice(None), known_b=slice(None), **more):
    Y = planes(DESIGNS)
    columns = {}
    for name, column, rows in zip("ab", Y.T, (known_a, known_b), strict=True):
        columns[name] = np.full(len(DESIGNS), math.nan)
        columns[name][rows] = column[rows]
    return Corpus(DESIGNS, properties=columns, name="mine", **more)


def started(parts, source):
    engine = toy.engine(parts)
    return engine, start(engine, initialize(engine, seeds=source))


@pytest.mark.parametrize("combine", ["pareto", "weighted"])
def test_a_value_of_one_objective_counts_for_it(combine):
    parts = campaign()
    parts = replace(parts, task=replace(parts.task, combine=combine))
    engine, state = started(parts, seeds(known_b=slice(0, None, 3)))
    assert len(state.history) == len(DESIGNS) and all(c.status == "measured" for c in state.history)
    assert any("measured for some of the objectives only" in note for note in state.records[0].notes)
    model = fit_surrogates(engine, state)
    assert len(model.X) == len(DESIGNS) and bool(model.U.isfinite().all())
    if combine == "pareto":
        assert [len(part.X) for part in model.fitted.model.models] == [49, 17]
        np.testing.assert_allclose(model.U[:, 1], planes(DESIGNS)[:, 1], atol=0.5)
        assert len(model.report.rank_correlation) == 2
    assert ask(engine, state).candidates


def test_no_design_needs_to_be_measured_for_both_objectives():
    source = seeds(known_a=slice(0, None, 2), known_b=slice(1, None, 2))
    sparse = replace(source, designs=tuple((4 * i, 4 * j) for i, j in DESIGNS))
    engine, state = started(campaign(), sparse)
    assert state.regions
    assert len(ask(engine, state).candidates) > 0


def test_designs_without_a_value_are_counted_and_names_errors_and_bounds_survive():
    n = len(DESIGNS)
    errors, bounds = np.full(n, math.nan), np.zeros(n)
    errors[0], bounds[1] = 0.25, 1
    source = seeds(
        known_b=slice(0, 0),
        names=tuple(f"mine-{i}" for i in range(n)),
        errors={"a": errors},
        bounds={"a": bounds},
        usage=(ValueUsage("a", 50, 49, 49, unused={"no valid point": "7"}),),
    )
    source.properties["a"][5] = math.nan
    _, state = started(campaign("a"), replace(source, properties={"a": source.properties["a"]}))
    first, second = state.history[:2]
    assert first.name == "mine-0" and first.error == (0.25,) and first.bound == () and second.bound == (1,)
    notes = state.records[0].notes
    assert notes[0] == "mine: used 49 of 50 measured values" and notes[1] == "  a: not used: row 7 (no valid point)"
    assert "1 designs of mine without a value of an objective are not used" in notes
    domain = toy.Grid()
    batch = BatchSelected((first,), RoundRecord(0))
    again = from_rows(domain, to_rows(domain, batch, {}, 0, ("a",))).candidates[0]
    assert (again.name, again.error, again.bound) == (first.name, first.error, first.bound)


def test_a_property_that_no_objective_has_is_refused_with_the_nearest_name():
    with pytest.raises(InvdesignError, match=r"no objective is called 'B', .* Did you mean 'bb'\?"):
        started(campaign("a", "bb"), Corpus(DESIGNS, properties={"B": planes(DESIGNS)[:, 0]}))
    engine = toy.engine(campaign("a"))
    with pytest.raises(InvdesignError, match=r"corpus\.properties: no objective is called 'A'"):
        initialize(engine, Corpus(DESIGNS, properties={"A": planes(DESIGNS)[:, 0]}))
    auxiliary = Corpus(DESIGNS, properties={"weight": planes(DESIGNS)[:, 0]})
    assert initialize(engine, auxiliary).candidates[0].status == "pending"


def test_a_property_that_no_objective_has_is_refused_before_the_file_is_read():
    def load(path, *, properties):
        raise AssertionError("the file was read")

    loader = partial(load, "seeds.csv", properties={"B": "column"})
    parts = toy.campaign(objectives=[Objective("bb")], oracle=lambda d: planes(d)[:, :1])
    with pytest.raises(InvdesignError, match=r"seeds\.properties: no objective is called 'B', .* Did you mean 'bb'\?"):
        check_seed_properties(replace(parts, seeding=replace(parts.seeding, seeds=loader)))
    named = partial(load, "seeds.csv", properties={"bb": "column"})
    check_seed_properties(replace(parts, seeding=replace(parts.seeding, seeds=named)))


def start_with_units(stated, unit):
    """Start a campaign whose objective has a unit, with seed designs whose table states another."""
    parts = toy.campaign(objectives=[Objective("a", unit=unit)], oracle=lambda d: planes(d)[:, :1])
    source = replace(seeds(), usage=(ValueUsage("a", 49, 49, 49, unit=stated),))
    return started(parts, replace(source, properties={"a": source.properties["a"]}))


@pytest.mark.parametrize(("stated", "unit"), [("µM", "nM"), ("eV", "eV/atom"), ("kcal/mol", "kJ/mol")])
def test_values_in_another_unit_than_their_objective_are_refused(stated, unit):
    with pytest.raises(InvdesignError, match=rf"expected 'a' in {unit} .*, got {stated}"):
        start_with_units(stated, unit)


@pytest.mark.parametrize(("stated", "unit"), [("umol/L", "µM"), ("Da", "g/mol"), ("", "nM"), ("nM", "score")])
def test_equal_and_unknown_units_are_accepted(stated, unit):
    assert start_with_units(stated, unit)[1].history


@dataclass(frozen=True)
class Heights(toy.Grid):
    """A grid on which a height means nothing without its unit."""

    def possible_units(self, name):
        return ("m", "ft") if name == "a" else ()


@pytest.mark.parametrize(("unit", "stated"), [("", ""), ("m", ""), ("", "m")])
def test_an_objective_that_means_nothing_without_its_unit_is_asked_for_it(unit, stated):
    parts = toy.campaign(domain=Heights(), objectives=[Objective("a", unit=unit), Objective("b")], oracle=planes)
    source = replace(seeds(), usage=(ValueUsage("a", 49, 49, 49, unit=stated),))
    if unit or stated:
        check_named_units(parts, [source])
        return
    with pytest.raises(InvdesignError, match=r"a: expected a unit.* in m or in ft\? Set objectives.a.unit=m \(or ft\)"):
        check_named_units(parts, [source])


def test_totals_of_a_cell_are_not_taken_for_values_of_an_atom():
    parts = toy.campaign(
        domain=Heights(), objectives=[Objective("a", unit="eV/atom")], oracle=lambda d: planes(d)[:, :1]
    )
    source = replace(seeds(), usage=(ValueUsage("a", 49, 49, 49, unit="eV"),))
    with pytest.raises(InvdesignError, match=r"expected 'a' in eV/atom .*, got eV.*per_atom=\[a\]"):
        started(parts, source)


def test_a_known_error_is_the_noise_of_its_row():
    errors = np.full(len(DESIGNS), math.nan)
    errors[24] = 50.0
    source = seeds()
    values = source.properties["a"].copy()
    values[24] = 1e3
    source = replace(source, properties={"a": values}, errors={"a": errors})
    engine, state = started(campaign("a"), source)
    model = fit_surrogates(engine, state).fitted.model
    at = float(model.posterior(engine.inputs([state.history[24]])).mean)
    assert int((model.row_noise > 0).sum()) == 1 and at < 900


def test_repeats_of_a_measurement_have_a_standard_error():
    _, state = started(campaign("a"), Corpus(DESIGNS, properties={"a": planes(DESIGNS)[:, 0]}))
    key, before = state.history[0].key, state.history[0].y[0]
    state = apply(state, OutcomeRecorded(key, Outcome((before + 1,)), "repeat"))
    assert state.history[0].y == (before + 0.5,) and state.history[0].error == pytest.approx((0.5,))
