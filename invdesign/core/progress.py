"""The progress callback."""

from __future__ import annotations

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)
Progress = Callable[[str, int, int], None]
"""Called with `(stage, done, total)`; library code never prints."""


def silent(stage: str, done: int, total: int) -> None:
    """Ignore progress."""


def guarded(progress: Progress) -> Progress:
    """Return a callback that cannot stop a run: its first error is a warning in the log, and it is not called again.

    Example:
        >>> guarded(silent)("round 1", 0, 10)
    """
    is_broken = False

    def report(stage: str, done: int, total: int) -> None:
        nonlocal is_broken
        if is_broken:
            return
        try:
            progress(stage, done, total)
        except Exception as error:  # whatever a callback of the user's raises
            is_broken = True
            logger.warning("progress is no longer reported (%s: %s); the run goes on", type(error).__name__, error)

    return report
