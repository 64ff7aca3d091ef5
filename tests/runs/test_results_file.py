"""Files of results: matched by identifier or design, told twice, with units, failures, repeats and typing errors."""

from __future__ import annotations

import hashlib
import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy

from invdesign import CampaignRun, InvdesignError
from invdesign.core import Candidate, Objective, Outcome
from invdesign.ledger import Ledger
from invdesign.runs import latent_spaces
from invdesign.runs.results_file import parse_values


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CampaignRun[Any, Any]]:
    monkeypatch.setattr(latent_spaces, "prepare_latent_space", lambda campaign, *_: toy.RunSpace(campaign.domain))
    with CampaignRun.open(tmp_path / "run", toy.campaign(budget=30)) as opened:
        opened.suggest()
        yield opened


def file_of(run: CampaignRun[Any, Any], *lines: str) -> Path:
    path = run.folder / "results.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_same_file_told_twice_changes_nothing(run: CampaignRun[Any, Any]) -> None:
    path = file_of(run, "id,height,failure", "D0001,0.5,", "D0002,,no signal", "D0003,0.1,", "D0003,0.3,", "D0004,,")
    results = run.tell_file(path)
    assert [row.action for row in results.rows] == ["measured", "failed", "measured", "repeat"] and results.n_empty == 1
    status = run.status()
    assert (status.n_measured, status.n_failed, status.n_open) == (2, 1, 7)
    assert run.find("D0003").y == (0.2,) and run.find("d0002").reason == "no signal"
    again = run.tell_file(path)
    assert not again.events and {row.action for row in again.rows} == {"known"} and run.status() == status


def test_a_file_told_again_after_a_correction_changes_nothing(run: CampaignRun[Any, Any]) -> None:
    path = file_of(run, "id,height", "D0001,0.5")
    run.tell_file(path)
    run.correct("D0001", 0.6)
    assert not run.tell_file(path).events and run.find("D0001").y == (0.6,)


def test_a_longer_file_adds_what_is_new_in_it(run: CampaignRun[Any, Any]) -> None:
    run.tell_file(file_of(run, "id,height", "D0001,0.5", "D0002,"))
    results = run.tell_file(file_of(run, "id,height", "D0001,0.5", "D0001,0.7", "D0002,0.1"))
    assert [row.action for row in results.rows] == ["known", "repeat", "measured"]
    assert run.find("D0001").y == (0.6,)


def test_another_value_is_refused_unless_it_is_a_repeat(run: CampaignRun[Any, Any]) -> None:
    run.tell_file(file_of(run, "id,height", "D0001,0.5"))
    path = file_of(run, "id,height", "D0002,0.2", "D0001,0.7")
    with pytest.raises(InvdesignError, match=r"row 3: D0001 is measured \(0.5\), got 0.7") as caught:
        run.tell_file(path)
    assert "--replicates" in str(caught.value) and run.status().n_measured == 1
    run.tell_file(path, allow_repeats=True)
    assert run.find("D0001").y == (0.6,) and run.status().n_measured == 2


def test_rows_are_matched_by_design_under_any_heading(run: CampaignRun[Any, Any]) -> None:
    first, second = run.suggest()[:2]
    text = run.campaign.domain.to_text
    quoted = [f'"{text(c.design)}",{y}' for c, y in ((first, 0.1), (second, 0.2))]
    run.tell_file(file_of(run, "compound,height", *quoted))
    assert run.find(first.key).y == (0.1,) and run.find(second.key).y == (0.2,)


def test_designs_that_were_not_suggested_are_added_where_that_is_wanted(run: CampaignRun[Any, Any]) -> None:
    ids, before = run.identifiers(), run.status()
    path = file_of(run, "name,design,height", 'mine,"9,9",0.75', 'mine,"9,9",0.25', 'other,"8,-9",0.1', ',"7,7",')
    with pytest.raises(InvdesignError, match=r"row 2: .*expected a design that was suggested(.|\n)*--add"):
        run.tell_file(path)
    assert run.tell_file(path, dry_run=True, allow_new=True).rows and run.status() == before
    results = run.tell_file(path, allow_new=True)
    assert [row.action for row in results.rows] == ["added"] * 3 and results.n_empty == 1
    added = run.find("mine")
    assert (added.y, added.origin, added.name) == ((0.5,), "given", "mine")
    assert {key: run.identifiers()[key] for key in ids} == ids and run.status().n_calls == before.n_calls
    again = run.tell_file(path, allow_new=True)
    assert not again.added and {row.action for row in again.rows} == {"known"}
    run.tell({c.design: 0.1 for c in run.state.open})
    assert {key: run.identifiers()[key] for key in ids} == ids and not run.state.pending
    state = run.state
    run.tell_file(file_of(run, "design,height", '"-9,9",0.9'), allow_new=True)
    assert run.state.round == state.round and run.state.history[-1].y == (0.9,)
    with CampaignRun.open(run.folder, run.campaign, read_only=True) as read:
        assert read.state.history[-1].y == (0.9,) and read.identifiers() == run.identifiers()


