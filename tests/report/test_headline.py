"""Main sentences and numbers of a report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from invdesign.core import Objective, ValueSource
from invdesign.report.headline import headline, tiles


def test_the_headline_compares_the_best_valid_candidate_with_seed_designs_and_random_search(make_data) -> None:
    assert headline(make_data()) == [
        "The best valid candidate has length 4 cm.",
        "That is 1 cm better than the best of the seed designs (3 cm).",
        "That is 0.500 cm better than a random search of 4 oracle calls after the same seed designs (3.500 cm).",
    ]


def test_a_worse_result_is_called_worse(make_data) -> None:
    data = make_data(reference=np.array([[7.0]]), reference_name="corpus")
    assert "worse than the best of the corpus" in headline(data)[1]
    assert [tile.remark for tile in tiles(data) if tile.name == "Best of the corpus"] == ["campaign worse by 3 (43 %)"]


def test_a_target_is_described_by_the_distance_from_it(make_data) -> None:
    data = make_data(objectives=(Objective("length", "cm", (3.0, 4.5)),), baseline=())
    assert headline(data)[:2] == [
        "1 of 2 candidates on the shortlist are in the window of length (measured).",
        "The goal is reached by the best of the seed designs too.",
    ]


def test_a_missing_random_search_is_stated(make_data) -> None:
    data = make_data(baseline=())
    assert headline(data) == [
        "The best valid candidate has length 4 cm.",
        "That is 1 cm better than the best of the seed designs (3 cm).",
        "No random search was run for comparison.",
    ]
    assert [(tile.value, tile.remark) for tile in tiles(data) if tile.name == "Random search"] == [("–", "not run")]


def test_a_random_search_with_fewer_calls_is_not_called_equal_in_calls(make_data) -> None:
    data = make_data()
    short = make_data(baseline=data.baseline[:5])
    assert headline(short)[2].endswith(
        "better than a random search of 1 oracle call after the same seed designs (3.500 cm)."
    )


def test_predicted_values_are_called_predicted_with_their_error(make_data) -> None:
    source = ValueSource("predicted", "regression of table.csv", error=0.8, rank_correlation=0.5, n_held_out=40)
    sentences = headline(make_data(sources=(source,)))
    assert sentences[0] == "The best valid candidate has a predicted length of 4 cm."
    assert sentences[1] == (
        "The values of length are predicted by regression of table.csv, not measured: held-out error 0.8 cm, rank "
        "correlation 0.50 (n = 40)."
    )


def test_a_campaign_whose_calls_all_failed_is_compared_with_nothing(make_data, make_candidate) -> None:
    given = tuple(make_candidate(i, (1.0,), origin="given") for i in range(3))
    failed = tuple(make_candidate(9 + i, (), 1, "invalid") for i in range(3))
    data = make_data(state=replace(make_data().state, history=(*given, *failed)), shortlist=(), baseline=given)
    text = " ".join(headline(data))
    assert "better than" not in text and "random search of" not in text
    lost = make_data(state=replace(make_data().state, history=failed), shortlist=(), baseline=())
    assert headline(lost) == ["No oracle call has returned a value yet."]


def test_a_pareto_search_is_described_by_its_front(make_data) -> None:
    data = make_data(2)
    assert headline(data)[0].endswith("designs on the Pareto front are new.")
    assert tiles(data)[0].name == "Pareto front"


def test_the_tiles_count_calls_failures_and_failed_checks(make_data) -> None:
    remarks = {tile.name: tile.remark for tile in tiles(make_data(failure_counts={"length": 1}))}
    assert remarks["Oracle calls"] == "1 failed"
    assert remarks["Valid new designs"] == "of 3 measured; failed checks: length 1"
