"""Settings as rows."""

from __future__ import annotations

import jinja2
import pytest

from invdesign.report.templates import created_at, flatten_settings, render_page, settings_rows


def test_nested_settings_become_rows_with_dotted_names() -> None:
    assert flatten_settings({"a": {"b": [1, 2]}, "c": None, "d": [{"e": 1}]}) == [
        ("a.b", "1, 2"),
        ("c", "–"),
        ("d[0].e", "1"),
    ]


def test_no_settings_are_no_rows() -> None:
    assert settings_rows({}) == [] and settings_rows({"a": 1}) == [("a", "1")]


def test_the_present_time_replaces_a_missing_time_of_creation() -> None:
    assert created_at("yesterday") == "yesterday"
    assert created_at("").endswith(" UTC") and len(created_at("")) == len("2026-01-01 00:00 UTC")


def test_a_name_that_the_context_lacks_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render_page("page.html.j2", {})
