"""Statements on the measured values that a command reads."""

from __future__ import annotations

import logging
from typing import Any

from invdesign.core import Corpus, describe_usage

logger = logging.getLogger(__name__)


def log_usage(corpus: Corpus[Any] | None) -> None:
    """Log how many measured values of a corpus are used, and why the others are not; nothing without such values."""
    for line in describe_usage(corpus.usage, source=corpus.name) if corpus is not None else ():
        logger.warning("%s", line)
