"""Changes of a running campaign as texts and as settings."""

from __future__ import annotations

import pytest

from invdesign.core import InvdesignError
from invdesign.core.steering import Change, change_settings, combine_values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("budget=300", 300),
        ("objectives.a.goal=[1, 2.5]", [1, 2.5]),
        ("objectives.a.goal=minimize", "minimize"),
        ("constraints.a=>= 1, <= 3", ">= 1, <= 3"),
        ("constraints.a=", None),
        ("domain.designable=10,12-20", [10, "12-20"]),
        ("domain.required=[#7]c1ccccc1", "[#7]c1ccccc1"),
        ("domain.forbidden=[N,O]", "[N,O]"),
    ],
)
def test_a_change_is_read_from_a_text(text: str, value: object) -> None:
    change = Change.parse(text)
    assert (change.key, change.operation, change.value) == (text.split("=")[0], "=", value)


def test_a_text_without_a_setting_is_refused() -> None:
    with pytest.raises(InvdesignError, match="KEY=VALUE"):
        Change.parse("300")


def test_a_value_is_added_to_a_list_a_mapping_or_a_number() -> None:
    assert combine_values((1, 2), Change.parse("domain.fixed+=2,3")) == [1, 2, 3]
    assert combine_values({1: "AC"}, Change.parse("domain.designable+=4")) == {1: "AC", 4: ""}
    assert combine_values(100, Change.parse("budget+=50")) == 150
    with pytest.raises(InvdesignError, match="nothing can be added"):
        combine_values("maximize", Change.parse("objectives.a.goal+=1"))


def test_nested_settings_are_changed_and_nothing_else() -> None:
    changed = change_settings({"a": {"b": 1, "c": 2}}, [Change.parse("a.b=3"), Change.parse("d.e=f")])
    assert changed == {"a": {"b": 3, "c": 2}, "d": {"e": "f"}}
