"""Ledgers that earlier versions wrote are opened, converted and continued."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from ledger_events import WORDS, batch, golden_state
from sameness import same

from invdesign.campaign import CallsLeased, Lease, OutcomeRecorded, apply
from invdesign.core import InvdesignError, Outcome
from invdesign.ledger import Ledger
from invdesign.ledger.summary import summarize
from invdesign.ledger.tables import VERSION

GOLDEN = sorted(Path(__file__).parent.joinpath("golden").glob("version-*.sqlite"))
NAMES = ("activity", "selectivity")


@pytest.fixture(params=GOLDEN, ids=lambda path: path.stem)
def golden(request, tmp_path):
    return Path(shutil.copy(request.param, tmp_path / "ledger.sqlite"))


def version_of(path):
    """Return the version of a ledger."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


def test_there_is_a_golden_ledger_of_every_version():
    assert [path.stem for path in GOLDEN] == [f"version-{n}" for n in range(2, VERSION + 1)]


def test_a_golden_ledger_has_the_state_of_its_events(golden):
    expected = golden_state(version_of(golden))
    with Ledger.open(golden, WORDS, objectives=NAMES) as ledger:
        assert same(ledger.state(), expected)
        assert ledger.latent_space_folder == "latent-space-round-0001"
        assert ledger.meta("versions") == {"written by": "a golden file"}
        assert [recorded.event.kind for recorded in ledger.outcomes("ALPHA")] == ["measured", "correction", "repeat"]


def test_a_golden_ledger_that_is_only_read_stays_as_it_is(golden):
    before = golden.read_bytes()
    with Ledger.open(golden, WORDS, read_only=True) as ledger:
        assert same(ledger.state(), golden_state(version_of(golden)))
    assert [entry.id for entry in summarize(golden).entries] == ["D0001", "D0002", "D0003", "D0004", "D0005"]
    assert golden.read_bytes() == before


def test_a_golden_ledger_is_continued_and_the_former_file_is_kept(golden):
    before = golden.read_bytes()
    version = version_of(golden)
    event = OutcomeRecorded("ALPHA", Outcome((5.0, 5.0)), "repeat")
    with Ledger.open(golden, WORDS, objectives=NAMES, by="a chemist") as ledger:
        ledger.record(event)
    with Ledger.open(golden, WORDS, objectives=NAMES) as ledger:
        assert same(ledger.state(), apply(golden_state(version), event))
        assert [recorded.by for recorded in ledger.events()][-1] == "a chemist"
    copies = [path for path in golden.parent.glob("ledger.version-*") if path.is_file()]
    if version == VERSION:
        assert copies == []
    else:
        assert [path.name for path in copies] == [f"ledger.version-{version}.sqlite"]
        with Ledger.open(copies[0], WORDS, read_only=True) as ledger:
            assert same(ledger.state(), golden_state(version))
    assert golden.read_bytes() != before


@pytest.mark.parametrize("version", ["version-2", "version-3"])
def test_a_damaged_ledger_of_an_earlier_version_is_refused_and_stays_as_it_is(tmp_path, version):
    source = next(path for path in GOLDEN if path.stem == version)
    path = Path(shutil.copy(source, tmp_path / "ledger.sqlite"))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE events SET content = '{\"key\": 1' WHERE id = 4")
    before = path.read_bytes()
    with pytest.raises(InvdesignError, match="row 4"):
        Ledger.open(path, WORDS)
    assert path.read_bytes() == before


def test_measured_values_are_columns(golden):
    with Ledger.open(golden, WORDS, objectives=NAMES, by="a chemist") as ledger:
        ledger.record(OutcomeRecorded("ALPHA", Outcome((5.0, 5.0)), "repeat", "second plate"))
    rows = sqlite3.connect(golden).execute(
        "SELECT id, value, kind, status, is_current, note FROM measurements "
        "WHERE id = 'D0003' AND objective = 'activity'"
    )
    assert list(rows) == [
        ("D0003", 100.0, "measured", "measured", 0, ""),
        ("D0003", 1.0, "correction", "measured", 1, "wrong dilution"),
        ("D0003", 2.0, "repeat", "measured", 1, ""),
        ("D0003", 5.0, "repeat", "measured", 1, "second plate"),
    ]


def test_calls_are_columns_with_those_that_may_be_running(tmp_path):
    path = Path(shutil.copy(next(path for path in GOLDEN if path.stem == "version-4"), tmp_path / "ledger.sqlite"))
    with Ledger.open(path, WORDS, objectives=NAMES, by="a cluster") as ledger:
        ledger.on_batch(batch("delta"))
        ledger.on_lease(CallsLeased((("C00005", "DELTA"),), "slurm_array"))
        assert ledger.state().leases == {"DELTA": Lease("C00005", "slurm_array")} and ledger.state().n_leases == 5
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT call, id, executor, is_open FROM calls").fetchall()
        assert rows[0] == ("C00001", "D0003", "process_pool", 0) and rows[-1] == ("C00005", "D0006", "slurm_array", 1)
        assert connection.execute("SELECT by FROM calls WHERE is_open").fetchall() == [("a cluster",)]
