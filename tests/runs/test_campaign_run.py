"""A durable campaign in a folder: idempotent suggestions and results, corrections, and continuation after a stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy

from invdesign import CampaignRun, InvdesignError, Outcome
from invdesign.core import Rejection
from invdesign.core.capabilities import prepare_with
from invdesign.runs import latent_spaces
from invdesign.runs.audits import stored_auditor_of


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CampaignRun[Any, Any]]:
    monkeypatch.setattr(latent_spaces, "prepare_latent_space", lambda campaign, *_: toy.RunSpace(campaign.domain))
    with CampaignRun.open(tmp_path / "run", toy.campaign(budget=30)) as opened:
        yield opened


def measure(run: CampaignRun[Any, Any]) -> dict[Any, float]:
    designs = [c.design for c in run.suggest()]
    return dict(zip(designs, toy.bump(designs).tolist(), strict=True))


def reopened(run: CampaignRun[Any, Any]) -> CampaignRun[Any, Any]:
    run.close()
    return CampaignRun.open(run.folder, run.campaign)


def test_suggestions_are_the_same_until_their_outcomes_are_recorded(run: CampaignRun[Any, Any]) -> None:
    first = [c.key for c in run.suggest()]
    assert len(first) == 10 and [c.key for c in run.suggest()] == first
    values = measure(run)
    half = dict(list(values.items())[:5])
    run.tell(half)
    assert [c.key for c in run.suggest()] == first[5:]
    run.tell(values)
    second = [c.key for c in run.suggest()]
    assert len(second) == 5 and not set(second) & set(first)


def add(run: CampaignRun[Any, Any], designs: list[Any]) -> None:
    """Add measured designs by a file."""
    path = run.folder.parent / "own.csv"
    text = run.campaign.domain.to_text
    lines = [f'"{text(design)}",{value}' for design, value in zip(designs, toy.bump(designs).tolist(), strict=True)]
    path.write_text("\n".join(["design,height", *lines]) + "\n")
    run.tell_file(path, allow_new=True)


def test_measured_designs_that_were_added_first_take_the_places_of_seed_designs(run: CampaignRun[Any, Any]) -> None:
    assert run.corpus is not None
    own = [design for design in run.corpus.designs if math.isfinite(toy.bump([design])[0])][:10]
    add(run, own[:4])
    seeds = run.suggest()
    assert [c.origin for c in seeds] == ["seed"] * 6
    assert not {c.key for c in seeds} & {c.key for c in run.state.evaluated}
    assert len(run.state.evaluated) == 4 and len(run.suggest()) == 6


def test_rows_that_were_kept_are_not_counted_as_rejected(
    run: CampaignRun[Any, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert run.corpus is not None
    rows = (Rejection(2, "x", "no design"), Rejection(3, "y", "repaired: neutral form taken", is_kept=True))
    corpus = replace(run.corpus, rejected=rows, name="mine")
    campaign = replace(run.campaign, corpus=lambda: corpus)
    with CampaignRun.open(tmp_path / "noted", campaign) as noted:
        assert noted.corpus is not None
    assert "1 rows of mine were rejected and 1 kept with a note" in caplog.text


def test_a_run_with_enough_added_measurements_starts_with_the_search(run: CampaignRun[Any, Any]) -> None:
    assert run.corpus is not None
    add(run, [design for design in run.corpus.designs if math.isfinite(toy.bump([design])[0])][:10])
    batch = run.suggest()
    assert len(batch) == 5 and run.state.round == 1
    assert all(c.origin != "seed" and c.mean for c in batch)
    assert "10 measured designs were added" in str(run.state.records[0].notes)


def test_changes_before_the_first_batch_hold_for_the_state_that_follows(run: CampaignRun[Any, Any]) -> None:
    run.steer({"budget": 40})
    run.suggest()
    assert len(run.state.steering) == 1 and run.status().budget == 40


def test_more_suggestions_than_are_open_are_selected_around_the_open_ones(run: CampaignRun[Any, Any]) -> None:
    run.tell(measure(run))
    first = [c.key for c in run.suggest()]
    more = [c.key for c in run.suggest(8)]
    assert more[:5] == first and len(set(more)) == 8
    assert [c.key for c in run.suggest(3)] == first[:3]


def test_results_may_be_given_twice_but_another_value_is_refused(run: CampaignRun[Any, Any]) -> None:
    values = measure(run)
    once = run.tell(values)
    assert run.tell(values) == once and once.n_measured == sum(map(math.isfinite, values.values()))
    design = next(iter(values))
    with pytest.raises(InvdesignError, match=r"Use replicate\(\) .* or correct\(\)"):
        run.tell({design: values[design] + 1})


def test_nothing_is_recorded_where_one_of_the_results_is_of_an_unknown_design(run: CampaignRun[Any, Any]) -> None:
    values = measure(run)
    with pytest.raises(InvdesignError, match="expected a design that was suggested"):
        run.tell({**values, (30, 30): 0.5})
    assert run.status().n_measured == 0 and len(run.suggest()) == 10


def test_outcomes_are_named_by_design_by_key_or_by_text(run: CampaignRun[Any, Any]) -> None:
    a, b, c, d = run.suggest()[:4]
    status = run.tell([(a.design, 0.1), (b.key, [0.2]), (run.campaign.domain.to_text(c.design), None)])
    assert (status.n_measured, status.n_failed, status.n_open) == (2, 1, 7)
    run.tell({d.key: Outcome((0.4,))})
    assert run.status().best == {"height": 0.4}
    with pytest.raises(InvdesignError, match="expected 1 values"):
        run.tell({run.suggest()[0].key: [1.0, 2.0]})


def test_repeats_are_averaged_and_a_correction_replaces_them(run: CampaignRun[Any, Any]) -> None:
    candidate = run.suggest()[0]
    with pytest.raises(InvdesignError, match=r"no measurement yet. Use tell\(\)"):
        run.replicate(candidate.key, 0.2)
    run.tell({candidate.key: 0.2})
    run.replicate(candidate.key, 0.4)
    assert run.status().best["height"] == pytest.approx(0.3)
    run.correct(candidate.key, 0.9, note="wrong plate")
    assert run.status().best["height"] == 0.9
    with reopened(run) as again:
        assert again.status().best["height"] == 0.9


def test_a_design_made_in_the_place_of_a_suggested_one_is_recorded(run: CampaignRun[Any, Any]) -> None:
    first, second = run.suggest()[:2]
    run.substitute(first.key, (20, -20), 0.7, note="the other could not be made")
    status = run.status()
    assert status.n_open == 9 and status.best == {"height": 0.7}
    assert first.key not in [c.key for c in run.suggest()]
    with pytest.raises(InvdesignError, match="in this run already"):
        run.substitute(second.key, (20, -20), 0.7)
    with pytest.raises(InvdesignError, match="expected an open suggestion"):
        run.substitute((20, -20), (21, -20), 0.7)


def test_an_abandoned_design_is_not_suggested_again(run: CampaignRun[Any, Any]) -> None:
    first, *others = run.suggest()
    run.abandon(first.key, reason="too expensive")
    assert run.status().n_failed == 1 and [c.key for c in run.suggest()] == [c.key for c in others]
    with pytest.raises(InvdesignError, match="expected an open suggestion"):
        run.abandon(first.key)


def test_a_run_continues_where_it_was_stopped(run: CampaignRun[Any, Any]) -> None:
    run.tell(measure(run))
    suggested = [c.key for c in run.suggest()]
    some = run.suggest()[:2]
    run.tell(dict.fromkeys((c.key for c in some), 0.25))
    with reopened(run) as again:
        assert [c.key for c in again.suggest()] == suggested[2:]
        assert {c.key: c.y for c in again.state.pending}[some[0].key] == (0.25,)


def test_a_run_by_hand_equals_a_run_by_the_oracle(run: CampaignRun[Any, Any], tmp_path: Path) -> None:
    while not run.status().is_finished:
        run.tell(measure(run))
    with CampaignRun.open(tmp_path / "other", run.campaign) as other:
        status = other.run()
        assert [c.key for c in other.state.history] == [c.key for c in run.state.history]
    assert status.best == run.status().best and status.n_calls == 30


def test_the_oracle_loads_what_it_needs_before_a_vae_is_trained_and_not_in_a_finished_run(
    run: CampaignRun[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def train(campaign: Any, *_: Any) -> toy.RunSpace:
        order.append("train")
        return toy.RunSpace(campaign.domain)

    oracle = prepare_with(lambda: order.append("prepare"))(lambda designs: toy.bump(designs))
    monkeypatch.setattr(latent_spaces, "prepare_latent_space", train)
    campaign = toy.changed(run.campaign, oracle=oracle)
    with CampaignRun.open(tmp_path / "other", campaign) as other:
        other.run()
    with CampaignRun.open(tmp_path / "other", campaign) as again:
        again.run()
    assert order == ["prepare", "train", "train"]


def test_a_run_whose_oracle_lacks_a_file_trains_nothing(
    run: CampaignRun[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise InvdesignError("oracle: expected a table, got none. Give a path")

    monkeypatch.setattr(latent_spaces, "prepare_latent_space", lambda *_: pytest.fail("a VAE was trained"))
    oracle = prepare_with(refuse)(lambda designs: toy.bump(designs))
    with (
        CampaignRun.open(tmp_path / "other", toy.changed(run.campaign, oracle=oracle)) as other,
        pytest.raises(InvdesignError, match="expected a table"),
    ):
        other.run()


def test_the_budget_of_a_run_may_be_raised(run: CampaignRun[Any, Any]) -> None:
    assert run.run(budget=15).n_calls == 15
    assert run.run(budget=20).n_calls == 20


def test_another_process_cannot_write_but_may_read(run: CampaignRun[Any, Any]) -> None:
    run.tell(measure(run))
    with pytest.raises(InvdesignError, match="process"):
        CampaignRun.open(run.folder, run.campaign)
    with CampaignRun.open(run.folder, run.campaign, read_only=True) as reader:
        assert reader.status().n_measured == run.status().n_measured


def test_a_run_with_other_objectives_or_another_seed_is_refused(run: CampaignRun[Any, Any]) -> None:
    run.suggest()
    run.close()
    with pytest.raises(InvdesignError, match="seed"):
        CampaignRun.open(run.folder, toy.campaign(budget=30, seed=1))
    with pytest.raises(InvdesignError, match="started in Python"):
        CampaignRun.open(run.folder)


def test_results_are_exported_reported_and_shown_in_a_notebook(run: CampaignRun[Any, Any]) -> None:
    run.run()
    exported = run.export()
    assert (run.folder / "candidates.csv").is_file() and exported
    assert "<html" in run.report().read_text(encoding="utf-8")
    shortlist = run.shortlist()
    assert len(shortlist) and shortlist[0].y == tuple(run.status().best.values())
    assert "<table" in shortlist._repr_html_() and "height" in run.status()._repr_html_()


def test_a_running_campaign_is_steered_and_keeps_what_it_measured(run: CampaignRun[Any, Any]) -> None:
    run.tell(measure(run))
    before = run.state.history
    run.steer(["objectives.height.goal=minimize", "budget+=5"], reason="a new question")
    run.steer({"batch": 2}, n_rounds=1)
    with pytest.raises(InvdesignError, match="cannot be changed"):
        run.steer({"seed": 1})
    again = reopened(run)
    assert len(again.suggest()) == 2
    assert [(c.key, c.y) for c in again.state.history] == [(c.key, c.y) for c in before]
    assert again.status().budget == 35
    lowest = min(c.y[0] for c in before if math.isfinite(c.y[0]))
    assert again.status().best == {"height": lowest}
    first, second = again.steering()
    assert first.event.reason == "a new question" and first.by and first.at
    assert second.event.n_rounds == 1
    again.tell(measure(again))
    assert len(again.suggest()) == 5
    again.close()


def test_p_values_of_an_audit_are_those_of_the_present_latent_space(
    run: CampaignRun[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def rate(p: float) -> Callable[..., dict[str, float]]:
        return lambda _, candidates: {c.key: p for c in candidates}

    monkeypatch.setattr("invdesign.runs.campaign_run.anomaly_p_values", rate(0.5))
    keys = {c.key for c in run.suggest()}
    assert run.compute_anomalies() == dict.fromkeys(keys, 0.5)
    monkeypatch.setattr("invdesign.runs.campaign_run.anomaly_p_values", rate(0.25))
    assert run.compute_anomalies() == dict.fromkeys(keys, 0.5)
    folder = run.folder / "latent-space-round-0001"
    folder.mkdir()
    (folder / "model.json").write_text('{"sha256": "fine-tuned"}')
    monkeypatch.setattr(type(run._ledger), "latent_space_folder", property(lambda _: folder.name))
    assert run.latent_space_sha256() == "fine-tuned"
    assert run.compute_anomalies() == dict.fromkeys(keys, 0.25)
    # The model in memory has the card of the one before, whose audit is not its own.
    assert stored_auditor_of(run) is None


def test_a_batch_is_written_where_its_audit_fails(
    run: CampaignRun[Any, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> dict[str, float]:
        raise InvdesignError("audit: expected the counts of words, got none. Store the audit again")

    monkeypatch.setattr("invdesign.runs.campaign_run.anomaly_p_values", fail)
    assert len(run.suggest()) == 10
    run.write_batch()
    assert (run.folder / "batch-000.csv").is_file()
    assert "the audit of 10 designs failed: audit: expected the counts of words" in caplog.text


def test_a_report_is_written_where_its_audit_fails(
    run: CampaignRun[Any, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> list[str]:
        raise InvdesignError("audit: expected the counts of words, got none. Store the audit again")

    monkeypatch.setattr("invdesign.runs.reporting.stored_auditor_of", lambda _: object())
    monkeypatch.setattr("invdesign.runs.reporting.note_unlike", fail)
    run.suggest()
    run.tell(measure(run))
    assert run.report().is_file()
    assert "the audit failed: audit: expected the counts of words" in caplog.text