def test_a_dry_run_records_nothing(run: CampaignRun[Any, Any]) -> None:
    results = run.tell_file(file_of(run, "id,height", "D0001,0.5"), dry_run=True)
    assert len(results.events) == 1 and run.status().n_measured == 0


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["id,heigth", "D0001,0.5"], "no column 'height', got 'heigth'. Did you mean 'height'"),
        (["id,colour", "D0001,0.5"], "expected a column of 'height', got 'id', 'colour'"),
        (["id,height", "D0001,0.5", "D0099,1"], r"row 3: 'D0099': expected the identifier .*from D0001 to D0010"),
        (["id,height", "D0001,high"], "row 2: column 'height' has 'high', expected a number"),
        (["id,height", "D0001,0.5,7"], "row 2: 3 cells under 2 columns"),
        (["id,height,failure", "D0001,0.5,broken"], "expected values or a failure, got both"),
        (["id,height,status", "D0001,,lost"], "expected the status failed, pending or measured, got 'lost'"),
        (["value,height", "a,0.5"], "expected a column 'id' or 'design'"),
        (["id,height,Height", "D0001,0.5,0.6"], "expected one column of 'height', got 'height' and 'Height'"),
    ],
)
def test_a_file_that_is_not_understood_is_refused_as_a_whole(
    run: CampaignRun[Any, Any], lines: list[str], message: str
) -> None:
    with pytest.raises(InvdesignError, match=message):
        run.tell_file(file_of(run, *lines))
    assert run.status().n_measured == 0


def test_a_substitute_without_a_value_is_open_under_the_same_identifier(run: CampaignRun[Any, Any]) -> None:
    key = run.find("D0001").key
    taken = {c.key for c in run.suggest()}
    made = next((i, j) for i in range(9) for j in range(9) if run.campaign.domain.key((i, j)) not in taken)
    run.substitute("D0001", made)
    assert run.find("D0001").design == made and run.find("D0001").status == "pending" and len(run.suggest()) == 10
    with pytest.raises(InvdesignError, match="expected a design that was suggested"):
        run.find(key)
    run.tell_file(file_of(run, "id,height", "D0001,0.5"))
    assert run.find("D0001").y == (0.5,)


def test_a_rejected_design_is_replaced(run: CampaignRun[Any, Any]) -> None:
    (other,) = run.reject("D0002", reason="cannot be made")
    assert run.find("D0002").status == "failed" and run.identifiers()[other.key] == "D0011"
    assert len(run.suggest()) == 10
    with pytest.raises(InvdesignError, match="expected an open suggestion"):
        run.reject("D0002", reason="twice")


def test_a_table_into_which_somebody_wrote_is_never_written_again(run: CampaignRun[Any, Any]) -> None:
    (table,) = run.write_batch().files
    assert table.name == "batch-000.csv" and run.write_batch().files == (table,)
    filled = table.read_text().replace("D0001", "D0001").splitlines()
    header = filled[0].split(",")
    assert {"id", "design", "height", "failure", "note", "acquisition", "origin", "parents"} <= set(header)
    assert "plausibility percentile [%]" in header and "all checks passed" in header
    lines = table.read_text().splitlines()
    place = header.index("height")
    tail = lines[1].rsplit(",", len(header) - place)
    lines[1] = ",".join([tail[0], "0.5", *tail[2:]])
    table.write_text("\n".join(lines))
    entered = table.read_text()
    run.reject("D0002", reason="cannot be made")
    files = run.write_batch()
    assert [path.name for path in files.files] == ["batch-000.csv", "batch-000-2.csv"] and files.warnings
    assert table.read_text() == entered and "D0011" in files.files[1].read_text()
    run.tell_file(table)
    assert run.find("D0001").y == (0.5,)


def test_the_pareto_set_of_one_objective_is_the_best_design(run: CampaignRun[Any, Any]) -> None:
    assert run.pareto() == []
    run.tell_file(file_of(run, "id,height", "D0001,0.5", "D0002,0.9", "D0003,0.1"))
    assert [run.identifiers()[c.key] for c in run.pareto()] == ["D0002"]


def test_own_designs_are_scored_without_changing_the_run(run: CampaignRun[Any, Any]) -> None:
    run.tell({c.design: float(toy.bump([c.design])[0]) for c in run.suggest()})
    before = run.state
    scored = run.score([(3, 3), (5, 4)])
    assert [c.origin for c in scored] == ["scored", "scored"] and run.state is before
    assert all(math.isfinite(c.mean[0]) and c.sd[0] > 0 and math.isfinite(c.acquisition) for c in scored)


def test_labels_of_a_plate_map_name_designs_and_a_label_of_another_sequence_does_not(
    run: CampaignRun[Any, Any],
) -> None:
    digest = hashlib.sha256(run.find("D0002").key.encode()).hexdigest()[:8]
    run.tell_file(file_of(run, "well,id,height", f"A1,design-001-{digest}-D0002,0.5"))
    assert run.find("D0002").y == (0.5,)
    with pytest.raises(InvdesignError, match="expected a design that was suggested"):
        run.tell_file(file_of(run, "well,id,height", "A1,design-001-00000000-D0003,0.5"))


