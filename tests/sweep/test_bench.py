"""Benchmark suites: entries that compose, the counting of PMO, and a table that states what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from invdesign.config import compose, instantiate
from invdesign.core import InvdesignError, silent
from invdesign.sweep import bench
from invdesign.sweep.bench import Entry, Row, Suite, auc_top10, load_suite, markdown, run_suite, suites, write_table
from invdesign.sweep.execute import Ended, Work

FACTS = {"command": "invdesign bench toy", "changes": "budget=9", "version": "0", "time": "now", "machine": "2 cores"}
TOY = Suite("Toy", "Every call counts.", (0, 1), (Entry("a", "ehrlich", published={"GA": 0.5}, note="Not the same."),))


@pytest.mark.parametrize("name", suites())
def test_every_entry_of_a_suite_is_a_valid_campaign_with_its_seed(name: str) -> None:
    suite = load_suite(name)
    assert len(suite.seeds) >= 3 and suite.counting
    for entry in suite.entries:
        files = [f"{key}={file}" for key, file in entry.files.items()]
        composed = compose.compose(entry.campaign, [*suite.common, *entry.overrides, *files, "seed=11"])
        instantiate.check(composed.values, composed.where)
        if "ehrlich" in composed.values["oracle"]:
            assert composed.values["oracle"]["ehrlich"]["seed"] == composed.values["corpus"]["seed"] == 11


def test_an_unknown_suite_is_refused() -> None:
    with pytest.raises(InvdesignError, match="expected one of the suites crystals, molecules, sequences"):
        load_suite("x")


def test_the_area_of_the_best_ten_is_that_of_pmo() -> None:
    y = np.random.default_rng(0).uniform(size=950)
    means = [0.0] + [float(np.sort(y[:n])[-10:].mean()) for n in (*range(100, 950, 100), 950)]
    expected = (np.trapezoid(means, [0, *range(100, 950, 100), 950]) + 50 * means[-1]) / 1000
    assert auc_top10(y, budget=1000) == pytest.approx(expected)
    assert auc_top10(np.array([np.nan, 1.0]), budget=2) == pytest.approx(0.25)
    assert auc_top10(np.zeros(0), budget=5) == 0.0


def test_a_suite_is_run_entry_by_entry_and_what_is_missing_is_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invdesign.sweep.driver.figures_of", lambda folder: {"utility": 0.8, "best": {}, "calls": 5})
    monkeypatch.setattr(bench, "_figure", lambda entry, folder: 0.8 / entry.scale)

    def launch(jobs: Sequence[Work]) -> Iterator[Ended]:
        for job in jobs:
            job.folder.mkdir()
            if job.number == 0:
                (job.folder / "finished.json").write_text("{}")
            yield Ended(job.number, 3 * job.number, 2.0)

    entries = (Entry("a", "ehrlich", scale=2.0), Entry("b", "gb1", files={"oracle.gb1.path": "none.csv"}))
    suite = Suite("Toy", "Every call counts.", (0, 1), entries)
    rows = run_suite("toy", suite, launch, results=tmp_path, data=tmp_path, changes=["budget=9"], progress=silent)
    assert rows[0].values == (0.4,) and rows[0].calls == 5 and rows[0].seconds == 2
    assert rows[0].missing == "1 of 2 runs have no result: exit code 3"
    assert rows[1] == Row(entries[1], missing=f"none.csv is not in {tmp_path}")
    page = write_table("toy", suite, rows, tmp_path, command="invdesign bench toy")
    assert page.read_text().startswith("# Toy\n\n`invdesign bench toy`, version ")


def test_the_table_has_published_figures_beside_ours() -> None:
    text = markdown(TOY, [Row(TOY.entries[0], (0.5, 0.7), 100.0, 12.3)], FACTS)
    assert "| a | best | 0.6 | 0.141 | 2 | 100 | 12 | GA 0.5 |" in text and "a: Not the same." in text
    assert "published figures are not comparable: budget=9." in text
