"""Steering of a running campaign: what a change does to the next batch, and what it leaves as it is."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import toy

from invdesign.campaign import Steered, active_changes, apply, ask, steer_campaign, steer_engine, tell
from invdesign.core import Check, InvdesignError, Outcome
from invdesign.core.steering import Change
from invdesign.domains.molecules import Molecules
from invdesign.domains.sequences import Sequences, WildType
from invdesign.domains.sequences.mutations import mutate
from invdesign.search.mutations import MutationPolicy


def steered(*changes: str, n_rounds: int | None = None) -> Steered:
    return Steered(tuple(map(Change.parse, changes)), n_rounds=n_rounds)


def in_domain(designs: Any, *, domain: Any) -> list[Check]:
    return [Check("limits", not domain.constraints.violation(design)) for design in designs]


def test_a_change_for_some_rounds_ends_and_another_one_stays() -> None:
    engine = toy.engine(toy.campaign())
    state = apply(apply(toy.begun(engine), steered("batch=3", n_rounds=1)), steered("budget+=7"))
    assert [str(change) for change in active_changes(state)] == ["batch=3", "budget+=7"]
    assert steer_engine(engine, state).campaign.limits.budget == 57
    state = tell(engine, state, {c.key: Outcome((float(i),)) for i, c in enumerate(state.open)})
    batch = ask(engine, state)
    assert len(batch.candidates) == 3
    state = apply(state, batch)
    assert [str(change) for change in active_changes(state)] == ["budget+=7"]
    assert len(ask(engine, state).candidates) == 5


def test_an_engine_is_steered_once_however_often_it_is_asked() -> None:
    engine = toy.engine(toy.campaign())
    state = apply(toy.begun(engine), steered("budget+=7"))
    twice = steer_engine(steer_engine(engine, state), state)
    assert twice.campaign.limits.budget == 57
    assert steer_engine(engine, toy.begun(engine)) is engine


def test_goals_weights_and_constraints_are_changed() -> None:
    changes = ["objectives.height.goal=[0.2,0.4]", "objectives.height.weight=2", "constraints.height=<= 0.5"]
    campaign = steer_campaign(toy.campaign(), [Change.parse(text) for text in changes])
    (objective,) = campaign.objectives
    assert objective.goal == (0.2, 0.4) and objective.weight == 2
    assert [str(limits) for limits in campaign.task.limits] == ["height <= 0.5"]
    assert not steer_campaign(campaign, [Change.parse("constraints.height=")]).task.limits


def test_the_limits_of_designs_are_changed_wherever_they_are_named() -> None:
    domain = Sequences(length="fixed", wild_type=WildType("MKTAYIAK"), designable=[2, 3])
    campaign = toy.campaign(
        domain=domain,
        screens=[partial(in_domain, domain=domain)],
        mutations=MutationPolicy(partial(mutate, domain=domain), lambda a, b: 0.0),
    )
    changed = steer_campaign(campaign, [Change.parse("domain.designable+=5"), Change.parse("domain.forbidden=C")])
    assert changed.domain.designable == {2: "", 3: "", 5: ""}  # type: ignore[attr-defined]
    (screen,) = changed.screens
    assert [check.passed for check in screen(["MKTAWIAK", "MKTAYIAA"])] == [True, False]
    assert changed.mutations is not None
    assert changed.mutations.mutate.keywords["domain"] == changed.domain  # type: ignore[attr-defined]
    scaffold = steer_campaign(toy.campaign(domain=Molecules()), [Change.parse("domain.required=c1ccncc1")])
    assert scaffold.domain.adapt("Cc1ccccc1") is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed=3", "cannot be changed while a campaign runs. What can: budget"),
        ("budget=many", "expected a number"),
        ("objectives.height.goal=upwards", "goal must be"),
        ("objectives.depth.goal=minimize", "a property that this run measures"),
        ("constraints.depth=<= 1", "seeds=run"),
        ("domain.required=CC", "no such setting"),
    ],
)
def test_what_cannot_be_changed_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvdesignError, match=message):
        steer_campaign(toy.campaign(), [Change.parse(text)])
