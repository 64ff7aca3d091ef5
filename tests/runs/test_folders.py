"""Run folders: the same command finds its unfinished run, and nothing else does."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from invdesign.core import InvdesignError
from invdesign.runs import folders

CONFIG = {"seed": 0, "budget": 10}


def test_the_same_configuration_resumes_its_newest_unfinished_run(tmp_path: Path) -> None:
    first = folders.find_or_make(tmp_path, "demo", CONFIG)
    assert not first.is_resumed
    again = folders.find_or_make(tmp_path, "demo", CONFIG)
    assert again == folders.RunFolder(first.path, is_resumed=True)


def test_another_configuration_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    first = folders.find_or_make(tmp_path, "demo", CONFIG)
    other = folders.find_or_make(tmp_path, "demo", {**CONFIG, "seed": 1})
    assert other.path != first.path and not other.is_resumed


@pytest.mark.slow
def test_a_finished_run_is_not_resumed_and_a_fresh_one_never_is(tmp_path: Path) -> None:
    first = folders.find_or_make(tmp_path, "demo", CONFIG)
    fresh = folders.find_or_make(tmp_path, "demo", CONFIG, fresh=True)
    assert fresh.path != first.path
    for run in (first, fresh):
        folders.finish(run.path, {"best": 1.0})
        assert run.is_finished
    assert not folders.find_or_make(tmp_path, "demo", CONFIG).is_resumed


def test_folders_are_named_by_time_and_digest(tmp_path: Path) -> None:
    folder = folders.find_or_make(tmp_path, "demo", CONFIG).path
    moment, digest = folder.name.split("-")
    assert folder.parent == tmp_path / "demo" and len(moment) == 16 and moment.endswith("Z")
    assert digest == folders.digest("demo", CONFIG) and len(digest) == 8


def test_the_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert folders.digest("demo", {"a": 1, "b": 2}) == folders.digest("demo", {"b": 2, "a": 1})


@pytest.mark.slow
def test_runs_begun_in_the_same_second_do_not_share_a_folder(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: folders.find_or_make(tmp_path, "demo", CONFIG, fresh=True).path, range(4)))
    assert len(set(made)) == 4


def test_the_configuration_of_a_run_is_written_once_and_read_again(tmp_path: Path) -> None:
    run = folders.find_or_make(tmp_path, "demo", CONFIG)
    written = folders.RunConfig(
        "demo", CONFIG, campaign="demo.yaml", allow=("mine",), settings={"seed": [0, "default"]}
    )
    folders.write_config(run.path, written)
    folders.write_config(run.path, folders.RunConfig("demo", {"seed": 9}))
    assert folders.read_config(run.path) == written


def test_a_run_is_found_by_its_folder_or_its_campaigns(tmp_path: Path) -> None:
    run = folders.find_or_make(tmp_path, "demo", CONFIG)
    folders.write_config(run.path, folders.RunConfig("demo", CONFIG))
    assert folders.existing(run.path).path == run.path
    assert folders.existing(tmp_path / "demo").path == run.path
    with pytest.raises(InvdesignError, match="expected a run folder"):
        folders.existing(tmp_path / "other")


def test_a_damaged_configuration_is_named(tmp_path: Path) -> None:
    run = folders.find_or_make(tmp_path, "demo", CONFIG)
    (run.path / folders.CONFIG).write_text(json.dumps([1]))
    with pytest.raises(InvdesignError, match="damaged"):
        folders.read_config(run.path)
