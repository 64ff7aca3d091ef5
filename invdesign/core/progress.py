"""The progress callback."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with `(stage, done, total)`; library code never prints."""


def silent(stage: str, done: int, total: int) -> None:
    """Ignore progress."""
