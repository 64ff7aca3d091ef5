"""The guide's three rounds with a laboratory, line by line."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from invdesign.cli import main

GUIDE = Path(__file__).parents[2] / "campaigns" / "README.md"


def lines_of(section: str) -> list[str]:
    """Return the commands of the first shell block of a section of the guide."""
    text = GUIDE.read_text().split(f"### {section}\n")[1]
    return text.split("```bash\n")[1].split("```")[0].replace("\\\n", "").splitlines()


@pytest.mark.slow
def test_three_rounds_with_a_laboratory_run_as_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for line in lines_of("Three rounds with a laboratory"):
        words = shlex.split(line, comments=True)
        if words[0] == "invdesign":
            assert main(words[1:]) == 0, line
        else:
            subprocess.run(line, shell=True, check=True)
    printed = capsys.readouterr().out
    assert "failed: 2" in printed and "ic50 29" in printed
    (run,) = (tmp_path / "results" / "rounds").glob("2*")
    assert (run / "report.html").is_file() and (run / "candidates.sdf").is_file()
