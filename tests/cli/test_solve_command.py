"""The command that finds crystals from a powder pattern."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from invdesign.cli import main
from invdesign.domains.crystals import Crystal
from invdesign.domains.crystals.crystal import Orbit
from invdesign.domains.crystals.io.writing import write
from invdesign.domains.crystals.powder.diffraction import peaks
from invdesign.domains.crystals.symmetry.canonical import expand

SALT = Crystal(225, (5.64,) * 3 + (90.0,) * 3, (Orbit("Na", "a", (0, 0, 0), 4), Orbit("Cl", "b", (0.5, 0.5, 0.5), 4)))
CESIUM = Crystal(221, (4.12,) * 3 + (90.0,) * 3, (Orbit("Cs", "a", (0, 0, 0), 1), Orbit("Cl", "b", (0.5, 0.5, 0.5), 1)))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with a pattern of KBr and two known structures."""
    bromide = Crystal(
        225, (6.6,) * 3 + (90.0,) * 3, (Orbit("K", "a", (0, 0, 0), 4), Orbit("Br", "b", (0.5, 0.5, 0.5), 4))
    )
    at, height = peaks(bromide, *expand(bromide), 0.70926, 50.0)
    angles = np.arange(5, 45, 0.02)
    counts = np.exp(-((angles[:, None] - at) ** 2) / 0.005) @ height + 3
    lines = [f"{x:.2f} {y:.3f}" for x, y in zip(angles, counts, strict=True)]
    (tmp_path / "kbr.xy").write_text("\n".join(lines))
    (tmp_path / "known").mkdir()
    for name, crystal in (("salt", SALT), ("cesium", CESIUM)):
        write([crystal], tmp_path / "known" / f"{name}.cif")
    return tmp_path


def _words(folder: Path) -> list[str]:
    corpus = ["corpus=crystals/table", f"corpus.path={folder / 'known'}", "--cache", str(folder / "cache")]
    return ["solve", str(folder / "kbr.xy"), "--formula", "KBr", *corpus, "--out", str(folder / "out")]


def test_a_pattern_is_solved_with_the_structures_of_a_folder(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*_words(files), "--wavelength", "MoKa1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    best = facts["candidates"][0]
    assert best["space_group"] == 225 and best["a"] == pytest.approx(6.6, rel=0.003) and best["agreement"] > 0.95
    names = {Path(path).name for path in facts["files"]}
    assert {"solution.html", "candidates.csv", "candidate-01.cif"} <= names
    assert "Fm-3m" in (files / "out" / "solution.html").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--wavelength", "Xray"], "wavelength: expected"),
        (["--formula", "K2Br7"], "structures of the ratios of K2Br7"),
        (["-n", "0"], "-n must be from 1"),
        (["--latents", "-3"], "--latents must be from 0"),
        (["base=molecules"], "expected a campaign of crystals"),
    ],
)
def test_what_cannot_be_solved_is_said(
    files: Path, capsys: pytest.CaptureFixture[str], change: list[str], message: str
) -> None:
    words = _words(files)
    if change[0] == "base=molecules":
        words = [word for word in words if not word.startswith("corpus")]
    assert main([*words, *change]) == 2
    assert message in capsys.readouterr().err
