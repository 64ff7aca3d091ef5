"""The report tells the figures of a run rightly, opens without a network, and survives what cannot be drawn."""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from invdesign.campaign import Funnel, RoundRecord, State
from invdesign.core import Candidate, Check, Objective
from invdesign.report import ReportData, report
from invdesign.report.data import best_so_far, failures, funnel, incumbents
from invdesign.report.latent_space_figures import flatten, project
from invdesign.report.page import headline, rows_of
from invdesign.report.svg import Scale, number, plot, tick
from invdesign.surrogate import SurrogateReport

NAUGHTY = "<script>alert(1)</script>"


@dataclass(frozen=True)
class Words:
    """A domain of words that are drawn as a dot."""

    name: str = "words"
    formats: tuple[str, ...] = (".txt",)

    def label(self, design: str) -> str:
        return design

    def to_text(self, design: str) -> str:
        return design

    def draw(self, design: str) -> str:
        if design == "w11":
            raise RuntimeError("no pen")
        return f'<svg xmlns="http://www.w3.org/2000/svg"><title>{design}</title></svg>'


def candidate(i: int, y: tuple[float, ...], round: int = 0, status: str = "measured", **known) -> Candidate[str]:
    z = torch.tensor([i, i % 3, -i / 2], dtype=torch.float64)
    return Candidate(
        f"w{i}", f"w{i}", z, round=round, y=y, status=status, log_density=-float(i), percentile=5.0, **known
    )


def told_story(m: int = 1, **changes) -> ReportData[str]:
    """Four seeds of 1, 3, 2, 0; a round of 2, 5, 4, failed; a random search that reaches 3.5."""
    rng = np.random.default_rng(0)
    values = [1.0, 3.0, 2.0, 0.0, 2.0, 5.0, 4.0]
    made = [
        candidate(
            i,
            (v, -v)[:m],
            round=int(i >= 4),
            origin="sobol" if i >= 4 else "seed",
            mean=(v + 0.1, -v)[:m] if i >= 4 else (),
            sd=(0.5, 0.5)[:m] if i >= 4 else (),
            checks=(Check("length", i != 5, NAUGHTY),) if i >= 4 else (),
        )
        for i, v in enumerate(values)
    ]
    lost = candidate(7, (), 1, "timeout", reason="stopped after 9.0 s")
    record = RoundRecord(
        1,
        funnel=Funnel(100, 90, 50, 40, 20, 4),
        lengths=(0.8,),
        surrogate=SurrogateReport("leave-one-out", 8, (0.7,) * m, (0.1,) * m, (0.5,) * m, (0.9,) * m),
        seconds={"fit": 0.5, "align": 1.0},
        notes=(NAUGHTY,),
    )
    story = ReportData(
        name=f"words {NAUGHTY}",
        domain=Words(),
        objectives=(Objective("length", "cm"), Objective("cost", "EUR"))[:m],
        state=State((*made, lost), (), (), 1, (RoundRecord(0), record)),
        shortlist=(made[6], made[4]),
        n_valid=2,
        baseline=[candidate(100 + i, (v, -v)[:m]) for i, v in enumerate([1.0, 3.0, 2.0, 0.0, 3.5, 1.0, 1.0, 1.0, 9.0])],
        corpus_latents=rng.normal(size=(60, 3)),
        corpus_log_density=rng.normal(size=60),
        settings={"batch": 4, "search": {"shares": [0.5, 0.5], "note": NAUGHTY}},
        command="invdesign run words.yaml",
        made="2026-01-01 00:00 UTC",
    )
    return replace(story, **changes)


def test_the_curve_is_the_best_of_what_was_measured_so_far():
    story = told_story()
    assert best_so_far(story, story.properties(story.told)).tolist() == [1, 3, 3, 3, 3, 5, 5, 5]


def test_a_minimized_property_is_shown_as_itself_and_a_target_as_the_distance_from_it():
    story = told_story(objectives=(Objective("length", "cm", "minimize"),))
    assert best_so_far(story, story.properties(story.told)).tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
    story = told_story(objectives=(Objective("length", "cm", 2.2),))
    np.testing.assert_allclose(best_so_far(story, story.properties(story.told))[:3], [1.2, 0.8, 0.2])


def test_the_hypervolume_is_the_share_of_the_box_of_all_measurements():
    story = told_story(2, objectives=(Objective("a"), Objective("b")), baseline=())
    Y = np.array([[0.0, 0.0], [0.5, 1.0], [1.0, 0.5]])
    story = replace(story, reference=Y, state=State())
    np.testing.assert_allclose(best_so_far(story, Y), [0.0, 0.5, 0.75], atol=1e-6)


def test_the_headline_compares_the_best_valid_candidate_with_the_seeds_and_the_random_search_at_the_same_budget():
    assert headline(told_story()) == [
        "The best valid candidate has a length of 4 cm.",
        "That is 1 cm better than the best of the seeds (3 cm).",
        "That is 0.500 cm better than a random search with as many oracle calls (3.500 cm).",
    ]


def test_a_worse_result_is_called_worse():
    assert (
        "worse than the best of the corpus"
        in headline(told_story(reference=np.array([[7.0]]), reference_name="corpus"))[1]
    )


