"""The population between several ones."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import toy

from invdesign.core import InvdesignError
from invdesign.execution.in_process import InProcess
from invdesign.runs.barycentres import blend_populations, write_barycentre

CORNERS = [[(x + a, y + b) for x in (0, 1, 2) for y in (0, 1)] for a, b in ((0, 0), (30, 0), (0, 30))]


def test_it_lies_between_the_populations_by_their_weights_and_is_measured(tmp_path: Path) -> None:
    engine = toy.engine(toy.campaign())
    even = blend_populations(engine, CORNERS, executor=InProcess)
    assert sorted(even.designs) == sorted((x + 10, y + 10) for x in (0, 1, 2) for y in (0, 1))
    assert even.distances[1] == pytest.approx(even.distances[2], rel=0.01)
    assert even.values["height"] == pytest.approx(toy.bump(list(even.designs)))
    near = blend_populations(engine, CORNERS, weights=[1, 4, 1])
    assert near.distances[1] < even.distances[1] and near.values == {}
    facts = write_barycentre(even, engine, tmp_path, names=["a", "b", "c"])
    assert facts["designs"] == 6 and facts["valid"] == 1.0 and list(facts["distances"]) == ["a", "b", "c"]
    with (tmp_path / "barycentre.csv").open(encoding="utf-8-sig") as file:
        assert len(list(csv.DictReader(file))) == 6


@pytest.mark.parametrize("weights", [[1.0, 1.0], [1.0, 1.0, 0.0]])
def test_weights_that_do_not_fit_are_refused(weights: list[float]) -> None:
    with pytest.raises(InvdesignError, match="expected --weights with 3 numbers above 0"):
        blend_populations(toy.engine(toy.campaign()), CORNERS, weights=weights)
