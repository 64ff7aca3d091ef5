"""Paths between designs of a toy domain: every design at its own latent, measured no more than needed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import toy

from invdesign.campaign import Interpolation, initialize, interpolate, make_engine, start
from invdesign.core import Candidate, Check, Corpus, InvdesignError, Objective, Outcome

SPACE = toy.GridSpace(toy.Grid())


class Counted:
    """An evaluation in process that records the designs."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def __call__(self, oracle: Any, designs: Sequence[Any]) -> Iterator[tuple[int, Outcome]]:
        for i, design in enumerate(designs):
            self.asked.append(design)
            y = float(np.asarray(oracle([design])).reshape(-1)[0])
            yield i, Outcome((y,), "measured" if math.isfinite(y) else "invalid")


def history(campaign: Any) -> tuple[Candidate[Any], ...]:
    source = toy.corpus(200)
    known = Corpus(source.designs, properties={"height": toy.bump(source.designs)})
    engine = toy.engine(campaign)
    return start(engine, initialize(engine, known)).history


def walk(first: Any, last: Any, **options: Any) -> Interpolation[Any]:
    return interpolate(toy.engine(toy.campaign()), first, last, **{"shape": "straight", **options})


def test_a_straight_path_visits_the_points_between() -> None:
    found = walk((0, 0), (20, 10))
    assert [step.found.design for step in found.steps if step.found] == [(2 * i, i) for i in range(11)]
    assert [step.t for step in found.steps] == pytest.approx(np.linspace(0, 1, 11))
    assert max(step.distance for step in found.steps) < 1e-12 and found.notes == ()


def test_a_step_has_the_density_of_the_point_and_of_the_design() -> None:
    step = walk((0, 0), (3, 0), n=3).steps[1]
    assert step.found is not None and step.found.design == (2, 0)
    assert step.distance == pytest.approx(0.05)
    assert (step.log_density, step.found.log_density) == pytest.approx((-(0.15**2) / 2, -(0.2**2) / 2))
    assert step.found.percentile == pytest.approx(100 * math.exp(-(0.2**2) / 2))


def test_a_design_found_again_is_marked_and_measured_once() -> None:
    counted = Counted()
    found = walk((0, 0), (4, 0), n=17, executor=toy.executor(counted))
    assert len(found.designs) == 5 == len(counted.asked) == len(set(counted.asked))
    assert sum(step.is_repeated for step in found.steps) == 12
    assert all(step.found is not None and step.found.status == "measured" for step in found.steps)


def test_of_several_designs_around_a_step_the_nearest_one_is_taken() -> None:
    alone, around = (walk((30, 10), (-30, 10), shape="spherical", n=5, n_around=n) for n in (1, 40))
    assert [step.found is None for step in alone.steps] == [False, False, True, False, False]
    (x, y) = around.steps[2].found.design if around.steps[2].found else (99, 99)
    assert abs(x) <= 3 and y >= 29


def test_a_point_that_decodes_to_no_design_is_a_step_without_a_design() -> None:
    found = walk((30, 30), (-30, 30), shape="spherical", n=5)
    assert [step.found is None for step in found.steps] == [False, True, True, True, False]
    assert math.isnan(found.steps[2].distance)


def test_the_path_ends_where_the_property_crosses_the_value_and_nothing_behind_is_measured() -> None:
    counted = Counted()
    found = walk((0, -7), (20, -7), until=0.923, executor=toy.executor(counted))
    # exp(-(x - 13)^2 / 200) is 0.88 at x = 8, 0.923 at x = 9 and 0.96 at x = 10.
    assert found.crossing is None and found.steps[found.met].found.design == (9, -7)
    assert counted.asked == [*((2 * i, -7) for i in range(6)), (9, -7)]
    assert [step.t for step in found.steps] == sorted(step.t for step in found.steps)


def test_a_value_that_no_design_has_is_crossed_and_not_met() -> None:
    found = walk((0, -7), (20, -7), until=0.9, executor=toy.executor(Counted()))
    assert found.met is None and found.notes == ()
    before, after = found.steps[found.crossing.before], found.steps[found.crossing.after]
    assert (before.found.design, after.found.design) == ((8, -7), (9, -7)) and after.t - before.t < 0.01
    assert found.steps[found.crossing.nearest].found.y[0] - 0.9 == pytest.approx(found.crossing.difference)
    assert found.crossing.difference == pytest.approx(np.exp(-25 / 200) - 0.9)


