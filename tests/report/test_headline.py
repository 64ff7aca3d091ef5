"""Main sentences and numbers of a report."""

from __future__ import annotations

import numpy as np

from invdesign.core import Objective
from invdesign.report.headline import headline, tiles


def test_the_headline_compares_the_best_valid_candidate_with_seed_designs_and_random_search(make_data) -> None:
    assert headline(make_data()) == [
        "The best valid candidate has length 4 cm.",
        "That is 1 cm better than the best of the seed designs (3 cm).",
        "That is 0.500 cm better than a random search with as many oracle calls (3.500 cm).",
    ]


def test_a_worse_result_is_called_worse(make_data) -> None:
    data = make_data(reference=np.array([[7.0]]), reference_name="corpus")
    assert "worse than the best of the corpus" in headline(data)[1]
    assert [tile.remark for tile in tiles(data) if tile.name == "Best of the corpus"] == ["campaign worse by 3 (43 %)"]


def test_a_target_is_described_by_the_distance_from_it(make_data) -> None:
    data = make_data(objectives=(Objective("length", "cm", (3.0, 4.5)),), baseline=())
    assert headline(data)[:2] == [
        "The best valid candidate is 0 cm away from the goal of length.",
        "That is about as good as the best of the seed designs (0 cm).",
    ]


def test_a_missing_random_search_is_stated(make_data) -> None:
    data = make_data(baseline=())
    assert headline(data) == [
        "The best valid candidate has length 4 cm.",
        "That is 1 cm better than the best of the seed designs (3 cm).",
        "No random-search baseline was measured.",
    ]
    assert [(tile.value, tile.remark) for tile in tiles(data) if tile.name == "Random search"] == [
        ("–", "not measured")
    ]


def test_a_random_search_with_fewer_calls_is_not_called_equal_in_calls(make_data) -> None:
    data = make_data()
    short = make_data(baseline=data.baseline[:5])
    assert headline(short)[2].endswith("better than a random search with only 5 oracle calls (3.500 cm).")


def test_a_pareto_search_is_described_by_its_front(make_data) -> None:
    data = make_data(2)
    assert headline(data)[0].endswith("designs on the Pareto front are new.")
    assert tiles(data)[0].name == "Pareto front"


def test_the_tiles_count_calls_failures_and_failed_checks(make_data) -> None:
    remarks = {tile.name: tile.remark for tile in tiles(make_data(failure_counts={"length": 1}))}
    assert remarks["Oracle calls"] == "1 failed"
    assert remarks["Valid new designs"] == "of 3 measured; failed checks: length 1"
