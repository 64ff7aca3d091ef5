"""The ledger gives back exactly what it was told, survives a kill, and refuses what would harm a run."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import paths
import pytest
import torch
from sameness import same

from invdesign.campaign import Funnel, Region, RoundRecord, State
from invdesign.core import Candidate, Check, InvdesignError, Outcome
from invdesign.ledger import Ledger
from invdesign.search.trust_region import TrustRegion
from invdesign.surrogate import SurrogateReport

WORDS = SimpleNamespace(name="words", to_text=lambda design: design, from_text=lambda text: text, key=lambda d: d)


def candidate(word: str, **known) -> Candidate[str]:
    torch.manual_seed(len(word))
    return Candidate(word, word.upper(), torch.randn(3, dtype=torch.float64), **known)


def asked_state() -> State[str]:
    history = (
        candidate("seed", y=(1.5, math.nan), status="measured", log_density=-3.25, percentile=12.5),
        candidate("sad", y=(math.nan, math.nan), status="failed", reason="ValueError: no"),
    )
    pending = tuple(
        candidate(
            word,
            round=1,
            origin="sobol",
            parents=("SEED",),
            region=1,
            mean=(0.1, 1 / 3),
            sd=(math.inf, 0.2),
            acquisition=-0.5,
            checks=(Check("length", True, "4 <= 10"), Check("novel", False, "known")),
        )
        for word in ("alpha", "beta", "γ-end")
    )
    record = RoundRecord(
        1,
        funnel=Funnel(100, 90, 80, 70, 60, 3),
        lengths=(0.8, 0.1),
        is_improved=(True, False),
        fallback_level="jitter",
        surrogate=SurrogateReport("leave-one-out", 2, (0.5, math.nan), (0.1, 0.1)),
        seconds={"fit": 0.25},
        notes=("an outlier: SEED",),
    )
    regions = (Region(replace(TrustRegion(), length=0.4), "SEED", 0), Region(TrustRegion(), "SAD", 1))
    return State(history, pending, regions, 1, (RoundRecord(0, best=math.nan), record))


def test_same_tells_different_states_apart():
    assert same(asked_state(), asked_state())
    assert not same(asked_state(), replace(asked_state(), round=2))


def test_a_new_ledger_holds_an_empty_state(tmp_path):
    with Ledger.open(tmp_path / "new" / "ledger.sqlite", WORDS) as ledger:
        assert same(ledger.state(), State())


def test_a_state_comes_back_exactly_from_another_opening(tmp_path):
    state = asked_state()
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        ledger.asked(state)
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        assert same(ledger.state(), state)


def test_an_outcome_told_is_there_at_once_and_the_round_closes_over_it(tmp_path):
    state = asked_state()
    path = tmp_path / "l.sqlite"
    with Ledger.open(path, WORDS) as ledger:
        ledger.asked(state)
        told = state.pending[1].with_outcome(Outcome((2.0, 3.0)))
        ledger.told(told)
        with Ledger.open(path, WORDS, read_only=True) as other:
            assert [c.status for c in other.state().pending] == ["pending", "measured", "pending"]
        batch = tuple(c.with_outcome(Outcome((2.0, 3.0))) for c in state.pending)
        closed = replace(
            state,
            history=state.history + batch,
            pending=(),
            records=(*state.records[:-1], RoundRecord(1, n_measured=3)),
        )
        ledger.closed(closed)
    with Ledger.open(path, WORDS) as ledger:
        assert same(ledger.state(), closed)
        assert [e.key for e in ledger.evaluations()] == ["BETA"]


def test_a_history_encoded_again_replaces_the_old_latents(tmp_path):
    state = asked_state()
    with Ledger.open(tmp_path / "l.sqlite", WORDS, save_map=lambda space, folder: folder.mkdir()) as ledger:
        ledger.asked(state)
        tuned = replace(state, history=tuple(replace(c, z=c.z + 1) for c in state.history))
        ledger.tuned("a space", tuned)
        assert (tmp_path / ledger.meta("map_folder")).is_dir()
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        assert same(ledger.state(), tuned)
        with pytest.raises(InvdesignError, match="save_map"):
            ledger.tuned("a space", tuned)


def test_a_correction_wins_and_nothing_told_is_lost(tmp_path):
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        ledger.asked(asked_state())
        ledger.told(asked_state().pending[0].with_outcome(Outcome((1.0, 1.0))))
        ledger.corrected("ALPHA", Outcome((5.0, 1.0)), note="wrong dilution")
        assert ledger.state().pending[0].y == (5.0, 1.0)
        assert [(e.kind, e.outcome.y, e.note) for e in ledger.evaluations("ALPHA")] == [
            ("measured", (1.0, 1.0), ""),
            ("correction", (5.0, 1.0), "wrong dilution"),
        ]


def test_repeats_are_averaged_since_the_last_correction_and_a_failed_repeat_changes_no_value(tmp_path):
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        ledger.asked(asked_state())
        ledger.told(asked_state().pending[0].with_outcome(Outcome((100.0, 1.0))))
        ledger.corrected("ALPHA", Outcome((1.0, 1.0)))
        ledger.repeated("ALPHA", Outcome((2.0, math.nan)))
        ledger.repeated("ALPHA", Outcome((6.0, 4.0)))
        ledger.repeated("ALPHA", Outcome((), "failed", "spilt"))
        alpha = ledger.state().pending[0]
        assert (alpha.y, alpha.status) == ((3.0, 2.5), "measured")


def test_a_design_that_came_measured_counts_in_the_mean_of_its_repeats(tmp_path):
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        ledger.asked(asked_state())
        ledger.repeated("SEED", Outcome((2.5, 7.0)))
        assert ledger.state().history[0].y == (2.0, 7.0)


def test_a_design_made_instead_takes_the_place_of_the_one_asked_for(tmp_path):
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        ledger.asked(asked_state())
        ledger.made_instead("BETA", candidate("betamax", y=(1.0, 2.0), status="measured"))
        made = ledger.state().pending[1]
        assert (made.key, made.round, made.origin, made.parents, made.y) == (
            "BETAMAX",
            1,
            "told",
            ("BETA",),
            (1.0, 2.0),
        )
        assert ledger.evaluations("BETAMAX")[0].note == "made instead of BETA"
        with pytest.raises(InvdesignError, match="only a pending one"):
            ledger.made_instead("SEED", candidate("x"))


def test_an_outcome_for_an_unknown_design_is_refused(tmp_path):
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger, pytest.raises(InvdesignError, match="no design 'NOBODY'"):
        ledger.told(candidate("nobody"))


def test_a_second_process_is_refused_and_told_who_owns_the_run(tmp_path):
    path = tmp_path / "l.sqlite"
    with Ledger.open(path, WORDS), pytest.raises(InvdesignError, match=rf"process {os.getpid()} on "):
        Ledger.open(path, WORDS)
    Ledger.open(path, WORDS).close()


def test_a_run_cannot_go_on_with_other_settings_unless_that_is_accepted_and_recorded(tmp_path):
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
    with pytest.raises(InvdesignError, match="cannot be read as a ledger"):
        Ledger.open(path, WORDS)
    assert path.read_text().startswith("a shopping list")
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE stock (n INTEGER)")
    with pytest.raises(InvdesignError, match="expected a ledger of version 1"):
        Ledger.open(other, WORDS)


def test_a_ledger_of_another_domain_or_a_missing_one_is_refused(tmp_path):
    Ledger.open(tmp_path / "l.sqlite", WORDS).close()
    with pytest.raises(InvdesignError, match="ledger of words, opened for crystals"):
        Ledger.open(tmp_path / "l.sqlite", SimpleNamespace(name="crystals"))
    with pytest.raises(InvdesignError, match="no such ledger"):
        Ledger.open(tmp_path / "none.sqlite", WORDS, read_only=True)


def test_a_read_only_ledger_writes_nothing(tmp_path):
    path = tmp_path / "l.sqlite"
    Ledger.open(path, WORDS).close()
    with Ledger.open(path, WORDS, read_only=True) as ledger, pytest.raises(InvdesignError, match="cannot be written"):
        ledger.note("x", 1)


def test_a_full_disk_is_found_before_anything_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=2**20))
    with pytest.raises(InvdesignError, match="1 MiB are free"):
        Ledger.open(tmp_path / "l.sqlite", WORDS)


def test_a_disk_that_fills_up_later_leaves_what_was_written(tmp_path):
    path = tmp_path / "l.sqlite"
    state = asked_state()
    with Ledger.open(path, WORDS) as ledger:
        ledger.asked(state)
        pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
        ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
        flood = state.pending[0].with_outcome(Outcome((1.0, 1.0), "failed", "x" * 100_000))
        with pytest.raises(InvdesignError, match=r"full.*What was written before is safe"):
            ledger.told(flood)
    with Ledger.open(path, WORDS) as ledger:
        assert same(ledger.state(), state)


WRITER = """
import sys, torch
from dataclasses import replace
from types import SimpleNamespace
from invdesign.campaign import State
from invdesign.core import Candidate, Outcome
from invdesign.ledger import Ledger
from pathlib import Path
words = SimpleNamespace(name="words", to_text=str, from_text=str)
with Ledger.open(Path(sys.argv[1]), words) as ledger:
    state = ledger.state()
    if not state.pending:
        z = torch.zeros(2, dtype=torch.float64)
        state = State(pending=tuple(Candidate(f"w{i}", f"w{i}", z) for i in range(5000)))
        ledger.asked(state)
    for c in state.pending:
        if c.status == "pending":
            ledger.told(c.with_outcome(Outcome((float(c.key[1:]),))))
            print(c.key, flush=True)
