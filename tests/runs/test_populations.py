from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy

from invdesign.core import InvdesignError
from invdesign.domains.molecules import Molecules
from invdesign.execution.in_process import InProcess
from invdesign.report.population_page import PopulationStep, write_population_page
from invdesign.runs.interpolation import read_populations
from invdesign.runs.populations import interpolate_populations

FIRST = [(x, y) for x in (0, 1, 2) for y in (0, 1)]
LAST = [(x + 20, y + 10) for x, y in reversed(FIRST)]


def test_matched_pairs_move_evenly_and_are_measured() -> None:
    found = interpolate_populations(toy.engine(toy.campaign()), FIRST, LAST, n=5, outliers=0.0, executor=InProcess)
    steps = found.steps
    assert [step.t for step in steps] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert sorted(found.designs[2]) == sorted((x + 10, y + 5) for x, y in FIRST)
    total = steps[-1].from_first
    assert [step.from_first / total for step in steps] == pytest.approx([0, 0.25, 0.5, 0.75, 1], abs=0.01)
    assert [step.to_last / total for step in steps] == pytest.approx([1, 0.75, 0.5, 0.25, 0], abs=0.01)
    assert steps[2].values["height"] == pytest.approx(toy.bump(list(found.designs[2])))


def test_a_population_without_a_readable_design_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvdesignError, match="expected designs that the model can read"):
        interpolate_populations(toy.engine(toy.campaign()), [], LAST, n=3)


def test_two_files_of_several_designs_are_populations(tmp_path: Path) -> None:
    many, one = tmp_path / "many.smi", tmp_path / "one.smi"
    many.write_text("CCO\nCCN\n")
    one.write_text("CCO\n")
    found = read_populations(Molecules(), str(many), str(many))
    assert found is not None and list(found[0]) == ["CCO", "CCN"]
    assert read_populations(Molecules(), str(many), str(one)) is None
    assert read_populations(Molecules(), f"{many}:1", "CCN") is None


def step(t: float, **changes: Any) -> PopulationStep:
    values = {"weight": np.array([100.0, 200.0, np.nan]) + 100 * t, "empty": np.full(3, np.nan)}
    return PopulationStep(t, 4, 3, 2, values, {"amide": t}, 5 * t, 5 - 5 * t)


def test_the_page_shows_histograms_composition_and_distances(tmp_path: Path) -> None:
    steps = [step(t) for t in (0.0, 0.5, 1.0)]
    page = write_population_page(
        steps, ["amide"], tmp_path / "page.html", names=("<low>.smi", "high.smi"), command="invdesign"
    )
    text = page.read_text()
    assert "&lt;low&gt;.smi to high.smi" in text and "<script" not in text
    assert "75% of the points between them decode to a design" in text
    assert "weight" in text and "empty" not in text and "50 %" in text
