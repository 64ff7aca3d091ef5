"""The command that finds molecules for fingerprints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from invdesign.cli import main
from invdesign.domains.molecules import Molecules

DESIGNS = ["CC(=O)Nc1ccc(O)cc1", "Oc1ccccc1"]


@pytest.mark.parametrize("suffix", [".npy", ".csv"])
def test_molecules_of_the_features_of_the_domain_are_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    rows = Molecules().fingerprints(DESIGNS)
    path = tmp_path / f"rows{suffix}"
    if suffix == ".npy":
        np.save(path, rows)
    else:
        np.savetxt(path, rows, fmt="%d", delimiter=",", header=",".join(f"b{i}" for i in range(2048)), comments="")
    assert main(["decode", "--fingerprints", str(path), "--out", str(tmp_path / "found.csv"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["exact"] == 2 and [row["smiles"] for row in facts["molecules"]] == DESIGNS
    assert DESIGNS[0] in (tmp_path / "found.csv").read_text()


def test_a_fingerprint_of_no_molecule_gives_a_near_known_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = Molecules().fingerprints(DESIGNS[1:])
    row[0, np.flatnonzero(row[0] == 0)[:2]] = 0.5
    np.save(tmp_path / "row.npy", row)
    (tmp_path / "known.smi").write_text("Oc1ccccc1\nCCO\n")
    words = ["decode", "--fingerprints", str(tmp_path / "row.npy")]
    assert main(words) == 0
    assert "0 of 1" in capsys.readouterr().out
    assert main([*words, "--known", str(tmp_path / "known.smi"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["molecules"][0]
    assert not found["exact"] and found["tanimoto"] > 0.8


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("1 2 3\n", [], "at least 64 counts"),
        ("1 x\n3 y\n", [], "cannot be read"),
        ("1 " * 64, ["--radius", "9"], "2 or 3"),
    ],
)
def test_files_without_fingerprints_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: list[str], message: str
) -> None:
    (tmp_path / "bad.csv").write_text(text)
    assert main(["decode", "--fingerprints", str(tmp_path / "bad.csv"), *words]) == 2
    assert message in capsys.readouterr().err
