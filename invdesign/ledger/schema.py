"""The tables of a ledger, and a candidate as one of their rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from invdesign.core import B, Candidate, Check, D, Domain, InvdesignError
from invdesign.io.clock import now
from invdesign.io.json_values import to_plain
from invdesign.ledger.locks import undisturbed

SCHEMA = 1
APPLICATION = 0x1D5E5160

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE designs (
    position INTEGER PRIMARY KEY, key TEXT NOT NULL, text TEXT NOT NULL, status TEXT NOT NULL, y TEXT NOT NULL,
    round INTEGER NOT NULL, origin TEXT NOT NULL, region INTEGER NOT NULL, parents TEXT NOT NULL, mean TEXT NOT NULL,
    sd TEXT NOT NULL, numbers TEXT NOT NULL, reason TEXT NOT NULL, checks TEXT NOT NULL, z BLOB NOT NULL);
CREATE INDEX designs_key ON designs (key);
CREATE TABLE evaluations (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL, y TEXT NOT NULL,
    reason TEXT NOT NULL, note TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE rounds (position INTEGER PRIMARY KEY, record TEXT NOT NULL, at TEXT NOT NULL);
"""
COLUMNS = "key, text, status, y, round, origin, region, parents, mean, sd, numbers, reason, checks, z"
INSERT_DESIGN = f"INSERT OR REPLACE INTO designs (position, {COLUMNS}) VALUES (?{', ?' * len(COLUMNS.split(','))})"


def to_row(domain: Domain[D, B], c: Candidate[D]) -> tuple[Any, ...]:
    """A candidate as the values of `COLUMNS`; its latent as little-endian float64."""
    return (
        c.key,
        domain.to_text(c.design),
        c.status,
        to_text(c.y),
        c.round,
        c.origin,
        c.region,
        json.dumps(c.parents),
        to_text(c.mean),
        to_text(c.sd),
        to_text((c.acquisition, c.log_density, c.percentile)),
        c.reason,
        json.dumps([[k.name, bool(k.passed), k.detail] for k in c.checks]),
        c.z.detach().cpu().numpy().astype("<f8").tobytes(),
    )


def to_candidate(domain: Domain[D, B], row: Sequence[Any]) -> Candidate[D]:
    """The candidate of a row of `COLUMNS`."""
    key, text, status, y, round_, origin, region, parents, mean, sd, numbers, reason, checks, z = row
    acquisition, log_density, percentile = to_floats(numbers)
    return Candidate(
        design=domain.from_text(text),
        key=key,
        z=torch.from_numpy(np.frombuffer(z, dtype="<f8").astype(np.float64)),
        round=round_,
        origin=origin,
        parents=tuple(json.loads(parents)),
        region=region,
        y=to_floats(y),
        mean=to_floats(mean),
        sd=to_floats(sd),
        acquisition=acquisition,
        log_density=log_density,
        percentile=percentile,
        status=status,
        reason=reason,
        checks=tuple(Check(name, passed, detail) for name, passed, detail in json.loads(checks)),
    )


def prepare(connection: sqlite3.Connection, path: Path, domain: str, *, read_only: bool) -> None:
    """Set a fresh connection up, make the tables of a new file, and refuse a file that is not ours.

    Raises:
        InvdesignError: the file is damaged, no ledger, of a later version, or of another domain.
    """
    try:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = EXTRA")
        n_tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if n_tables == 0 and not read_only:
            with undisturbed():
                connection.executescript(
                    f"BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION}; "
                    f"PRAGMA user_version = {SCHEMA}; COMMIT;"
                )
                set_meta(connection, "domain", domain)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION or version > SCHEMA:
            raise InvdesignError(
                f"{path}: expected a ledger of version {SCHEMA}, got an SQLite file of version {version}; open it with "
                "the version of invdesign that wrote it, or choose another folder"
            )
        (written,) = connection.execute("SELECT value FROM meta WHERE key = 'domain'").fetchone() or ("null",)
    except sqlite3.Error as error:
        raise InvdesignError(
            f"{path}: cannot be read as a ledger ({error}); restore a copy or start a new run"
        ) from error
    if json.loads(written) not in (None, domain):
        raise InvdesignError(
            f"{path}: this is a ledger of {json.loads(written)}, opened for {domain}; choose the other domain or run"
        )
    if read_only:
        connection.execute("PRAGMA query_only = ON")


def set_meta(write: sqlite3.Connection, key: str, value: Any) -> None:
    """Put a value under a name, in the transaction that is open."""
    row = (key, json.dumps(to_plain(value)), now())
    write.execute("INSERT OR REPLACE INTO meta (key, value, at) VALUES (?, ?, ?)", row)


def to_text(values: Sequence[float]) -> str:
    """Numbers as strict JSON, exactly."""
    return json.dumps(to_plain(list(values)))


def to_floats(text: str) -> tuple[float, ...]:
    """What `to_text` wrote."""
    return tuple(float(v) for v in json.loads(text))
