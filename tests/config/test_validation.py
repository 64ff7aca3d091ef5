"""Validation against signatures: a wrong key, a wrong type or a missing key is named with the nearest right one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from invdesign.config import validation
from invdesign.core import Goal, InvdesignError, Objective
from invdesign.search import Search, TrustRegion


def here(keys: Sequence[str]) -> str:
    return f"file.yaml:{len(keys)}"


@dataclass(frozen=True)
class Part:
    """A part with settings of all kinds."""

    name: str = ""
    n: int = 1
    trust: TrustRegion | None = None
    goals: Sequence[Objective] = ()
    mode: Literal["fast", "slow"] = "fast"
    window: tuple[float, float] = (0.0, 1.0)
    table: Mapping[str, str] = field(default_factory=dict)
    place: Path | None = None
    search: Search | None = None
    score: Callable[[int], int] | None = None
    named: Mapping[str, Callable[[int], int]] = field(default_factory=dict)


def complete(node: dict[str, Any]) -> dict[str, Any]:
    return validation.complete({"_target_": f"{__name__}.Part", **node}, here, ())


def test_a_wrong_key_is_refused_with_the_nearest_one_and_its_place() -> None:
    with pytest.raises(InvdesignError, match=r"file.yaml:1: .*Part has no setting 'tust'\. Did you mean 'trust'\?"):
        complete({"tust": {}})
    with pytest.raises(InvdesignError, match=r"file.yaml:2: .*TrustRegion has no setting 'lenght'.*'length'"):
        complete({"trust": {"lenght": 1}})


def test_a_key_of_another_choice_is_refused_with_the_setting_that_leaves_it_out() -> None:
    with pytest.raises(
        InvdesignError, match=r"no setting 'zzzzzz'.*If it belongs to another choice, remove it: '~trust\.zzzzzz"
    ):
        complete({"trust": {"zzzzzz": 1}})


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"n": "abc"}, "n: expected a whole number, got 'abc'"),
        ({"n": True}, "expected a whole number, got True"),
        ({"n": 1.5}, "expected a whole number"),
        ({"name": 7}, "expected text, got 7. Quote it to make it text"),
        ({"mode": "fst"}, "expected one of 'fast', 'slow', got 'fst'. Did you mean 'fast'?"),
        ({"window": [1]}, r"expected [a number, a number], got [1]"),
        ({"window": [1, "x"]}, "expected [a number, a number]"),
        ({"table": {"a": 1}}, "table.a: expected text"),
        ({"place": 3}, "expected a path or null"),
        ({"trust": 3}, "expected TrustRegion or null, got 3"),
        ({"trust": {"length": "long"}}, "trust.length: expected a number"),
        ({"score": "len"}, "score: expected a function (function: module:name) or null, got 'len'"),
        ({"n": {"_target_": "invdesign.search.Search"}}, "expected a whole number, got a part"),
    ],
)
def test_a_wrong_type_is_refused_in_words(node: dict[str, Any], message: str) -> None:
    with pytest.raises(InvdesignError) as caught:
        complete(node)
    assert message in str(caught.value)


def test_right_values_pass_unchanged_but_for_lists_that_are_tuples() -> None:
    node = {
        "name": "x",
        "n": 3,
        "mode": "slow",
        "window": [0, 2.5],
        "table": {"a": "b"},
        "place": "x.csv",
        "trust": None,
    }
    done = complete(node)
    assert {key: done[key] for key in node} == {**node, "window": (0, 2.5)}


def test_a_mapping_in_the_place_of_a_record_takes_its_type() -> None:
    done = complete({"trust": {"length": 0.4}})
    assert done["trust"] == {"_target_": "invdesign.search.trust_region.TrustRegion", "length": 0.4}


def test_a_mapping_in_the_place_of_a_sequence_names_its_items_and_null_leaves_one_out() -> None:
    done = complete({"goals": {"qed": {"goal": "maximize"}, "logp": None, "tpsa": {"goal": [40, 90], "unit": "A2"}}})
    assert [goal["name"] for goal in done["goals"]] == ["qed", "tpsa"]
    assert all(goal["_target_"] == "invdesign.core.objectives.Objective" for goal in done["goals"])


def test_null_leaves_a_function_out_of_a_mapping_and_what_is_no_function_is_refused() -> None:
    part = {"_target_": "invdesign.search.acquisition.log_ei", "_partial_": True}
    assert complete({"named": {"a": part, "b": None}})["named"] == {"a": part}
    with pytest.raises(InvdesignError, match=r"named\.a: expected a function"):
        complete({"named": {"a": 3}})


def test_items_of_a_sequence_are_checked_too() -> None:
    with pytest.raises(InvdesignError, match=r"goals.qed.goal: expected .*'maximize'"):
        complete({"goals": {"qed": {"goal": "maximise"}}})
    with pytest.raises(InvdesignError, match=r"has no setting 'wieght'\. Did you mean 'weight'"):
        complete({"goals": {"qed": {"wieght": 2}}})


def test_a_missing_setting_of_what_is_built_is_named() -> None:
    with pytest.raises(InvdesignError, match=r"needs 'name'\. Add goals.0.name=\.\.\."):
        complete({"goals": [{"_target_": "invdesign.core.Objective"}]})


def test_every_form_of_a_goal_fits() -> None:
    for goal in ("maximize", "minimize", 3, 3.5, [1, 2]):
        assert validation.mismatch(goal, Goal) == ""
        complete({"goals": {"qed": {"goal": goal}}})
    assert "expected" in validation.mismatch("up", Goal)
