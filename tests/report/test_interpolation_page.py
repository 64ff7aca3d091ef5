"""The page of an interpolation is self-contained and shows every step, also those without a design."""

from __future__ import annotations

import math
import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from invdesign.campaign import Crossing, Interpolation, State, Step
from invdesign.core import Candidate, Check, Objective, ValueSource
from invdesign.report.data import ReportData
from invdesign.report.interpolation_page import path_report, summarize

HOSTILE = "<script>alert(1)</script>"
WORDS = SimpleNamespace(
    name="words",
    label=str,
    describe=lambda words: {},
    draw=lambda word: f'<svg xmlns="http://www.w3.org/2000/svg"><title>{word}</title></svg>',
)


def step(number: int, word: str | None, *, is_repeated: bool = False, **fields: Any) -> Step[str]:
    z = torch.zeros(2, dtype=torch.float64)
    found = None if word is None else Candidate(word, word, z, percentile=40.0, **fields)
    return Step(number, number / 4, z, -1.0, 50.0, found, math.nan if word is None else 0.3, is_repeated)


def path(**changes: Any) -> Interpolation[str]:
    bad = (Check("short", False, HOSTILE),)
    steps = (
        step(0, "ab", y=(1.0, -1.0), status="measured", mean=(1.1, -1.2), sd=(0.2, 0.1)),
        step(1, "ab", is_repeated=True, y=(1.0, -1.0), status="measured", mean=(1.1, -1.2), sd=(0.2, 0.1)),
        step(2, None),
        step(3, f"abc{HOSTILE}", y=(2.0, -2.0), status="measured", checks=bad),
        step(4, "abcd", status="failed", reason="no"),
    )
    return Interpolation(**{"steps": steps, "shape": "density", **changes})


def data(m: int = 1) -> ReportData[str]:
    objectives = (Objective("length", "cm", 2.5), Objective("cost", "EUR", (0.0, 1.0)))[:m]
    return ReportData("words", WORDS, objectives, State(), command=f"invdesign {HOSTILE}", notes=[HOSTILE])  # type: ignore[arg-type]


@pytest.mark.parametrize("m", [1, 2])
def test_the_page_is_complete_and_needs_no_network(tmp_path, m):
    text = path_report(data(m), path(until=1.5, met=3), tmp_path / "path.html").read_text()
    links = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert links and all(link.startswith("data:image/svg+xml;base64,") for link in links)
    assert "default-src 'none'" in text and HOSTILE not in text and "&lt;script&gt;" in text
    assert text.count('<svg class="chart') == 1 and text.count("<image ") == 3
    assert "as step 0" in text and "nothing decoded" in text
    assert ("cost (EUR)" in text) == (m == 2)


def test_the_sentences_state_the_valid_designs_the_range_of_the_property_and_the_target():
    assert summarize(data(), path(until=1.5, met=3)) == [
        "3 distinct designs on 5 steps; 2 of them pass every check.",
        "Measured length goes from 1 to 2 cm, and stays between 1 and 2 cm.",
        "Step 3 has 1.500 cm.",
    ]
    crossed = summarize(data(), path(until=1.5, crossing=Crossing(1, 2, 1, -0.5)))
    assert crossed[-1] == (
        "1.500 cm is crossed between steps 1 and 2; no design of the path has it. "
        "The nearest one is step 1, 0.50 cm below."
    )


def test_values_that_an_oracle_computed_are_not_called_measured():
    sources = (ValueSource("computed"),)
    steps = tuple(step(i, "a" * (i + 1), y=(float(i),), status="measured", sources=sources) for i in range(2))
    assert summarize(data(), path(steps=steps))[1].startswith("Computed length goes from 0 to 1")


def test_a_target_that_is_the_goal_is_one_line(tmp_path):
    other, same = (path_report(data(), path(until=u), tmp_path / "path.html").read_text() for u in (1.5, 2.5))
    assert ">target 1.500<" in other and ">goal 2.500<" in other
    assert ">goal 2.500<" in same and ">target" not in same


def test_a_path_without_properties_or_of_one_step_has_a_page_too(tmp_path):
    bare = path(steps=tuple(step(i, word) for i, word in enumerate(("ab", "abc"))))
    assert "plausibility percentile" in path_report(data(), bare, tmp_path / "bare.html").read_text()
    one = path(steps=path().steps[:1], until=1.0, met=0)
    assert "step 0" in path_report(data(), one, tmp_path / "one.html").read_text()
