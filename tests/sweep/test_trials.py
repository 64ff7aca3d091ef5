"""Trials of tuning: figures of runs and models, and runs that are watched and stopped."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import toy
from sweep_jobs import n_starts, work

from invdesign import CampaignRun, InvdesignError
from invdesign.io.locks import is_held
from invdesign.runs import folders, latent_spaces
from invdesign.runs.folders import RunConfig
from invdesign.sweep import trials
from invdesign.sweep.execute import Work
from invdesign.sweep.index import JOB_LOCK
from invdesign.sweep.plan import Source
from invdesign.sweep.trials import (
    N_STEPS,
    PrunedError,
    SearchTrials,
    TrialFailedError,
    VaeTrials,
    run_figure,
    run_watched,
    setting_folder,
    utility_curve,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of 20 calls on the grid."""
    folder = tmp_path_factory.mktemp("run")
    config = RunConfig("toy", {"objectives": {"height": {"goal": "maximize"}}, "budget": 20})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latent_spaces, "prepare_latent_space", lambda campaign, *_: toy.RunSpace(campaign.domain))
        with CampaignRun.open(folder, toy.campaign(budget=20), config=config) as run:
            run.run()
    folders.finish(folder, {"shortlist": [1, 2], "quality": {"validity": 0.5, "novelty": None}})
    return folder


def test_the_figures_of_a_run_follow_from_its_best_so_far_curve(finished: Path) -> None:
    curve, budget = utility_curve(finished)
    assert len(curve) == budget == 20 and (np.diff(curve) >= 0).all()
    assert run_figure(finished, "auc") == pytest.approx(curve.mean())
    assert run_figure(finished, "best") == curve[-1]
    assert run_figure(finished, "candidates") == 2 and run_figure(finished, "validity") == 0.5
    assert math.isnan(run_figure(finished, "novelty"))


def test_a_folder_without_a_run_has_no_curve(tmp_path: Path) -> None:
    with pytest.raises(InvdesignError):
        utility_curve(tmp_path)


def test_a_trial_is_watched_at_the_same_steps_whatever_its_seed(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[tuple[str, ...]] = []

    def run(job: Work, stop: Event, look: Callable[[], None]) -> None:
        commands.append(job.command)
        shutil.copytree(finished, job.folder)
        look()

    monkeypatch.setattr(trials, "run_watched", run)
    seen: list[tuple[int, float]] = []
    evaluate = SearchTrials(Source("ehrlich"), ("budget=20",), ("auc", "best"), tmp_path)
    values = evaluate(["batch=5"], [3, 4], lambda step, value: seen.append((step, value)))
    assert values[0] == values[1] == [run_figure(finished, "auc"), run_figure(finished, "best")]
    assert [step for step, _ in seen] == list(range(1, N_STEPS + 1))
    assert seen[-1][1] == pytest.approx(values[0][0])
    assert commands[1][3:] == (
        *("run", "ehrlich", "budget=20", "batch=5", "seed=4", "--json"),
        *(
            "--folder",
            str(setting_folder(tmp_path, ["batch=5"]) / "seed-4"),
            "--baselines",
            str(tmp_path / "baselines"),
        ),
    )


def test_a_model_is_trained_once_and_its_card_has_the_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = {
        "diagnosis": {"neg_elbo": 12.5, "reconstruction": 0.9, "samples": [{"source": "prior", "validity": 0.8}]},
        "training": {"seconds": 3.0},
    }
    trained: list[Path] = []

    def train(job: Work, stop: Event, look: Callable[[], None]) -> None:
        trained.append(job.folder)
        assert "vae.seed=1" in job.command and job.output == "printed.txt"
        job.folder.mkdir(parents=True)
        (job.folder / job.output).write_text(json.dumps(card))

    monkeypatch.setattr(trials, "run_watched", train)
    evaluate = VaeTrials(Source("ehrlich"), (), ("elbo", "reconstruction", "validity", "seconds"), tmp_path)
    for _ in range(2):
        assert evaluate(["vae.build.d=8"], [1]) == [[-12.5, 0.9, 0.8, 3.0]]
    assert len(trained) == 1


def test_a_run_that_falls_behind_or_must_stop_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "POLL_SECONDS", 0.05)

    def behind() -> None:
        if n_starts(tmp_path, 0):
            raise PrunedError

    with pytest.raises(PrunedError):
        run_watched(work(tmp_path, 0, seconds=60), Event(), behind)
    assert not is_held(tmp_path / "job-0000" / JOB_LOCK)
    stop = Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        run_watched(work(tmp_path, 1, seconds=60), stop, lambda: None)


def test_a_run_that_fails_has_its_reason(tmp_path: Path) -> None:
    with pytest.raises(TrialFailedError, match="no luck"):
        run_watched(work(tmp_path, 0, code=3), Event(), lambda: None)
    run_watched(work(tmp_path, 1), Event(), lambda: None)