def test_a_falling_property_meets_the_value_too_and_a_start_on_it_meets_it_at_once() -> None:
    falling = walk((13, -7), (-7, -7), until=np.exp(-(11**2) / 200), executor=toy.executor(Counted()))
    assert falling.steps[falling.met].found.design == (2, -7)
    assert walk((13, -7), (-7, -7), until=1.0, executor=toy.executor(Counted())).met == 0


def test_a_value_that_is_never_met_is_noted_and_the_path_is_whole() -> None:
    found = walk((0, -7), (20, -7), until=2.0, executor=toy.executor(Counted()))
    assert found.met is None and len(found.steps) == 11
    assert found.notes == ("no step of the path reaches height 2",)


def test_what_cannot_be_measured_neither_meets_the_value_nor_stops_the_path() -> None:
    found = walk((20, -7), (30, -7), until=0.0, executor=toy.executor(Counted()))
    assert found.met is None
    assert [step.found.status for step in found.steps if step.found][-1] == "invalid"


def test_the_surrogate_predicts_where_designs_were_measured_and_its_value_counts_without_an_oracle() -> None:
    campaign = toy.campaign()
    measured = history(campaign)
    found = interpolate(toy.engine(campaign), (-8, 8), (5, -7), shape="straight", history=measured)
    mean = [c.mean[0] for c in found.designs]
    np.testing.assert_allclose(mean, toy.bump([c.design for c in found.designs]), atol=0.02)
    assert all(c.sd[0] > 0 for c in found.designs)
    until = interpolate(toy.engine(campaign), (-8, 8), (5, -7), shape="straight", history=measured, until=0.4)
    values = [step.found.mean[0] for step in until.steps if step.found is not None]
    assert until.crossing is not None or abs(values[until.met] - 0.4) <= 0.004


def test_a_prediction_for_a_target_is_the_property_itself() -> None:
    campaign = toy.campaign(objectives=[Objective("height", goal=0.3)])
    found = interpolate(toy.engine(campaign), (-8, 8), (5, -7), shape="straight", history=history(campaign))
    np.testing.assert_allclose(
        [c.mean[0] for c in found.designs], toy.bump([c.design for c in found.designs]), atol=0.02
    )


def test_designs_of_the_history_cost_no_call() -> None:
    known = Candidate((2, 0), "2,0", SPACE.encode([(2, 0)])[0], y=(7.0,), status="measured")
    counted = Counted()
    found = walk((0, 0), (4, 0), n=3, history=[known], executor=toy.executor(counted))
    assert counted.asked == [(0, 0), (4, 0)]
    assert found.designs[1].y == (7.0,)
    assert found.notes[0].startswith("no predictions: 1 distinct designs")


def test_validators_check_every_design() -> None:
    def even(designs: Sequence[Any]) -> list[Check]:
        return [Check("even", sum(p) % 2 == 0, str(sum(p))) for p in designs]

    found = interpolate(toy.engine(toy.campaign(validators=[even])), (0, 0), (3, 0), shape="straight", n=4)
    assert [c.is_valid for c in found.designs] == [True, False, True, False]


def test_an_end_that_is_not_reconstructed_is_noted_and_stays_the_end() -> None:
    class Shifted(toy.GridSpace):
        def decode(self, Z: torch.Tensor) -> list[Any]:
            return super().decode(Z + 0.1)

    shifted: Any = Shifted(toy.Grid())
    found = interpolate(make_engine(toy.campaign(), shifted), (0, 0), (4, 0), shape="straight", n=3)
    assert found.notes[0] == "the first design is not reconstructed from its latent, which decodes to 1,1"
    assert [c.design for c in found.designs] == [(0, 0), (3, 1), (4, 0)]


def test_a_path_along_the_density_is_the_same_every_time_and_leaves_the_random_state_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    both = [walk((-9, 20), (25, 3), shape="density") for _ in range(2)]
    assert torch.equal(before, torch.get_rng_state())
    assert [c.key for c in both[0].designs] == [c.key for c in both[1].designs]
    straight = walk((-9, 20), (25, 3))
    assert np.mean([s.log_density for s in both[0].steps]) > np.mean([s.log_density for s in straight.steps])


def test_equal_ends_and_a_value_of_nothing_known_are_refused() -> None:
    with pytest.raises(InvdesignError, match="expected two different designs"):
        walk((1, 1), (1, 1))
    with pytest.raises(InvdesignError, match="--measure"):
        walk((0, 0), (4, 0), until=1.0)
