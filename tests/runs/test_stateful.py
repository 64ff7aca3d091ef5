"""Random commands of the loop agree with a small model of a campaign; kills and reopenings included."""

from __future__ import annotations

import math
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import toy
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from invdesign import CampaignRun, InvdesignError
from invdesign.runs import latent_spaces
from invdesign.search.search import Search

BUDGET = 14
CAMPAIGN = toy.campaign(
    budget=BUDGET, batch=3, n_seeds=3, search=Search(acquire=None, trust_region=None, oversample=4), name="stateful"
)
VALUES = st.floats(-10, 10).map(lambda value: round(value, 3))
CHOICE = st.integers(0, 1_000)


class Killed(BaseException):
    """The process ends."""


@dataclass
class Entry:
    """A design of the model."""

    key: str
    values: list[float] = field(default_factory=list)
    """Measured values since the last correction."""
    status: str = "pending"
    is_free: bool = False

    @property
    def y(self) -> tuple[float, ...]:
        if self.status == "measured":
            return (sum(self.values) / len(self.values),)
        return () if self.status == "pending" else (math.nan,)


class Loop(RuleBasedStateMachine):
    """A run and its model; the model has one entry a design, in the order of identifiers."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp()) / "run"
        self.entries: list[Entry] = []
        self.run = CampaignRun.open(self.folder, CAMPAIGN)

    def teardown(self) -> None:
        self.run.close()
        shutil.rmtree(self.folder.parent)

    def pick(self, number: int, *statuses: str) -> Entry:
        found = [entry for entry in self.entries if entry.status in statuses]
        return found[number % len(found)]

    def has(self, *statuses: str) -> bool:
        return any(entry.status in statuses for entry in self.entries)

    def learn(self) -> None:
        """Take the new suggestions of the run into the model."""
        known = {entry.key for entry in self.entries}
        self.entries += [Entry(c.key) for c in self.run.state.pending if c.key not in known]

    @initialize()
    def first(self) -> None:
        assert len(self.run.suggest()) == 3
        self.learn()

    @rule(n=st.integers(1, 5))
    def suggest(self, n: int) -> None:
        before = [entry.key for entry in self.entries if entry.status == "pending"]
        found = [c.key for c in self.run.suggest(n)]
        assert found[: len(before)] == before[:n]
        self.learn()

    @precondition(lambda self: self.has("pending"))
    @rule(number=CHOICE, value=VALUES)
    def tell(self, number: int, value: float) -> None:
        entry = self.pick(number, "pending")
        for _ in range(2):
            self.run.tell({entry.key: value})
        entry.values, entry.status = [value], "measured"

    @precondition(lambda self: self.has("pending"))
    @rule(number=CHOICE)
    def fail(self, number: int) -> None:
        entry = self.pick(number, "pending")
        self.run.tell({entry.key: None})
        entry.status = "failed"

    @precondition(lambda self: self.has("measured", "failed"))
    @rule(number=CHOICE, value=VALUES)
    def correct(self, number: int, value: float) -> None:
        entry = self.pick(number, "measured", "failed")
        self.run.correct(entry.key, value)
        entry.values, entry.status = [value], "measured"

    @precondition(lambda self: self.has("measured"))
    @rule(number=CHOICE, value=VALUES)
    def replicate(self, number: int, value: float) -> None:
        entry = self.pick(number, "measured")
        self.run.replicate(entry.key, value)
        entry.values.append(value)

    @precondition(lambda self: self.has("pending"))
    @rule(number=CHOICE, is_replaced=st.booleans())
    def give_up(self, number: int, is_replaced: bool) -> None:
        entry = self.pick(number, "pending")
        if is_replaced:
            self.run.reject(entry.key, reason="no")
        else:
            self.run.abandon(entry.key, reason="no")
        self.learn()
        entry.status = "failed"

    @precondition(lambda self: self.has("pending"))
    @rule(number=CHOICE, x=st.integers(-30, 30), y=st.integers(-30, 30), value=st.none() | VALUES)
    def substitute(self, number: int, x: int, y: int, value: float | None) -> None:
        entry = self.pick(number, "pending")
        made = f"{x},{y}"
        if made in [other.key for other in self.entries]:
            with pytest.raises(InvdesignError, match="in this run already"):
                self.run.substitute(entry.key, made)
            return
        if value is None:
            self.run.substitute(entry.key, made)
        else:
            self.run.substitute(entry.key, made, value)
            entry.values, entry.status = [value], "measured"
        entry.key = made

    @rule(x=st.integers(-30, 30), y=st.integers(-30, 30), value=VALUES)
    def add(self, x: int, y: int, value: float) -> None:
        made = f"{x},{y}"
        if made in [other.key for other in self.entries]:
            return
        path = self.folder / "mine.csv"
        path.write_text(f'design,height\n"{made}",{value}\n')
        for _ in range(2):
            self.run.tell_file(path, allow_new=True)
        self.entries.append(Entry(made, [value], "measured", is_free=True))

    @rule()
    def reopen(self) -> None:
        self.run.close()
        self.run = CampaignRun.open(self.folder, CAMPAIGN)

    @precondition(lambda self: self.has("pending"))
    @rule(number=CHOICE, value=VALUES, is_committed=st.booleans())
    def kill(self, number: int, value: float, is_committed: bool) -> None:
        entry = self.pick(number, "pending")
        connection = self.run._ledger._connection

        class Dying:
            def __getattr__(self, name: str) -> Any:
                return getattr(connection, name)

            def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
                if sql != "COMMIT":
                    return connection.execute(sql, *values)
                if is_committed:
                    connection.execute(sql)
                raise Killed

        self.run._ledger._connection = Dying()  # type: ignore[assignment]
        with pytest.raises(Killed):
            self.run.tell({entry.key: value})
        self.run._ledger._connection = connection
        self.reopen()
        if is_committed:
            entry.values, entry.status = [value], "measured"

    @invariant()
    def agrees(self) -> None:
        state = self.run.state
        found = {c.key: (c.status, c.y) for c in (*state.history, *state.pending)}
        ids = self.run.identifiers()
        assert [ids[entry.key] for entry in self.entries] == [f"D{n:04d}" for n in range(1, len(self.entries) + 1)]
        for entry in self.entries:
            status, y = found[entry.key]
            assert status == entry.status
            assert len(y) == len(entry.y) and all(map(_is_close, y, entry.y))
        assert len(found) == len(self.entries)
        assert state.n_calls == sum(not entry.is_free for entry in self.entries) <= BUDGET


def _is_close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) or (a != a and b != b)


@pytest.fixture(autouse=True)
def _trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latent_spaces, "prepare_latent_space", lambda campaign, *_: toy.RunSpace(campaign.domain))


@settings(
    max_examples=15, stateful_step_count=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
class Machine(Loop):
    """Random sequences of commands."""


def test_random_sequences_of_commands_agree_with_the_model() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(Machine)
