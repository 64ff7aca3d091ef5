"""Run folders: where a run is stored, which one a command continues, and its configuration."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from invdesign import __version__
from invdesign.core.errors import InvdesignError
from invdesign.io.atomic import probe, write_bytes

LEDGER = "ledger.sqlite"
BASELINE = "baseline.sqlite"
BASELINE_CALLS = "baseline-calls"
"""Folder of the calls of the random search that outlive their process."""
CONFIG = "config.json"
FINISHED = "finished.json"
MAX_NAME = 100
"""Characters of the name of a campaign, which is the name of a folder."""
OTHER_FILES = (".lock", ".txt")
"""Suffixes of files that a sweep writes into the folder of a run before it starts."""
TRACES = (FINISHED, BASELINE, "evaluated.csv", "manifest.json", "latents.safetensors")
"""Files that a run writes after its ledger."""


@dataclass(frozen=True)
class RunFolder:
    """A run folder, and whether it existed before."""

    path: Path
    """The folder."""
    is_resumed: bool
    """Whether it existed before this command."""

    @property
    def is_finished(self) -> bool:
        """Whether its budget was spent and its lists were written."""
        return (self.path / FINISHED).is_file()


@dataclass(frozen=True)
class RunConfig:
    """What a run was started with: the content of `config.json`."""

    name: str
    """Name of the campaign."""
    config: Mapping[str, Any]
    """Composed configuration; empty for a run that was started in Python."""
    command: str = ""
    """Command line."""
    campaign: str | None = None
    """File or name of the campaign."""
    allow: Sequence[str] = ()
    """Modules that targets may name."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Every setting with its value and origin."""


def digest(name: str, config: Mapping[str, Any]) -> str:
    """Return 8 hexadecimal digits of the checksum of a configuration."""
    text = json.dumps({"name": name, "config": config}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def find_or_make(results: Path, name: str, config: Mapping[str, Any], *, fresh: bool = False) -> RunFolder:
    """Return the newest unfinished run of a configuration, else a new folder `<results>/<name>/<UTC time>-<digest>`.

    Args:
        results: Folder of all runs.
        name: Name of the campaign.
        config: Composed and plain.
        fresh: Whether to make a new run in any case.

    Raises:
        InvdesignError: The folder cannot be written.
    """
    folder = results / check_name(name)
    code = digest(name, config)
    with _one_at_a_time(folder):
        own = [run for run in list_runs(folder) if run.path.name.endswith(f"-{code}")]
        unfinished = [run for run in own if not run.is_finished]
        if unfinished and not fresh:
            return unfinished[-1]
        while True:
            path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{code}"
            try:
                path.mkdir(exist_ok=False)
            except FileExistsError:
                time.sleep(0.2)
                continue
            except OSError as error:
                raise InvdesignError(f"{path}: cannot be made ({error.strerror}). Choose another --results") from error
            return RunFolder(path, is_resumed=False)


def check_name(name: object) -> str:
    """Return the name of a campaign where it can be the name of a folder.

    Raises:
        InvdesignError: It cannot.
    """
    text = str(name)
    if re.fullmatch(r"[\w.+-](?:[\w .+-]*[\w.+-])?", text) and len(text) <= MAX_NAME and not text.startswith("."):
        return text
    shown = text if len(text) <= 40 else f"{text[:40]}... ({len(text)} characters)"
    raise InvdesignError(
        f"name: expected at most {MAX_NAME} letters, digits, spaces and _ - . +, not starting with a dot, as "
        f"the name of a folder, got {shown!r}. Rename the campaign"
    )


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Make a campaign's folder, and let one process at a time look for its runs or make one.

    Raises:
        InvdesignError: The folder cannot be made or written.
    """
    probe(folder)
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def check_ledger(folder: Path) -> None:
    """Check that a run which measured something still has its ledger.

    Raises:
        InvdesignError: The ledger is missing or empty.
    """
    ledger = folder / LEDGER
    is_lost = not ledger.exists() or (ledger.is_file() and ledger.stat().st_size == 0)
    traces = [name for name in TRACES if (folder / name).exists()]
    if is_lost and traces:
        state = "empty" if ledger.exists() else "missing"
        raise InvdesignError(
            f"{ledger}: is {state}, but the run has written {traces[0]}: what it measured is not known. Restore a copy "
            "of the ledger, or start a new run with --fresh"
        )


def existing(path: str | Path) -> RunFolder:
    """Return a run by its folder, or the newest one of a campaign's folder.

    Raises:
        InvdesignError: There is none.
    """
    folder = Path(path)
    if folder.is_symlink() and not folder.exists():
        raise InvdesignError(f"{path}: is a link to {folder.readlink()}, which does not exist. Check the path")
    if (folder / CONFIG).is_file() or (folder / LEDGER).exists():
        return RunFolder(folder, is_resumed=True)
    runs = [run for run in list_runs(folder) if (run.path / CONFIG).is_file()]
    if not runs:
        raise InvdesignError(f"{path}: expected a run folder, or a campaign's folder such as results/demo, got neither")
    return runs[-1]


def at(path: Path) -> RunFolder:
    """Return a run by its folder, which is made where it does not exist.

    Raises:
        InvdesignError: The folder contains something else than a run, or cannot be made.
    """
    if path.is_dir() and not (path / CONFIG).is_file() and any(p.suffix not in OTHER_FILES for p in path.iterdir()):
        raise InvdesignError(
            f"--folder {path}: expected a new folder or that of a run, got another one. Choose another"
        )
    probe(path)
    return RunFolder(path, is_resumed=(path / CONFIG).is_file())


def list_runs(folder: Path) -> list[RunFolder]:
    """Return the runs of a campaign's folder, oldest first."""
    if not folder.is_dir():
        return []
    names = sorted(p for p in folder.iterdir() if p.is_dir() and "-" in p.name and p.name[:8].isdigit())
    return [RunFolder(p, is_resumed=True) for p in names]


def write_config(folder: Path, config: RunConfig) -> None:
    """Write what a run is started with, unless it is written already.

    Raises:
        InvdesignError: The folder cannot be written.
    """
    if (folder / CONFIG).is_file():
        return
    content = {
        "name": config.name,
        "config": config.config,
        "command": config.command,
        "campaign": config.campaign,
        "allow": list(config.allow),
        "settings": config.settings,
        "version": __version__,
    }
    _write_json(folder / CONFIG, content)


def read_config(folder: Path) -> RunConfig:
    """Return what a run was started with.

    Raises:
        InvdesignError: The file is damaged.
    """
    path = folder / CONFIG
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content["config"], dict) and isinstance(content["name"], str):
            return RunConfig(
                content["name"],
                content["config"],
                str(content.get("command", "")),
                content.get("campaign"),
                tuple(content.get("allow", ())),
                content.get("settings", {}),
            )
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise InvdesignError(f"{path}: damaged. Give the campaign's file together with --resume {folder}")


def finish(folder: Path, summary: Mapping[str, Any]) -> None:
    """Mark a run as finished.

    Raises:
        InvdesignError: The folder cannot be written.
    """
    _write_json(folder / FINISHED, summary)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_bytes(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
