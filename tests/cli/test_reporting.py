"""A report or a progress callback that fails does not end a run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import toy

from invdesign import CampaignRun, Resources
from invdesign.cli import commands
from invdesign.runs import latent_spaces
from invdesign.search.search import Search


def campaign() -> Any:
    search = Search(acquire=None, trust_region=None, oversample=4)
    return toy.campaign(budget=12, batch=4, n_seeds=4, search=search, name="reporting")


@pytest.fixture(autouse=True)
def _trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latent_spaces, "prepare_latent_space", lambda campaign, *_: toy.RunSpace(campaign.domain))


def test_a_report_that_fails_is_one_warning_and_the_lists_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(self: Any, out: Any = None) -> Path:
        raise ValueError("no such font")

    monkeypatch.setattr(CampaignRun, "report", broken)
    with CampaignRun.open(tmp_path / "run", campaign()) as run:
        run.run()
        summary = commands._write_out(run)
    warning = f"warning: no report (ValueError: no such font). Try: invdesign report {tmp_path / 'run'}"
    assert capsys.readouterr().err.strip() == warning
    assert summary["calls"] == 12 and (tmp_path / "run" / "evaluated.csv").is_file()


def test_a_progress_callback_that_fails_is_one_warning_and_the_run_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(stage: str, done: int, total: int) -> None:
        raise ConnectionError("the tracker is down")

    with CampaignRun.open(tmp_path / "run", campaign(), resources=Resources(progress=broken)) as run:
        assert run.run().n_calls == 12
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["progress is no longer reported (ConnectionError: the tracker is down); the run goes on"]
