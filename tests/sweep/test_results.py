"""Comparison of a sweep from the files of its runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import toy

from invdesign import CampaignRun, InvdesignError
from invdesign.io.tables import read_table
from invdesign.runs import folders, latent_spaces
from invdesign.runs.folders import RunConfig
from invdesign.runs.shortlist_quality import shortlist_quality
from invdesign.sweep.driver import figures_of
from invdesign.sweep.index import Index, Job, create_index
from invdesign.sweep.results import compare, write_results


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """A sweep of four runs on the grid, two settings with two seeds each."""
    jobs = [Job(i, (), {"batch": str(5 * (1 + i // 2))}, i % 2) for i in range(4)]
    about = {"name": "toy", "command": "invdesign run toy -m batch=5,10 --seeds 2", "version": "0.2.0"}
    made = create_index(tmp_path_factory.mktemp("sweep"), about, jobs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latent_spaces, "prepare_latent_space", lambda campaign, *_: toy.RunSpace(campaign.domain))
        for job in jobs:
            folder = made.folder_of(job)
            parts = toy.campaign(budget=20, batch=int(job.setting["batch"]), seed=job.seed)
            config = RunConfig("toy", {"objectives": {"height": {"goal": "maximize"}}, "seed": job.seed})
            with CampaignRun.open(folder, parts, config=config) as run:
                run.run()
                run.export()
                shortlist = run.shortlist()
                summary = {"best": run.best_utility(), "calls": 20, "rounds": 2, "shortlist": shortlist.rows()}
                summary["quality"] = shortlist_quality(run.validated(), shortlist.candidates, parts.domain)
                folders.finish(folder, summary)
            made.record(job, "done", seconds=1.0 + job.number, figures=figures_of(folder))
    return made


def test_the_curves_are_those_of_the_runs(index: Index) -> None:
    comparison = compare(index)
    assert list(comparison.settings) == ["batch=5", "batch=10"] and comparison.score.label == "height"
    for job, row, curve in zip(index.jobs(), comparison.table, comparison.curves, strict=True):
        assert len(curve) == row["calls"] == 20
        assert row["final"] == pytest.approx(job.figures["utility"]) == pytest.approx(job.figures["best"]["height"])
        assert row["validity"] == 1.0 and row["seconds"] == job.seconds


def test_the_seeds_are_the_same_for_both_settings(index: Index) -> None:
    curves = compare(index).curves
    assert curves[0][:5].tolist() == curves[2][:5].tolist() != curves[1][:5].tolist()


def test_page_and_tables_are_written(index: Index, tmp_path: Path) -> None:
    written = write_results(index, reference="batch=10", out=tmp_path)
    assert "batch=10" in written.page.read_text() and index.about()["command"] in written.page.read_text()
    runs = read_table(tmp_path / "runs.csv")
    assert runs["run"] == [f"job-{i:04d}" for i in range(4)] and runs["batch"] == ["5", "5", "10", "10"]
    union = read_table(tmp_path / "candidates.csv")
    assert len(set(union["text"])) == len(union["text"]) > 10
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(tmp_path / "curves.parquet").column_names == ["run", "batch", "seed", "call", "best"]


def test_what_cannot_be_compared_is_refused(index: Index, tmp_path: Path) -> None:
    with pytest.raises(InvdesignError, match="expected one of the settings"):
        write_results(index, reference="batch=7", out=tmp_path)
    with pytest.raises(InvdesignError, match="expected a finished run"):
        compare(create_index(tmp_path, {"name": "toy"}, [Job(0, (), {})]))


def test_runs_of_other_objectives_are_not_compared(index: Index) -> None:
    path = index.folder_of(index.jobs()[1]) / "config.json"
    text = path.read_text()
    path.write_text(json.dumps({**json.loads(text), "config": {"objectives": {"width": {}}}}))
    try:
        with pytest.raises(InvdesignError, match=r"the same objectives, got others in job-0001"):
            compare(index)
    finally:
        path.write_text(text)
