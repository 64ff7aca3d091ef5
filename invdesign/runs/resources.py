"""What a run needs besides its folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from invdesign.core import MakeExecutor, Progress, silent
from invdesign.execution.in_process import InProcess


@dataclass(frozen=True)
class Resources:
    """Where a run keeps and takes what it needs besides its folder."""

    cache: Path = field(default_factory=lambda: platformdirs.user_cache_path("invdesign"))
    """Folder of models, encoded corpora and downloads, shared by all runs."""
    executor: MakeExecutor = InProcess
    """Opens the place where the oracle runs."""
    progress: Progress = silent
    """Called with `(stage, done, total)`."""
    baselines: Path | None = None
    """Folder of random searches that runs share; None where each run measures its own."""
    by: str = ""
    """Who or what works on the run, for its record; by default the user and the host."""
