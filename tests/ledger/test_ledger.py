"""The ledger returns exactly what was recorded, survives a kill, and refuses what would harm a run."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from functools import reduce
from types import SimpleNamespace

import paths
import pytest
import torch
from ledger_events import EVENTS, REGIONS, SEEDS, STATE, WORDS, candidate
from sameness import same

from invdesign.campaign import (
    OutcomeRecorded,
    Retrained,
    RoundEnded,
    RoundRecord,
    State,
    Steered,
    apply,
)
from invdesign.core import InvdesignError, Outcome
from invdesign.core.steering import Change
from invdesign.ledger import Ledger


def fill(ledger: Ledger[str]) -> None:
    for event in EVENTS:
        ledger.record(event)


def test_same_distinguishes_different_states():
    assert same(STATE, STATE)
    assert not same(STATE, replace(STATE, round=2))


def test_a_new_ledger_has_an_empty_state(tmp_path):
    with Ledger.open(tmp_path / "new" / "ledger.sqlite", WORDS) as ledger:
        assert same(ledger.state(), State())


def test_a_state_is_read_exactly_by_another_opening(tmp_path):
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        fill(ledger)
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        assert same(ledger.state(), STATE)


def test_stated_quantiles_are_read_exactly(tmp_path):
    stated = ((-math.inf, 0.1, 1 / 3), (math.nan, math.nan, math.nan))
    seed = replace(SEEDS, candidates=(candidate("word", mean=(0.1, math.nan), sd=(1.0, math.nan), quantiles=stated),))
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        ledger.record(seed)
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        assert str(ledger.state().pending[0].quantiles) == str(stated)


def test_an_outcome_is_on_disk_at_once_and_the_round_ends_over_it(tmp_path):
    path = tmp_path / "l.sqlite"
    with Ledger.open(path, WORDS) as ledger:
        fill(ledger)
        ledger.record(OutcomeRecorded("BETA", Outcome((2.0, 3.0), seconds=0.5)))
        with Ledger.open(path, WORDS, read_only=True) as other:
            assert [c.status for c in other.state().pending] == ["pending", "measured", "pending"]
            for key in ("ALPHA", "Γ-END"):
                ledger.record(OutcomeRecorded(key, Outcome((2.0, 3.0))))
            ledger.on_round_end(RoundEnded(REGIONS, RoundRecord(1, n_measured=3)))
            assert same(other.state(), ledger.state())
    with Ledger.open(path, WORDS) as ledger:
        state = ledger.state()
        assert len(state.history) == 5 and not state.pending and state.records[-1].n_measured == 3
        assert [r.event.key for r in ledger.events() if isinstance(r.event, OutcomeRecorded)] == [
            "BETA",
            "ALPHA",
            "Γ-END",
        ]


def test_a_history_that_is_encoded_again_replaces_the_old_latents(tmp_path):
    latents = {c.key: (c.z + 1, -1.0, 50.0) for c in STATE.history}
    with Ledger.open(tmp_path / "l.sqlite", WORDS, save_latent_space=lambda space, folder: folder.mkdir()) as ledger:
        fill(ledger)
        assert ledger.latent_space_folder == ""
        ledger.on_retrain(Retrained(latents), "a latent space")
        assert (tmp_path / ledger.latent_space_folder).is_dir()
        expected = ledger.state()
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        assert same(ledger.state(), expected) and torch.equal(ledger.state().history[0].z, STATE.history[0].z + 1)
        with pytest.raises(InvdesignError, match="save_latent_space"):
            ledger.on_retrain(Retrained(latents), "a latent space")


def test_a_correction_replaces_the_value_and_no_outcome_is_lost(tmp_path):
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        fill(ledger)
        ledger.record(OutcomeRecorded("ALPHA", Outcome((1.0, 1.0))))
        ledger.record(OutcomeRecorded("ALPHA", Outcome((5.0, 1.0)), "correction", "wrong dilution"))
        assert ledger.state().pending[0].y == (5.0, 1.0)
        found = [(r.event.kind, r.event.outcome.y, r.event.note) for r in ledger.outcomes("ALPHA")]
        assert found == [("measured", (1.0, 1.0), ""), ("correction", (5.0, 1.0), "wrong dilution")]


def test_repeats_are_averaged_since_the_last_correction_and_a_failed_repeat_changes_no_value(tmp_path):
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        fill(ledger)
        ledger.record(OutcomeRecorded("ALPHA", Outcome((100.0, 1.0))))
        ledger.record(OutcomeRecorded("ALPHA", Outcome((1.0, 1.0)), "correction"))
        ledger.record(OutcomeRecorded("ALPHA", Outcome((2.0, math.nan)), "repeat"))
        ledger.record(OutcomeRecorded("ALPHA", Outcome((6.0, 4.0)), "repeat"))
        ledger.record(OutcomeRecorded("ALPHA", Outcome((), "failed", "spilt"), "repeat"))
        alpha = ledger.state().pending[0]
        assert (alpha.y, alpha.status) == ((3.0, 2.5), "measured")


def test_a_design_that_came_measured_counts_in_the_mean_of_its_repeats(tmp_path):
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        fill(ledger)
        ledger.record(OutcomeRecorded("SEED", Outcome((2.5, 7.0)), "repeat"))
        assert ledger.state().history[0].y == (2.0, 7.0)


def test_a_substitute_takes_the_position_of_the_design_that_was_selected(tmp_path):
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        fill(ledger)
        made = candidate("betamax", round=1, origin="substitute", parents=("BETA",))
        ledger.record(OutcomeRecorded("BETA", Outcome((1.0, 2.0)), "substitute", "made instead", made))
        found = ledger.state().pending[1]
        assert (found.key, found.round, found.parents, found.y) == ("BETAMAX", 1, ("BETA",), (1.0, 2.0))


def test_an_outcome_for_an_unknown_design_is_refused(tmp_path):
    with (
        Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger,
        pytest.raises(InvdesignError, match="not pending: NOBODY"),
    ):
        ledger.record(OutcomeRecorded("NOBODY", Outcome((1.0,))))


def test_a_second_process_is_refused_with_the_name_of_the_owner(tmp_path):
    path = tmp_path / "l.sqlite"
    with Ledger.open(path, WORDS), pytest.raises(InvdesignError, match=rf"process {os.getpid()} on "):
        Ledger.open(path, WORDS)
    Ledger.open(path, WORDS).close()


def test_a_run_cannot_continue_with_other_settings_unless_that_is_accepted_and_recorded(tmp_path):
    old = {"config": {"batch": 50, "seed": 0}, "data": {"corpus": "ab12"}}
    new = {"config": {"batch": 20, "seed": 0}, "data": {"corpus": "ab12", "more": 1}}
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        assert ledger.agree(old) == [] and ledger.agree(old) == []
        with pytest.raises(InvdesignError, match=r"config\.batch: 50 -> 20"):
            ledger.agree(new)
        assert ledger.agree(new, accept_changes=True) == ["config.batch: 50 -> 20", "data.more: (new) -> 1"]
        assert ledger.agree(new) == []
        assert ledger.meta("changed_settings")[0]["changes"][0] == "config.batch: 50 -> 20"


def test_a_file_that_is_no_ledger_is_refused_and_left_as_it_was(tmp_path):
    path = tmp_path / "l.sqlite"
    path.write_text("a shopping list, " * 100)
    with pytest.raises(InvdesignError, match="not a ledger"):
        Ledger.open(path, WORDS)
    assert path.read_text().startswith("a shopping list")
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE stock (n INTEGER)")
    with pytest.raises(InvdesignError, match="expected a ledger of version 2 to 4"):
        Ledger.open(other, WORDS)


def test_a_damaged_schema_whose_error_is_no_text_is_a_message(tmp_path):
    path = tmp_path / "ledger.sqlite"
    Ledger.open(path, WORDS).close()
    content = path.read_bytes()
    # SQLite puts the name of the table into its message, which is then no UTF-8.
    path.write_bytes(
        content.replace(b"tableeventsevents", b"tableev\xce\xcetsevents").replace(b"TABLE events", b"TABEL events")
    )
    with pytest.raises(InvdesignError, match=r"ledger\.sqlite"):
        Ledger.open(path, WORDS)


def test_a_ledger_of_another_domain_or_a_missing_one_is_refused(tmp_path):
    Ledger.open(tmp_path / "l.sqlite", WORDS).close()
    with pytest.raises(InvdesignError, match="expected a ledger of crystals, got one of words"):
        Ledger.open(tmp_path / "l.sqlite", SimpleNamespace(name="crystals"))
    with pytest.raises(InvdesignError, match="no such ledger"):
        Ledger.open(tmp_path / "none.sqlite", WORDS, read_only=True)


def test_a_read_only_ledger_writes_nothing(tmp_path):
    path = tmp_path / "l.sqlite"
    Ledger.open(path, WORDS).close()
    with Ledger.open(path, WORDS, read_only=True) as ledger, pytest.raises(InvdesignError, match="cannot be written"):
        ledger.note("x", 1)


def test_a_full_disk_is_found_before_anything_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=2**20))
    with pytest.raises(InvdesignError, match="1 MiB are free"):
        Ledger.open(tmp_path / "l.sqlite", WORDS)


def test_a_disk_that_fills_up_later_leaves_what_was_written(tmp_path):
    path = tmp_path / "l.sqlite"
    with Ledger.open(path, WORDS) as ledger:
        fill(ledger)
        pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
        ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
        flood = Outcome((1.0, 1.0), "failed", "x" * 100_000)
        with pytest.raises(InvdesignError, match=r"full.*What was recorded before is safe"):
            ledger.record(OutcomeRecorded("ALPHA", flood))
    with Ledger.open(path, WORDS) as ledger:
        assert same(ledger.state(), STATE)


WRITER = """
import sys, torch
from dataclasses import replace
from functools import reduce
from types import SimpleNamespace
from invdesign.campaign import BatchSelected, OutcomeRecorded, RoundRecord, State
from invdesign.core import Candidate, Outcome
from invdesign.ledger import Ledger
from pathlib import Path
words = SimpleNamespace(name="words", to_text=str, from_text=str)
with Ledger.open(Path(sys.argv[1]), words) as ledger:
    state = ledger.state()
    if not state.pending:
        z = torch.zeros(2, dtype=torch.float64)
        candidates = tuple(Candidate(f"w{i}", f"w{i}", z) for i in range(5000))
        state = ledger.record(BatchSelected(candidates, RoundRecord(0)))
    for c in state.pending:
        if c.status == "pending":
            ledger.record(OutcomeRecorded(c.key, Outcome((float(c.key[1:]),))))
            print(c.key, flush=True)