def test_the_funnel_counts_from_proposals_to_the_shortlist():
    assert [(name, count) for name, count, _ in funnel(told_story())] == [
        ("proposed", 100),
        ("decoded", 90),
        ("unique", 50),
        ("novel", 40),
        ("screened", 20),
        ("asked", 4),
        ("measured", 3),
        ("valid", 2),
        ("shortlisted", 2),
    ]


def test_the_path_goes_from_the_best_seed_over_the_incumbents():
    assert [c.key for c in incumbents(told_story())] == ["w1", "w5"]


def test_failures_are_grouped_by_reason():
    assert failures(told_story()) == [("timeout", "stopped after 9.0 s", 1, "w7")]


class Reader(HTMLParser):
    """Collects tags, attributes and what should not be in a page that opens anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href") and not value.startswith("data:")]


@pytest.mark.parametrize("m", [1, 2])
def test_the_page_is_whole_small_and_asks_nothing_of_the_network(tmp_path, m):
    path = report(told_story(m), tmp_path / "report.html", projections=("pca",))
    text = path.read_text()
    reader = Reader()
    reader.feed(text)
    assert reader.links == [] and "script" not in reader.tags and "link" not in reader.tags
    assert "default-src 'none'" in text and "url(" not in text and "@import" not in text
    assert NAUGHTY not in text and "&lt;script&gt;alert(1)" in text
    assert "could not" not in re.sub(r"What could not be measured", "", text)
    assert len(text) < 200_000
    n_svg = {1: 8, 2: 11}[m]
    assert text.count('<svg class="chart') == n_svg
    assert ("Trade-offs" in text) == (m == 2)


def test_all_projections_can_be_drawn(tmp_path):
    flats = flatten(told_story(), ["pca", "tsne"])
    assert flats[0].name.startswith("PCA") and flats[1].name == "t-SNE"
    assert flats[0].corpus.shape == (60, 2) and flats[0].history.shape == (8, 2)


def test_pca_keeps_the_distances_of_a_plane():
    Z = np.random.default_rng(1).normal(size=(20, 2)) @ np.array([[1.0, 2.0, 0.5], [0.0, 1.0, -1.0]])
    name, XY = project(Z, "pca")
    assert name == "PCA (100 % of the variance)"
    np.testing.assert_allclose(np.linalg.norm(XY[3] - XY[7]), np.linalg.norm(Z[3] - Z[7]))


def test_a_figure_that_fails_costs_one_warning_and_its_place(tmp_path, monkeypatch, caplog):
    def broken(story):
        raise RuntimeError("no ink")

    monkeypatch.setattr("invdesign.report.figures.progress", broken)
    with caplog.at_level(logging.WARNING):
        path = report(told_story(), tmp_path / "report.html", projections=("pca",))
    assert [r.getMessage() for r in caplog.records] == [
        "report: the figure 'best so far' could not be made (RuntimeError: no ink)"
    ]
    assert "best so far: no ink" in path.read_text() and "From proposals to candidates" in path.read_text()


def test_a_candidate_that_cannot_be_drawn_is_still_listed(tmp_path, caplog):
    story = told_story(shortlist=(candidate(11, (4.0,), 1),))
    text = report(story, tmp_path / "report.html", projections=("pca",)).read_text()
    assert "<code>w11</code>" in text and "no drawing of w11" in caplog.text


def test_a_campaign_that_measured_nothing_has_a_report_without_warnings(tmp_path, caplog):
    story = ReportData("empty", Words(), (Objective("length"),), State(pending=(candidate(0, (), 0, "pending"),)))
    text = report(story, tmp_path / "report.html").read_text()
    assert "Nothing was measured yet." in text and caplog.text == ""


def test_a_campaign_whose_oracle_only_failed_has_a_report(tmp_path):
    state = State(tuple(candidate(i, (), 0, "failed", reason="no") for i in range(10)), records=(RoundRecord(0),))
    text = report(ReportData("lost", Words(), (Objective("length"),), state), tmp_path / "report.html").read_text()
    assert "<td>no</td>" in text


def test_numbers_are_written_for_people():
    assert [number(v) for v in (6.04, 3.0, -0.5, 1234567.0, 0.00001234, math.nan, math.inf, 0.0)] == [
        "6.04",
        "3",
        "−0.500",
        "1.23e6",
        "1.23e−5",
        "–",
        "∞",
        "0",
    ]
    assert number(12345.0) == "12\u202f345" and tick(0.5) == "0.5" and tick(2e7) == "2e7"


def test_ticks_are_round_and_inside_the_scale():
    assert Scale(0, 10, 0, 100).ticks() == [0, 2, 4, 6, 8, 10]
    np.testing.assert_allclose(Scale(0.13, 0.42, 0, 100).ticks(), [0.15, 0.2, 0.25, 0.3, 0.35, 0.4])
    assert Scale(0.1, 1.7, 0, 100, is_log=True).ticks() == [0.125, 0.25, 0.5, 1.0]


def test_a_frame_of_one_value_is_not_empty_and_of_none_is_refused():
    frame = plot([1.0], [5.0])
    assert frame.x.low < 1.0 < frame.x.high and frame.y.low < 5.0 < frame.y.high
    with pytest.raises(ValueError, match="nothing finite"):
        plot([1.0], [math.nan])


def test_nested_settings_become_dotted_rows():
    assert rows_of({"a": {"b": [1, 2]}, "c": None, "d": [{"e": 1}]}) == [("a.b", "1, 2"), ("c", "–"), ("d[0].e", "1")]
