"""The index of a sweep: complete or absent, with the states of its jobs."""

from pathlib import Path

import pytest

from invdesign.core import InvdesignError
from invdesign.io.locks import hold
from invdesign.sweep.index import INDEX, JOB_LOCK, Job, create_index, list_sweeps, open_index

JOBS = [Job(i, (f"seed={i}", "batch=5"), {"batch": "5"}, i) for i in range(3)]


def test_jobs_are_read_as_they_were_written(tmp_path: Path) -> None:
    index = create_index(tmp_path / "sweep-1", {"name": "toy"}, JOBS)
    assert index.jobs() == JOBS and index.about() == {"name": "toy"}
    assert open_index(tmp_path / "sweep-1") == index == open_index(tmp_path)
    assert list_sweeps(tmp_path) == [tmp_path / "sweep-1"]


def test_a_job_that_holds_its_lock_is_running_and_one_with_a_folder_alone_was_interrupted(tmp_path: Path) -> None:
    index = create_index(tmp_path, {}, JOBS)
    index.folder_of(JOBS[0]).mkdir()
    index.folder_of(JOBS[1]).mkdir()
    with hold(index.folder_of(JOBS[0]) / JOB_LOCK):
        assert [job.state for job in index.jobs()] == ["running", "interrupted", "waiting"]


def test_how_a_job_ended_is_recorded_and_a_failed_one_can_wait_again(tmp_path: Path) -> None:
    index = create_index(tmp_path, {}, JOBS)
    index.record(JOBS[0], "done", seconds=2.0, figures={"utility": 0.5})
    index.record(JOBS[1], "failed", seconds=1.0, reason="no luck")
    done, failed, _ = index.jobs()
    assert (done.state, done.attempts, done.figures) == ("done", 1, {"utility": 0.5})
    assert (failed.state, failed.reason) == ("failed", "no luck")
    index.reset([failed])
    assert [job.state for job in index.jobs()] == ["done", "waiting", "waiting"]


def test_a_folder_without_a_sweep_and_a_damaged_index_are_one_message(tmp_path: Path) -> None:
    with pytest.raises(InvdesignError, match="expected the folder of a sweep"):
        open_index(tmp_path)
    (tmp_path / INDEX).write_text("no database, but long enough to look like one" * 30)
    with pytest.raises(InvdesignError, match="cannot be read"):
        open_index(tmp_path).jobs()
