"""A stalled search says why: each cause by itself, none where it goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from invdesign.campaign.pool import Funnel
from invdesign.campaign.stall import explain_stall
from invdesign.campaign.state import RoundRecord
from invdesign.surrogate import SurrogateReport

GOOD = Funnel(proposed=500, decoded=500, unique=400, novel=390, screened=300, selected=20)
RANKS = SurrogateReport("leave-one-out", n=100, rank_correlation=(0.7,))


def rounds(*best: float, funnel: Funnel = GOOD, report: SurrogateReport = RANKS) -> list[RoundRecord]:
    return [
        RoundRecord(i, funnel, best=value, surrogate=report, lengths=(0.8,), is_improved=(False,), is_ended=True)
        for i, value in enumerate(best)
    ]


def test_a_search_that_improves_or_stalled_for_two_rounds_is_not_explained() -> None:
    nan = float("nan")
    assert explain_stall([]) == explain_stall(rounds(1.0)) == explain_stall(rounds(nan, nan, nan, nan)) == ""
    assert explain_stall(rounds(1.0, 2.0, 2.0, 2.0)) == ""
    assert explain_stall(rounds(1.0, 1.0, 1.0, 1.0, 1.1)) == ""


def test_an_open_round_does_not_count() -> None:
    records = rounds(1.0, 1.0, 1.0, 1.0)
    records[-1] = replace(records[-1], is_ended=False)
    assert explain_stall(records) == ""


@pytest.mark.parametrize(
    ("funnel", "report", "words"),
    [
        (replace(GOOD, novel=40, screened=30), RANKS, "10 % of the distinct proposals were new designs"),
        (
            replace(GOOD, screened=39, refused=(("size", 351),)),
            RANKS,
            "10 % of the new designs passed the screens (refused by size 1,053)",
        ),
        (replace(GOOD, decoded=50, unique=50, novel=50, screened=50), RANKS, "10 % of the proposals decoded"),
        (GOOD, replace(RANKS, rank_correlation=(0.05,)), "rank correlation on held-out designs was 0.05"),
        (GOOD, RANKS, "(other mutations, another seed"),
    ],
)
def test_each_cause_is_named_and_no_other(funnel: Funnel, report: SurrogateReport, words: str) -> None:
    text = explain_stall(rounds(1.0, 1.0, 1.0, 1.0, funnel=funnel, report=report))
    assert text.startswith("no improvement in 3 rounds: ") and words in text and ";" not in text


def test_what_the_search_did_is_said() -> None:
    records = rounds(1.0, 1.0, 1.0, 1.0)
    lengths = [(0.8, 0.8), (0.4, 0.8), (0.2, 1.6), (0.8, 1.6)]
    grown = [(False, False), (False, False), (False, True), (False, False)]
    records = [
        replace(record, lengths=length, is_improved=is_grown)
        for record, length, is_grown in zip(records, lengths, grown, strict=True)
    ]
    records[2] = replace(records[2], is_finetuned=True)
    assert explain_stall(records).endswith(
        "Meanwhile trust regions shrank 2 times, to 0.8, 1 restarted elsewhere, the VAE was fine-tuned"
    )
