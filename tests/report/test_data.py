"""Scores, funnel and failures of a run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from invdesign.campaign import State
from invdesign.core import Objective
from invdesign.report.data import FailureGroup, best_score, best_so_far, funnel_stages, group_failures, incumbents


def test_the_curve_is_the_best_measurement_so_far(make_data) -> None:
    data = make_data()
    assert best_so_far(data, data.properties(data.evaluated)).tolist() == [1, 3, 3, 3, 3, 5, 5, 5]


def test_a_minimized_property_is_shown_itself_and_a_target_as_the_distance_from_it(make_data) -> None:
    data = make_data(objectives=(Objective("length", "cm", "minimize"),))
    assert best_so_far(data, data.properties(data.evaluated)).tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
    data = make_data(objectives=(Objective("length", "cm", 2.2),))
    np.testing.assert_allclose(best_so_far(data, data.properties(data.evaluated))[:3], [1.2, 0.8, 0.2])


def test_the_hypervolume_is_a_share_of_the_box_of_all_measurements(make_data) -> None:
    data = make_data(2, objectives=(Objective("a"), Objective("b")), baseline=())
    Y = np.array([[0.0, 0.0], [0.5, 1.0], [1.0, 0.5]])
    data = replace(data, reference=Y, state=State())
    np.testing.assert_allclose(best_so_far(data, Y), [0.0, 0.5, 0.75], atol=1e-6)


def test_the_funnel_counts_from_proposals_to_the_shortlist(make_data) -> None:
    assert [(stage.name, stage.count) for stage in funnel_stages(make_data())] == [
        ("proposed", 100),
        ("decoded", 90),
        ("unique", 50),
        ("novel", 40),
        ("screened", 20),
        ("selected", 4),
        ("measured", 3),
        ("valid", 2),
        ("shortlisted", 2),
    ]


def test_the_incumbents_begin_with_the_best_seed_design(make_data) -> None:
    assert [c.key for c in incumbents(make_data())] == ["w1", "w5"]


def test_failures_are_grouped_by_reason(make_data) -> None:
    assert group_failures(make_data()) == [FailureGroup("timeout", "stopped after 9.0 s", 1, "w7")]


def test_the_random_search_is_compared_after_as_many_oracle_calls_as_the_campaign_made(make_data) -> None:
    data = make_data()
    assert len(data.baseline) == 9 and len(data.baseline_calls) == 9
    # Its four seed designs are the campaign's, and the ninth call is one more than the campaign made.
    assert data.state.n_calls == 8 and len(data.baseline_draws) == 4
    assert best_score(data, data.properties(data.baseline_draws)) == 3.5


def test_designs_that_came_measured_do_not_count_as_calls_of_the_random_search(make_data, make_candidate) -> None:
    given = [make_candidate(200 + i, (0.5,), origin="given") for i in range(5)]
    data = make_data()
    data = replace(data, baseline=[*given, *data.baseline])
    assert len(data.baseline_calls) == 9 and len(data.baseline_draws) == 4


def test_a_random_search_that_made_no_call_is_none(make_data, make_candidate) -> None:
    data = replace(make_data(), baseline=[make_candidate(200 + i, (0.5,), origin="given") for i in range(5)])
    assert not data.has_baseline and not data.baseline_calls and not data.baseline_draws
