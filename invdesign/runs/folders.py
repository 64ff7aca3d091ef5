"""Run folders: where a run lives, which one a command goes on with, and what is written there first."""

from __future__ import annotations

import hashlib
import json
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from invdesign import __version__
from invdesign.core import InvdesignError

LEDGER = "ledger.sqlite"
BASELINE = "baseline.sqlite"
CONFIG = "config.json"
FINISHED = "finished.json"


@dataclass(frozen=True)
class Run:
    """A run folder, and whether it stood before this command."""

    folder: Path
    is_resumed: bool

    @property
    def is_finished(self) -> bool:
        """Whether its budget was spent and its lists were written."""
        return (self.folder / FINISHED).is_file()


def digest(name: str, config: Mapping[str, Any]) -> str:
    """8 hexadecimal digits that stand for a configuration."""
    text = json.dumps({"name": name, "config": config}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def find_or_make(results: Path, name: str, config: Mapping[str, Any], *, fresh: bool = False) -> Run:
    """The newest unfinished run of this very configuration, else a new folder `<results>/<name>/<UTC time>-<digest>`.

    Args:
        results: where runs are kept.
        name: of the campaign.
        config: composed, plain.
        fresh: make a new one in any case.

    Raises:
        InvdesignError: the folder cannot be written.
    """
    from invdesign.io.atomic import probe

    code = digest(name, config)
    unfinished = [run for run in known(results / name) if run.folder.name.endswith(f"-{code}") and not run.is_finished]
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
            raise InvdesignError(f"{folder}: cannot be made ({error.strerror}); choose another --results") from error
        return Run(folder, is_resumed=False)


def existing(path: str | Path) -> Run:
    """A run by its folder, or the newest one of a campaign's folder.

    Raises:
        InvdesignError: there is none.
    """
    folder = Path(path)
    if (folder / CONFIG).is_file():
        return Run(folder, is_resumed=True)
    runs = [run for run in known(folder) if (run.folder / CONFIG).is_file()]
    if not runs:
        raise InvdesignError(f"{path}: no run lies there; expected a folder such as results/demo or one of those in it")
    return runs[-1]


def known(folder: Path) -> list[Run]:
    """The runs of a campaign's folder, oldest first."""
    if not folder.is_dir():
        return []
    return [
        Run(p, is_resumed=True)
        for p in sorted(folder.iterdir())
        if p.is_dir() and "-" in p.name and p.name[:8].isdigit()
    ]


def write_config(run: Run, name: str, config: Mapping[str, Any], *, campaign: str | None, allow: list[str]) -> None:
    """Write down what a run was begun with, unless it stands there already."""
    if (run.folder / CONFIG).is_file():
        return
    content = {
        "name": name,
        "config": config,
        "command": shlex.join(["invdesign", *sys.argv[1:]]),
        "campaign": campaign,
        "allow": allow,
        "version": __version__,
    }
    _write_json(run.folder / CONFIG, content)


def read_config(run: Run) -> dict[str, Any]:
    """What a run was begun with.

    Raises:
        InvdesignError: the file is damaged.
    """
    path = run.folder / CONFIG
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content["config"], dict) and isinstance(content["name"], str):
            return dict(content)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise InvdesignError(f"{path}: damaged; give the campaign's file beside --resume {run.folder}")


def finish(run: Run, summary: Mapping[str, Any]) -> None:
    """Mark a run as finished."""
    _write_json(run.folder / FINISHED, summary)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    from invdesign.io.atomic import write_atomically

    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    write_atomically(path, lambda beside: beside.write_text(text, encoding="utf-8"))
