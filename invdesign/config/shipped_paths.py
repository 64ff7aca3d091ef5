"""Where the shipped files lie: in the checkout, else in the installed package."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def shipped(what: Literal["conf", "campaigns"]) -> Path:
    """The folder of the shipped groups or campaigns.

    A checkout's own is preferred: an editable install copies it once, and the copy goes stale.
    """
    package = Path(__file__).resolve().parent.parent
    checkout = package.parent / what
    if (package.parent / "pyproject.toml").is_file() and checkout.is_dir():
        return checkout
    return package / what