"""


def test_a_killed_writer_loses_nothing_that_it_had_finished(tmp_path):
    path = tmp_path / "l.sqlite"
    said: list[str] = []
    for _ in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=paths.ROOT,
        )
        assert writer.stdout is not None
        said.append(next(line for line in writer.stdout if line.startswith("w")))
        time.sleep(0.1)
        writer.send_signal(signal.SIGKILL)
        said += writer.communicate()[0].splitlines()
    said = [word.strip() for word in said if word.strip()]
    assert len(said) == len(set(said))
    with Ledger.open(path, WORDS) as ledger:
        measured = {c.key: c.y for c in ledger.state().pending if c.status == "measured"}
        assert set(said) <= set(measured)
        assert all(y == (float(key[1:]),) for key, y in measured.items())
        assert sorted(measured) == sorted(e.key for e in ledger.evaluations())


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
            ledger.asked(asked_state())
    finally:
        signal.signal(signal.SIGINT, before)
    with Ledger.open(tmp_path / "l.sqlite", WORDS) as ledger:
        assert same(ledger.state(), asked_state())


def test_a_write_that_failed_leaves_the_ledger_speaking_of_what_is_on_the_disk(tmp_path):
    def to_text(design):
        if design == "beta":
            raise ValueError("no text")
        return design

    domain = SimpleNamespace(name="words", to_text=to_text, from_text=str)
    with Ledger.open(tmp_path / "l.sqlite", domain) as ledger:
        with pytest.raises(ValueError, match="no text"):
            ledger.asked(asked_state())
        assert same(ledger.state(), State())
