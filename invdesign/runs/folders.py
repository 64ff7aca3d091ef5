"""Run folders: where a run is stored, which one a command continues, and its configuration."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from invdesign import __version__
from invdesign.core.errors import InvdesignError
from invdesign.io.atomic import probe, write_bytes

LEDGER = "ledger.sqlite"
BASELINE = "baseline.sqlite"
CONFIG = "config.json"
FINISHED = "finished.json"


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
    code = digest(name, config)
    own = [run for run in list_runs(results / name) if run.path.name.endswith(f"-{code}")]
    unfinished = [run for run in own if not run.is_finished]
    if unfinished and not fresh:
        return unfinished[-1]
    probe(results)
    while True:
        folder = results / name / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{code}"
        try:
            folder.mkdir(parents=True, exist_ok=False)
        except FileExistsError:
            time.sleep(0.2)
            continue
        except OSError as error:
            raise InvdesignError(f"{folder}: cannot be made ({error.strerror}). Choose another --results") from error
        return RunFolder(folder, is_resumed=False)


def existing(path: str | Path) -> RunFolder:
    """Return a run by its folder, or the newest one of a campaign's folder.

    Raises:
        InvdesignError: There is none.
    """
    folder = Path(path)
    if (folder / CONFIG).is_file():
        return RunFolder(folder, is_resumed=True)
    runs = [run for run in list_runs(folder) if (run.path / CONFIG).is_file()]
    if not runs:
        raise InvdesignError(f"{path}: expected a run folder, or a campaign's folder such as results/demo, got neither")
    return runs[-1]


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