def test_deliverables_of_an_open_batch_carry_the_identifiers_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def labels(candidates: Sequence[Candidate[Any]], folder: Path) -> list[Path]:
        (folder / "labels.txt").write_text(" ".join(c.name for c in candidates))
        return [folder / "labels.txt"]

    monkeypatch.setattr(latent_spaces, "prepare_latent_space", lambda campaign, *_: toy.RunSpace(campaign.domain))
    campaign = toy.campaign(n_seeds=2)
    campaign = replace(campaign, output=replace(campaign.output, deliverables={"labels": labels}))
    with CampaignRun.open(tmp_path / "run", campaign) as run:
        run.suggest()
        *_, file = run.write_batch().files
    assert file == tmp_path / "run" / "batch-000" / "labels" / "labels.txt" and file.read_text() == "D0001 D0002"


def test_errors_and_bounds_of_a_file_are_values_of_the_run_and_of_its_ledger(run: CampaignRun[Any, Any]) -> None:
    file = file_of(run, "id,height", "D0001,0.5 ± 0.1", "D0002,>0.9", "D0003,0.2", "D0003,0.4")
    run.tell_file(file)
    assert run.find("D0001").error == (0.1,) and run.find("D0002").bound == (1,)
    assert run.find("D0003").y == pytest.approx((0.3,)) and run.find("D0003").error == pytest.approx((0.1,))
    with Ledger.open(run.folder / "ledger.sqlite", run.campaign.domain, read_only=True) as ledger:
        again = {c.key: c for c in (*ledger.state().history, *ledger.state().pending)}
    for name in ("D0001", "D0002", "D0003"):
        c = run.find(name)
        assert (again[c.key].y, again[c.key].error, again[c.key].bound) == (c.y, c.error, c.bound)
    with closing(sqlite3.connect(run.folder / "ledger.sqlite")) as file:
        rows = file.execute("SELECT id, value, error, bound FROM measurements ORDER BY id, value").fetchall()
    assert rows == [
        ("D0001", 0.5, 0.1, None),
        ("D0002", 0.9, None, 1),
        ("D0003", 0.2, None, None),
        ("D0003", 0.4, None, None),
    ]
    assert {row.action for row in run.tell_file(file_of(run, "id,height", "D0002,>0.9")).rows} == {"known"}
    with pytest.raises(InvdesignError, match="D0002 is measured"):
        run.tell_file(file_of(run, "id,height", "D0002,0.9"))
    run.correct("D0002", 0.95)
    run.substitute("D0004", "7,7", 0.8)
    with closing(sqlite3.connect(run.folder / "ledger.sqlite")) as file:
        query = "SELECT design, value FROM measurements WHERE is_current AND id IN ('D0002', 'D0004') ORDER BY id"
        assert file.execute(query).fetchall() == [(run.find("D0002").key, 0.95), ("7,7", 0.8)]
    assert run.find("D0002").y == (0.95,) and run.find("D0002").bound == ()


def test_values_of_the_command_line_are_read_like_those_of_a_table() -> None:
    objectives = [Objective("logs"), Objective("ic50", unit="nM")]
    assert parse_values(["logs=-3.1", "ic50=0,5 uM"], objectives).y == (-3.1, 500.0)
    assert parse_values(["1.5"], objectives[:1]) == Outcome((1.5,))
    assert parse_values([">50"], objectives[:1]) == Outcome((50.0,), bound=(1,))
    for words, message in ((["lags=1"], "Did you mean logs"), (["logs=x"], "expected a number")):
        with pytest.raises(InvdesignError, match=message):
            parse_values(words, objectives)


def test_values_in_another_metric_prefix_are_converted_and_other_units_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from invdesign.runs.results_file import read_results

    monkeypatch.setattr(latent_spaces, "prepare_latent_space", lambda campaign, *_: toy.RunSpace(campaign.domain))
    with CampaignRun.open(tmp_path / "run", toy.campaign(budget=30)) as run:
        run.suggest()
        objectives = [Objective("height", unit="nM")]
        path = file_of(run, "id,height (uM)", "D0001,0.5", "D0002,>2")
        results = read_results(path, run.state, run.campaign.domain, objectives)
        assert [row.y for row in results.rows] == [(500.0,), (2000.0,)]
        assert "converted from uM to nM" in results.notes[0] and "bound is used" in results.notes[1]
        path = file_of(run, "id,height [h]", "D0001,0.5")
        with pytest.raises(InvdesignError, match="expected 'height' in nM, got h"):
            read_results(path, run.state, run.campaign.domain, objectives)


def test_open_suggestions_are_no_calls_of_the_status(run: CampaignRun[Any, Any]) -> None:
    rows = dict(run.status().rows())
    n_seeds = run.status().n_calls - run.status().n_open
    assert rows["oracle calls"] == f"{n_seeds} of 30"
    assert int(rows["open suggestions"]) == run.status().n_open > 0
