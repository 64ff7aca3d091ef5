"""The page and the tables of an audit."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from invdesign.atlas.audit import Finding
from invdesign.atlas.chimeras import find_parents
from invdesign.domains.sequences import Sequences
from invdesign.report.audit_page import Audit, explain, facts_of, rows_of, write_audit

DOMAIN = Sequences("dna", length="fixed")
REFERENCE = np.array([[3] * 20, [4] * 20])


def findings() -> list[Finding[str]]:
    parents = find_parents(np.array([[3] * 8 + [4] * 12]), REFERENCE, missing=2)[0]
    chimera = "A" * 8 + "C" * 12
    places = tuple(f"{letter}{i + 1}" for i, letter in enumerate(chimera))
    strengths = tuple(float(i in parents.explained) for i in range(20))
    p_values = {"likelihood": 0.2, "surroundings": 0.1, "two parents": 0.001}
    scores = {"likelihood": 3.0, "surroundings": 4.0, "two parents": 8.0}
    names = ("left <genus>", "right genus", "right genus")
    return [
        Finding(chimera, 0.002, p_values, scores, places, strengths, parents, names),
        Finding(
            "A" * 20, 0.7, {"likelihood": 0.8, "surroundings": 0.6, "two parents": 0.9}, scores, places, (0.0,) * 20
        ),
        Finding("ACGT", 0.005, dict.fromkeys(p_values, 0.001), scores, places[:4], (0.0,) * 4, problem="4 letters"),
    ]


def audit() -> Audit:
    return Audit("mine.fasta", DOMAIN, findings(), ["odd", "usual", "short"], 0.01, 300)


def test_a_chimera_is_explained_by_its_parents_and_its_breakpoint() -> None:
    text = explain(findings()[0])
    assert "chimera of left <genus> (columns 1 to 8) and right genus" in text
    assert "0 differences to the two, 8 to the nearest single one" in text
    assert explain(findings()[2]) == "the model cannot write it: 4 letters"


def test_the_flagged_designs_come_first_on_the_page_and_their_names_are_escaped(tmp_path: Path) -> None:
    found = audit()
    assert found.flagged == [0, 2]
    assert "2 of 3 designs" in found.sentence
    page = write_audit(found, tmp_path / "audit.html").read_text(encoding="utf-8")
    assert "left &lt;genus&gt;" in page and "left <genus>" not in page
    assert page.count("<article") == 2
    assert '="http' not in page


def test_an_audit_is_a_table_and_json() -> None:
    columns = rows_of(audit())
    assert columns["flagged"] == [True, False, True]
    assert columns["cause"][0] == "two parents"
    assert columns["p_value two parents"] == [0.001, 0.9, 0.001]
    facts = facts_of(audit())
    assert facts[0]["parents"]["breakpoint"] == 8 and facts[0]["parents"]["left"] == "left <genus>"
    assert facts[1]["parents"] is None


def test_a_page_opens_without_errors_in_a_browser(page, tmp_path: Path) -> None:
    page.goto(write_audit(audit(), tmp_path / "audit.html").as_uri())
    assert page.locator("article").count() == 2
    assert page.locator("article img").first.evaluate("image => image.naturalWidth") > 0
    page.set_viewport_size({"width": 380, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
