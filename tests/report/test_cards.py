"""Cards of candidates."""

from __future__ import annotations

import base64
from dataclasses import replace

from invdesign.core import Check
from invdesign.core.intervals import QUANTILE_SCORES
from invdesign.report.cards import make_card


def test_a_card_has_values_checks_and_a_picture(make_data) -> None:
    data = make_data()
    card = make_card(data, data.shortlist[0], 1)
    assert (card.rank, card.label, card.round, card.origin) == (1, "w6", 1, "sobol")
    quantiles = tuple(4.1 + score for score in QUANTILE_SCORES)
    stated = replace(data.shortlist[0], quantiles=(quantiles,) * len(data.objectives))
    assert make_card(data, stated, 1).properties[0].predicted == "4.10 [2.46 to 5.74]"
    assert card.properties[0].measured == "4" and card.properties[0].predicted == "4.10 ± 0.50"
    assert [check.name for check in card.passed] == ["length"] and card.failed == ()
    head, _, picture = card.picture.partition("base64,")
    assert head == "data:image/svg+xml;" and b"<title>w6</title>" in base64.b64decode(picture)


def test_a_check_that_ran_twice_with_one_result_is_shown_once(make_data, make_candidate) -> None:
    checks = (Check("length", True), Check("novel", True), Check("length", True), Check("novel", False, "known"))
    card = make_card(make_data(), make_candidate(1, (1.0,), checks=checks), 1)
    assert [check.name for check in card.passed] == ["length", "novel"]
    assert card.failed == (Check("novel", False, "known"),)


def test_a_design_that_cannot_be_drawn_has_a_card_without_picture(make_data, make_candidate, caplog) -> None:
    card = make_card(make_data(), make_candidate(11, ()), 3)
    assert card.picture == "" and card.properties[0].measured == "–" and card.properties[0].predicted == ""
    assert "no picture of w11 (RuntimeError: no pen)" in caplog.text
