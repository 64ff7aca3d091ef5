"""Comparison of runs: intervals that separate effects from noise, importance, and the union of shortlists."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from invdesign.core import Objective
from invdesign.report.comparison import Comparison, RunResult, bootstrap_interval
from invdesign.report.comparison_page import Facts, describe_difference, headline, write_comparison

HEIGHT = Objective("height", "m")


def runs(effect: float, *, n_seeds: int = 8, noise: float = 0.1) -> list[RunResult]:
    """Return runs of two settings, `beta` with an effect and `kind` without, whose seeds differ at random."""
    draw = np.random.default_rng(0)
    found = []
    for seed in range(n_seeds):
        level = draw.normal()
        for beta in ("1", "4"):
            for kind in ("a", "b"):
                top = level + (effect if beta == "4" else 0.0) + noise * draw.normal()
                Y = np.array([[top - 1.0], [math.nan], [top], [top - 0.5]])
                rows = [{"design": f"{kind}{seed}", "height": top}, {"design": "all", "height": 0.0}]
                figures = {"candidates": 2, "seconds": 1.0}
                given = np.zeros((0, 1))
                setting = {"beta": beta, "kind": kind}
                found.append(RunResult(f"job-{len(found)}", setting, seed, Y, given, figures, rows))
    return found


def test_a_run_counts_what_it_found_and_how_early() -> None:
    Y = np.array([[math.nan], [1.0], [3.0], [2.0]])
    (row,) = Comparison("toy", [HEIGHT], [RunResult("job-0", {}, 0, Y, np.zeros((0, 1)))]).table
    assert row["final"] == 3.0 and row["auc"] == pytest.approx((1 + 1 + 3 + 3) / 4) and row["calls"] == 4
    lowest = Comparison("toy", [Objective("e", goal="minimize")], [RunResult("job-0", {}, 0, Y, np.zeros((0, 1)))])
    assert lowest.table[0]["final"] == 1.0 and lowest.score.more_is_better is False


def test_what_was_known_before_counts_from_the_first_call_on() -> None:
    run = RunResult("job-0", {}, 0, np.array([[1.0], [3.0]]), np.array([[2.0]]))
    assert Comparison("toy", [HEIGHT], [run]).curves[0].tolist() == [2.0, 3.0]


def test_an_effect_is_found_under_noise_between_seeds_and_none_is_read_into_noise() -> None:
    comparison = Comparison("toy", [HEIGHT], runs(0.5))
    auc = comparison.metrics[1]
    effect = comparison.difference(auc, "beta=4 kind=a", "beta=1 kind=a")
    assert effect.verdict == "better" and effect.low < 0.5 < effect.high and effect.n == 8
    assert comparison.difference(auc, "beta=1 kind=b", "beta=1 kind=a").verdict == "no difference shown"
    assert comparison.difference(auc, "beta=1 kind=a", "beta=4 kind=a").verdict == "worse"
    assert comparison.ranked()[0].startswith("beta=4")


def test_two_seeds_show_nothing() -> None:
    comparison = Comparison("toy", [HEIGHT], runs(5.0, n_seeds=2))
    found = comparison.difference(comparison.metrics[1], "beta=4 kind=a", "beta=1 kind=a")
    assert found.verdict == "too few seeds" and math.isnan(found.low) and found.mean == pytest.approx(5, abs=0.5)
    assert "cannot be told from noise" in headline(comparison, "beta=1 kind=a")[1]


def test_the_interval_covers_the_mean_about_as_often_as_it_says() -> None:
    draw = np.random.default_rng(1)
    n_inside = 0
    for _ in range(300):
        low, high = bootstrap_interval(draw.normal(size=8))
        n_inside += low <= 0 <= high
    assert 0.87 <= n_inside / 300 <= 0.98


def test_the_setting_that_matters_explains_the_variance() -> None:
    shares = {item.key: item.share for item in Comparison("toy", [HEIGHT], runs(5.0)).importance()}
    assert shares["beta"] > 0.7 and shares["kind"] < 0.01
    assert sum(shares.values()) == pytest.approx(1, abs=0.02)
    noise = {item.key: item.share for item in Comparison("toy", [HEIGHT], runs(0.0)).importance()}
    assert noise["beta"] < 0.05 and noise["seeds"] > 0.9


def test_the_union_has_every_design_once_best_first() -> None:
    union = Comparison("toy", [HEIGHT], runs(0.5, n_seeds=3)).union()
    assert [row["design"] for row in union].count("all") == 1
    values = [row["height"] for row in union]
    assert values == sorted(values, reverse=True)
    assert next(row for row in union if row["design"] == "all")["runs"] == 12


def test_a_hypervolume_is_a_share_of_the_box_of_all_runs() -> None:
    two = [HEIGHT, Objective("cost", goal="minimize")]
    none = np.zeros((0, 2))
    good = RunResult("job-0", {"beta": "1"}, 0, np.array([[0.0, 1.0], [1.0, 0.0]]), none)
    poor = RunResult("job-1", {"beta": "2"}, 0, np.array([[0.0, 1.0], [0.5, 0.5]]), none)
    comparison = Comparison("toy", two, [good, poor])
    assert [row["final"] for row in comparison.table] == pytest.approx([1.0, 0.25], abs=0.01)


def test_the_page_is_complete_and_needs_no_network(tmp_path: Path) -> None:
    comparison = Comparison("toy <1>", [HEIGHT], runs(0.5))
    facts = Facts("invdesign run toy -m beta=1,4", "0.2.0", unfinished=["job-9: failed no luck"])
    text = write_comparison(comparison, tmp_path / "page.html", reference="beta=1 kind=a", facts=facts).read_text()
    for word in ("toy &lt;1&gt;", "beta=4 kind=b", "Which setting matters", "no luck", "found by", "<svg"):
        assert word in text
    assert "http" not in text.replace("http-equiv", "")
    assert describe_difference(comparison.difference(comparison.metrics[1], "beta=4 kind=a", "beta=1 kind=a")) in text


def test_a_sweep_without_values_is_a_page_that_says_so(tmp_path: Path) -> None:
    empty = RunResult("job-0", {}, 0, np.full((3, 1), math.nan), np.zeros((0, 1)))
    comparison = Comparison("toy", [HEIGHT], [empty])
    page = write_comparison(comparison, tmp_path / "page.html", reference="as the campaign", facts=Facts())
    assert "No run has a value yet" in page.read_text()
