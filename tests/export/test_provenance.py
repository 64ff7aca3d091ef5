"""Provenance of files: commit and versions."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from invdesign.export import git_commit, provenance
from invdesign.export.provenance import PACKAGE_FOLDER


def test_provenance_contains_the_versions_of_the_packages_in_use() -> None:
    about = provenance()
    assert {"torch", "botorch", "numpy"} <= set(about["versions"]) and about["made"].endswith("Z")


def test_the_folder_whose_commit_is_recorded_is_that_of_the_package() -> None:
    assert PACKAGE_FOLDER.name == "invdesign" and (PACKAGE_FOLDER / "export" / "provenance.py").is_file()


def test_a_package_outside_a_checkout_has_no_commit(tmp_path: Path) -> None:
    assert git_commit(tmp_path / "package") is None


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_of_a_checkout_is_marked_if_files_changed(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text("")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    commit = git_commit(tmp_path / "package")
    assert commit is not None and len(commit) == 40
    (tmp_path / "package" / "module.py").write_text("changed = True")
    assert git_commit(tmp_path / "package") == f"{commit} (with changes)"
