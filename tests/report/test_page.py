"""The report is self-contained, escapes its input, and is written even if parts of it fail."""

from __future__ import annotations

import logging
import re
from html.parser import HTMLParser

import pytest

from invdesign.campaign import RoundRecord, State
from invdesign.core import Objective
from invdesign.latent.rate_sweep import RateCurve, RatePoint
from invdesign.report import ReportData, report


class LinkReader(HTMLParser):
    """Collects tags, and addresses outside the page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href") and not value.startswith("data:")]


@pytest.mark.parametrize("m", [1, 2])
def test_the_page_is_complete_small_and_needs_no_network(tmp_path, make_data, hostile, m) -> None:
    path = report(make_data(m), tmp_path / "report.html", projections=("pca",))
    text = path.read_text()
    reader = LinkReader()
    reader.feed(text)
    assert reader.links == [] and "script" not in reader.tags and "link" not in reader.tags
    assert "default-src 'none'" in text and "url(" not in text and "@import" not in text
    assert hostile not in text and "&lt;script&gt;alert(1)" in text
    assert 'class="missing"' not in text
    assert len(text) < 200_000
    n_svg = {1: 8, 2: 11}[m]
    assert text.count('<svg class="chart') == n_svg
    assert ("Trade-offs" in text) == (m == 2)


def test_the_page_states_whether_a_random_search_was_measured(tmp_path, make_data) -> None:
    def words(**changes) -> str:
        path = report(make_data(**changes), tmp_path / "report.html", projections=("pca",))
        return re.sub(r"\s+", " ", path.read_text())

    with_baseline, without = words(), words(baseline=())
    assert "The random search starts from the same seed designs, then decodes random draws" in with_baseline
    assert "No random search was run" not in with_baseline
    assert "No random search was run; the dashed line shows the best of the seed designs." in without
    without_reference = words(baseline=(), state=State(), shortlist=())
    assert "No random search was run." in without_reference and "dashed line" not in without_reference


def test_a_figure_that_fails_is_replaced_by_its_reason_and_logged_once(
    tmp_path, make_data, monkeypatch, caplog
) -> None:
    def broken(data):
        raise RuntimeError("no ink")

    monkeypatch.setattr("invdesign.report.figures.plot_best_so_far", broken)
    with caplog.at_level(logging.WARNING):
        path = report(make_data(), tmp_path / "report.html", projections=("pca",))
    assert [r.getMessage() for r in caplog.records] == ["report: figure 'best so far' failed (RuntimeError: no ink)"]
    assert "best so far: no ink" in path.read_text() and "From proposals to candidates" in path.read_text()


def test_a_candidate_that_cannot_be_drawn_is_still_listed(tmp_path, make_data, make_candidate, caplog) -> None:
    data = make_data(shortlist=(make_candidate(11, (4.0,), 1),))
    text = report(data, tmp_path / "report.html", projections=("pca",)).read_text()
    assert "<code>w11</code>" in text and "no picture of w11" in caplog.text


def test_a_campaign_without_measurements_has_a_report_without_warnings(tmp_path, words, make_candidate, caplog) -> None:
    state = State(pending=(make_candidate(0, (), 0, "pending"),))
    data = ReportData("empty", words, (Objective("length"),), state)
    text = report(data, tmp_path / "report.html").read_text()
    assert "Nothing was measured yet." in text and caplog.text == ""
    assert "No picture of the latent space: a projection needs at least 8 designs" in text
    assert "Model card" not in text


def test_a_campaign_whose_oracle_always_failed_has_a_report(tmp_path, words, make_candidate) -> None:
    state = State(tuple(make_candidate(i, (), 0, "failed", reason="no") for i in range(10)), records=(RoundRecord(0),))
    text = report(ReportData("lost", words, (Objective("length"),), state), tmp_path / "report.html").read_text()
    assert "<td>no</td>" in text


def test_the_page_states_the_balance_of_the_latent_space(tmp_path, make_data) -> None:
    samples = {"source": "prior", "n": 10, "validity": 0.9, "uniqueness": 1.0, "novelty": 1.0, "quality": {"QED": 0.4}}
    diagnosis = {
        "n_held_out": 100,
        "reconstruction": 0.93,
        "token_accuracy": None,
        "rate": 112.0,
        "distortion": 0.7,
        "neg_elbo": 111.0,
        "n_draws": 64,
        "information": 27.0,
        "kl": [1.0, 2.0],
        "active_units": 2,
        "quality": {"QED": 0.7},
        "samples": [samples],
        "warnings": [],
    }
    points = tuple(RatePoint(rate, rate, 40 - rate, 40, rate / 40, None, None) for rate in (35.0, 28.0, 20.0))
    curve = RateCurve(points, 27.0, 1, "the lowest that reconstructs enough")
    data = make_data(model_card={"diagnosis": diagnosis}, rate_curve=curve)
    text = report(data, tmp_path / "report.html", projections=("pca",)).read_text()
    assert "93% of 100 designs that the model has not seen come back" in text
    assert "111 nats a design, where the designs hold 27: much of the space is empty" in text
    assert text.count("70% exact") == 1 and "the lowest that reconstructs enough" in text
    assert "rate-distortion curve" in text and "anywhere (prior)" in text
    assert "this space spends 111 nats on designs that hold 27: expect nonsense between designs" in text
    assert "prior (n = 10): 90.0% valid" in text
    assert "Balance" not in report(make_data(), tmp_path / "other.html", projections=("pca",)).read_text()