"""


@pytest.mark.slow
def test_a_killed_writer_loses_nothing_that_it_had_finished(tmp_path):
    path = tmp_path / "l.sqlite"
    printed: list[str] = []
    for _ in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=paths.ROOT,
        )
        assert writer.stdout is not None
        printed.append(next(line for line in writer.stdout if line.startswith("w")))
        time.sleep(0.1)
        writer.send_signal(signal.SIGKILL)
        printed += writer.communicate()[0].splitlines()
    printed = [word.strip() for word in printed if word.strip()]
    assert len(printed) == len(set(printed))
    with Ledger.open(path, WORDS) as ledger:
        measured = {c.key: c.y for c in ledger.state().pending if c.status == "measured"}
        assert set(printed) <= set(measured)
        assert all(y == (float(key[1:]),) for key, y in measured.items())
        assert sorted(measured) == sorted(r.event.key for r in ledger.events() if isinstance(r.event, OutcomeRecorded))


def test_ctrl_c_waits_until_a_write_is_finished(tmp_path):
    class Interrupting:
        name = "words"

        def to_text(self, design):
            os.kill(os.getpid(), signal.SIGINT)
            return design

        def from_text(self, text):
            return text

    # A shell that starts the tests in the background has Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Ledger.open(tmp_path / "l.sqlite", Interrupting()) as ledger, pytest.raises(KeyboardInterrupt):
            fill(ledger)
    finally:
        signal.signal(signal.SIGINT, before)
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        assert same(ledger.state(), apply(State(), SEEDS))


def test_after_a_failed_write_the_ledger_returns_what_is_on_the_disk(tmp_path):
    def to_text(design):
        if design == "beta":
            raise ValueError("no text")
        return design

    domain = SimpleNamespace(name="words", to_text=to_text, from_text=str)
    with Ledger.open(tmp_path / "l.sqlite", domain) as ledger:
        with pytest.raises(ValueError, match="no text"):
            fill(ledger)
        assert same(ledger.state(), reduce(apply, EVENTS[:2], State()))


EDITS = {
    "row 2": "DELETE FROM events WHERE id = 2",
    "table outcomes: it has rows of no event": "DELETE FROM events WHERE id = 4",
    "expected 4 events, got 3": """DELETE FROM events WHERE id = 4; DELETE FROM outcomes WHERE event = 4;
        DELETE FROM measured_values WHERE event = 4""",
    "row 1": "UPDATE measured_values SET value = 1.25 WHERE value = 1.5",
    "row 1: ": "UPDATE designs SET content = replace(content, 'region\": 0', 'region\": 1') WHERE event = 1",
    "row 4": "UPDATE outcomes SET status = 'failed' WHERE event = 4",
    "row 4:": "DELETE FROM measured_values WHERE event = 4 AND number = 1",
    "row 3": "UPDATE events SET content = '[1,2' WHERE id = 3",
    "row 3: ": "UPDATE designs SET design = 'omega' WHERE design = 'alpha'",
    "row 3:": "UPDATE predictions SET sd = 0.3 WHERE sd = 0.2",
    "row 4: the content": "UPDATE events SET at = '2001-01-01T00:00:00Z' WHERE id = 4",
    "row 4: ": "UPDATE outcomes SET key = 'BETA' WHERE event = 4",
    "file: it cannot be read": "UPDATE events SET content = CAST(x'ff00' AS TEXT) WHERE id = 4",
    "row 2: the content": "UPDATE events SET kind = 'outcome' WHERE id = 2",
    "row 4: the": "UPDATE events SET by = 'nobody' WHERE id = 4",
    "table head": "DELETE FROM head",
    "last checksum": "UPDATE head SET last_checksum = 'x'",
    "noted fact": "UPDATE meta SET value = '\"x\"' WHERE key = 'note'",
    "noted": "DELETE FROM meta",
    "row 5": "INSERT INTO events SELECT 5, kind, content, at, by, checksum FROM events WHERE id = 4",
    "table predictions": "INSERT INTO predictions VALUES (9, 0, 0, 'y', 1.0, 1.0)",
}


@pytest.mark.parametrize("expected", EDITS)
def test_a_row_that_was_altered_removed_or_added_is_found_and_named(tmp_path, expected):
    path = tmp_path / "l.sqlite"
    with Ledger.open(path, WORDS) as ledger:
        fill(ledger)
        ledger.record(OutcomeRecorded("ALPHA", Outcome((1.0, 1.0))))
        ledger.note("note", "a fact")
    connection = sqlite3.connect(path)
    connection.executescript(EDITS[expected])
    connection.close()
    for read_only in (True, False):
        with pytest.raises(InvdesignError, match=expected):
            Ledger.open(path, WORDS, read_only=read_only)


def test_outcomes_that_are_recorded_together_are_all_on_disk_or_none(tmp_path):
    path = tmp_path / "l.sqlite"
    with Ledger.open(path, WORDS) as ledger:
        fill(ledger)
        known = OutcomeRecorded("ALPHA", Outcome((1.0, 1.0)))
        with pytest.raises(InvdesignError, match="not pending"):
            ledger.on_outcomes([known, OutcomeRecorded("NOBODY", Outcome((1.0, 1.0)))])
        assert same(ledger.state(), STATE)
        ledger.on_outcomes([known, OutcomeRecorded("BETA", Outcome((2.0, 1.0)))])
        expected = ledger.state()
    with Ledger.open(path, WORDS) as ledger:
        assert same(ledger.state(), expected) and [c.status for c in expected.pending] == ["measured"] * 2 + ["pending"]


def test_changes_of_a_running_campaign_are_read_back_with_who_made_them(tmp_path):
    event = Steered((Change.parse("budget+=50"), Change.parse("domain.fixed=1,2")), "a new plate", n_rounds=2)
    with Ledger.open(tmp_path / "ledger.sqlite", WORDS, by="ada") as ledger:
        ledger.record(*EVENTS[:2], event)
    with Ledger.open(tmp_path / "ledger.sqlite", WORDS) as ledger:
        assert ledger.state().steering == ((0, event),)
        last = list(ledger.events())[-1]
        assert (last.event, last.by) == (event, "ada")
