"""The command that audits a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from invdesign.cli import main

MOLECULES = """\
CC(=O)Nc1ccc(O)cc1 paracetamol
O=C(Cc1ccccc1)NC1CCN(Cc2ccccc2)CC1 amide
OOC1(F)SN=C=C1[Br] nonsense
[Pt] platinum
"""


@pytest.mark.slow
def test_a_file_is_audited_by_the_shipped_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.smi"
    file.write_text(MOLECULES)
    assert main(["audit", str(file), "--model", "zinc250k", "--out", str(tmp_path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    by_name = {finding["name"]: finding for finding in facts["findings"]}
    assert not by_name["amide"]["flagged"]
    assert by_name["nonsense"]["flagged"] and by_name["nonsense"]["places"]
    assert "cannot write" in by_name["platinum"]["why"]
    assert {Path(path).name for path in facts["files"]} == {"audit.html", "audit.csv"}
    assert "nonsense" in (tmp_path / "audit.csv").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mine.smi", "--run", "a", "--model", "b"], "got several"),
        ([], "got neither"),
        (["mine.smi", "--model", "nothing"], "expected a shipped model (zinc250k)"),
        (["mine.smi", "--model", "zinc250k", "--level", "2"], "between 0 and 1"),
    ],
)
def test_arguments_that_contradict_are_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", *words]) == 2
    assert message in capsys.readouterr().err
