"""Commands on sweeps: what they print, their exit codes, and what they refuse before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from invdesign.cli import main
from invdesign.sweep import driver, launchers, results
from invdesign.sweep.execute import Ended, Work
from invdesign.sweep.index import open_index

SWEEP = ["run", "ehrlich", "-m", "search.acquire.beta=1,4", "--seeds", "2", "--jobs", "1"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where jobs end at once: the second one fails as long as there is a file `bad`."""

    def basic(jobs: Sequence[Work]) -> Iterator[Ended]:
        for job in jobs:
            job.folder.mkdir(exist_ok=True)
            is_bad = job.number == 1 and (tmp_path / "bad").exists()
            (job.folder / "log.txt").write_text("invdesign: no luck\n" if is_bad else "")
            if not is_bad:
                (job.folder / "finished.json").write_text(json.dumps({"utility": job.number, "best": {"y": 1.0}}))
            yield Ended(job.number, 2 if is_bad else 0, 1.0)

    monkeypatch.setitem(launchers.LAUNCHERS, "basic", basic)
    monkeypatch.setattr(driver, "figures_of", lambda folder: json.loads((folder / "finished.json").read_text()))
    monkeypatch.setattr(results, "write_results", lambda index: results.Written(index.folder / "report.html", (), ""))
    (tmp_path / "bad").touch()
    return tmp_path


def test_a_sweep_states_its_settings_its_failures_and_what_to_do(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SWEEP, "--results", str(place)]) == 1
    printed = capsys.readouterr().out
    assert "search.acquire.beta" in printed and "3 of 4 jobs done · 1 failed · best y 1 (job-0003)" in printed
    assert "failed: job-0001 (search.acquire.beta=1 seed=1): no luck" in printed
    assert "sweep retry" in printed and "report.html" in printed
    (place / "bad").unlink()
    assert main([*SWEEP, "--results", str(place)]) == 1, "the same command does not run failed jobs again"
    assert main(["sweep", "retry", str(place / "ehrlich"), "--jobs", "1"]) == 0
    assert main([*SWEEP, "--results", str(place)]) == 0


def test_the_state_of_a_sweep_is_printed_as_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([*SWEEP, "--results", str(place)])
    capsys.readouterr()
    assert main(["sweep", "status", str(place / "ehrlich"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [job["state"] for job in printed["jobs"]] == ["done", "failed", "done", "done"]
    assert printed["jobs"][1]["reason"] == "no luck" and printed["jobs"][2]["seed"] == 0
    assert printed["sweep"] == str(open_index(place / "ehrlich").folder)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*SWEEP, "--resume", "x"], "Leave --resume and --folder out"),
        ([*SWEEP, "--launcher", "os.system"], "launcher: expected one of basic"),
        ([*SWEEP, "hydra/launcher=joblib", "hydra.launcher.x=1"], "launcher joblib: has no setting 'x'"),
        ([*SWEEP, "hydra.job.name=x"], "Hydra itself is not configured here"),
        ([*SWEEP, "--jobs", "0"], "--jobs: expected at least 1"),
        (["sweep", "status", "nowhere"], "expected the folder of a sweep"),
        (["tune", "ehrlich"], "expected a space, got none"),
        (["tune", "ehrlich", "--space", "search.acquire.beta=interval(0.1,x)"], "search.acquire.beta"),
        (["tune", "ehrlich", "--space", "nothing=interval(0.1,2)"], "nothing"),
        (["tune", "ehrlich", "--space", "batch=5,6", "--trials", "0"], "--trials must be a whole number from 1"),
        (["tune", "ehrlich", "--space", "batch=5,6", "--objective", "beauty"], "expected an objective among auc"),
        (["bench", "sequences", "--only", "nothing"], "--only: expected a part of a name"),
        (["bench", "sequences", "--seeds", "a"], "--seeds: expected whole numbers"),
    ],
)
def test_what_cannot_run_is_refused_first(
    words: list[str], message: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, *(["--results", str(place)] if words[0] != "sweep" else [])]) == 2
    assert message in capsys.readouterr().err


def test_every_configuration_of_a_sweep_can_be_shown(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "ehrlich", "-m", "batch=5,6", "--show-config", "--results", str(place)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("# batch=") == 2 and not list(place.glob("ehrlich/*"))


def test_a_campaign_states_what_is_tuned(tmp_path: Path) -> None:
    from invdesign.cli.main import _parse
    from invdesign.cli.sweep_commands import _tune_plan

    file = tmp_path / "mine.yaml"
    file.write_text(
        "defaults: [base: molecules, _self_]\nname: mine\n"
        "tune:\n  space: {batch: [5, 10], search.oversample: 'interval(5,50)'}\n  trials: 7\n  objective: [best, auc]\n"
    )
    plan, _ = _tune_plan(_parse(["tune", str(file), "--seeds", "3"]))
    assert (plan.name, plan.n_trials, plan.n_seeds, plan.objectives) == ("mine", 7, 3, ("best", "auc"))
    assert [dimension.key for dimension in plan.space] == ["batch", "search.oversample"]
    assert plan.space[1].is_int, "the setting takes whole numbers alone"
