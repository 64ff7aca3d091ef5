"""Random searches that several runs share: one is measured, the others copy it."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from invdesign.core import InvdesignError, Progress
from invdesign.io.atomic import write_atomically
from invdesign.io.locks import hold
from invdesign.ledger.tables import SQL_ERRORS

logger = logging.getLogger(__name__)

WITHOUT_EFFECT = (
    "name", "search", "surrogate", "latent_surrogate", "outcome_transform", "feasibility", "finetune",
    "mutations", "validators", "deliverables", "figures", "executor", "n_shortlist",
)  # fmt: skip
"""Settings of a campaign on which its random search does not depend."""


def baseline_key(config: Mapping[str, Any]) -> str:
    """Return a checksum of what the random search of a campaign depends on; empty where it is not known."""
    if not config:
        return ""
    content = {key: value for key, value in config.items() if key not in WITHOUT_EFFECT}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:24]


def share(
    folder: Path, key: str, own: Path, measure: Callable[[], None], check: Callable[[], object], progress: Progress
) -> None:
    """Copy the random search of another run, or measure it and share it.

    One that is damaged is removed and measured again.

    Args:
        folder: Folder of the shared ones.
        key: What identifies it.
        own: Ledger of the random search of this run.
        measure: Completes `own`.
        check: Reads `own`; raises `InvdesignError` where it is damaged.
        progress: Called while another run measures it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shared = folder / f"{key}.sqlite"
    with hold(folder / f"{key}.lock", wait=lambda: progress("another run measures the random search", 0, 1)):
        if shared.is_file() and not own.is_file():
            try:
                write_atomically(own, lambda path: _copy(shared, path))
                check()
                return
            except (*SQL_ERRORS, InvdesignError) as error:
                logger.warning("%s is removed, and the random search measured again (%s)", shared, error)
                shared.unlink()
                own.unlink(missing_ok=True)
        measure()
        if not shared.is_file():
            write_atomically(shared, lambda path: _copy(own, path))


def _copy(source: Path, target: Path) -> None:
    """Copy a database with what it has not yet written into its file."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
