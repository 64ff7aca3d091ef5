"""Figures of a report."""

from __future__ import annotations

import pytest

from invdesign.campaign import State
from invdesign.core import Objective
from invdesign.report import figures


def test_goals_are_described_with_their_unit() -> None:
    assert figures.describe_goal(Objective("length", "cm")) == "maximize length"
    assert figures.describe_goal(Objective("length", "cm", 2.5)) == "bring length to 2.50 cm"
    assert figures.describe_goal(Objective("cost", "EUR", (0.0, 1.0))) == "keep cost between 0 and 1 EUR"


def test_the_progress_shows_campaign_random_search_and_seed_designs(make_data) -> None:
    svg = figures.plot_best_so_far(make_data())
    assert all(
        name in svg for name in ("random search", "this campaign", "best of the seed designs: 3", "oracle calls")
    )


def test_without_a_random_search_the_progress_shows_the_seed_designs_only(make_data) -> None:
    svg = figures.plot_best_so_far(make_data(baseline=()))
    assert "random search" not in svg and "best of the seed designs: 3" in svg


def test_the_curve_of_the_random_search_has_one_step_per_oracle_call(make_data, make_candidate) -> None:
    data = make_data()
    given = [make_candidate(200 + i, (0.5,), origin="given") for i in range(5)]
    both = figures.plot_best_so_far(make_data(baseline=[*given, *data.baseline]))
    assert both == figures.plot_best_so_far(data)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (figures.plot_funnel, "no round was started yet"),
        (figures.plot_surrogate_quality, "no round has a cross-validated surrogate"),
        (figures.plot_region_lengths, "no trust region"),
        (figures.plot_seconds_by_stage, "no times were recorded"),
        (figures.plot_trade_offs, "one objective has no trade-off"),
        (lambda data: figures.plot_predictions(data, 0), "no predicted design is measured yet"),
    ],
)
def test_a_figure_without_data_states_what_is_missing(make_data, draw, message) -> None:
    empty = make_data(state=State(), shortlist=(), n_valid=None)
    with pytest.raises(ValueError, match=message):
        draw(empty)
