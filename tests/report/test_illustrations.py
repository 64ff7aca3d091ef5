"""Figures of the domain: their position in the report, and the policy that allows only their scripts."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from invdesign.campaign import State
from invdesign.core import Candidate, Objective
from invdesign.report import ReportData, report
from invdesign.report.illustrations import POLICY, content_security_policy

SCRIPT = "document.title = 'a < b'"
WORDS = SimpleNamespace(name="words", label=str, describe=lambda words: {}, draw=lambda word: "<svg></svg>")


def data(**illustrate: Any) -> ReportData[str]:
    evaluated = [
        Candidate(word, word, torch.zeros(2, dtype=torch.float64), round=1, y=(float(i),), status="measured")
        for i, word in enumerate(("ab", "abc"))
    ]
    return ReportData(
        "words",
        WORDS,
        (Objective("length", "cm"),),
        State(tuple(evaluated)),
        shortlist=evaluated[1:],
        illustrate=illustrate,
    )


def counts(shortlist: Sequence[Any], evaluated: Sequence[Any], objectives: Sequence[Objective]) -> Mapping[str, str]:
    return {
        "How <many>": f"<p>{len(shortlist)} of {len(evaluated)} by {objectives[0].name}</p><script>{SCRIPT}</script>"
    }


def digest(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def test_a_figure_of_the_domain_follows_the_shortlist_with_its_title(tmp_path: Any) -> None:
    text = report(data(counts=counts), tmp_path / "report.html", projections=("pca",)).read_text()
    assert "<h3>How &lt;many&gt;</h3>" in text and "<p>1 of 2 by length</p>" in text
    assert text.index("<h2>Shortlist") < text.index("<h2>Figures of the domain") < text.index("<h2>Latent space")
    assert f'{POLICY}; script-src {digest(SCRIPT)}"' in text


def test_without_figures_of_the_domain_no_script_is_allowed(tmp_path: Any) -> None:
    text = report(data(), tmp_path / "report.html", projections=("pca",)).read_text()
    assert "Figures of the domain" not in text and "script-src" not in text and f'"{POLICY}"' in text


def test_line_ends_are_normalized_as_in_a_browser_so_that_checksums_agree(tmp_path: Any) -> None:
    def dos(shortlist: Any, evaluated: Any, objectives: Any) -> Mapping[str, str]:
        return {"dos": "<p></p><script>a();\r\nb();\r</script>"}

    text = report(data(dos=dos), tmp_path / "report.html", projections=("pca",)).read_text()
    assert digest("a();\nb();\n") in text and "<script>a();\nb();\n</script>" in text


def test_each_script_is_allowed_once() -> None:
    policy = content_security_policy(
        ["<script>a()</script>", "<svg></svg>", "<script>b()</script><SCRIPT type='x'>b()</SCRIPT>"]
    )
    assert policy == f"{POLICY}; script-src {digest('a()')} {digest('b()')}"


FAILING = [
    (RuntimeError("no <ink>"), "no &lt;ink&gt;"),
    (["a list"], "expected HTML or SVG by title, got list"),
    ({"view": "<p></p><script>a()"}, "view: a &lt;script&gt; is not closed"),
]


@pytest.mark.parametrize(("answer", "reason"), FAILING)
def test_a_figure_that_fails_is_replaced_by_its_reason(
    tmp_path: Any, caplog: pytest.LogCaptureFixture, answer: Any, reason: str
) -> None:
    def broken(shortlist: Any, evaluated: Any, objectives: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with caplog.at_level(logging.WARNING):
        text = report(data(broken=broken, counts=counts), tmp_path / "report.html", projections=("pca",)).read_text()
    assert f'<h3>broken</h3>\n<p class="missing">not drawn: {reason}</p>' in text
    assert "<p>1 of 2 by length</p>" in text
    # A ValueError means that a figure has nothing to show.
    assert ("figure 'broken' failed" in caplog.text) == (not isinstance(answer, dict))
