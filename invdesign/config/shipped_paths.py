"""Folders of the shipped files: those of the checkout, otherwise those of the installed package."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def shipped(what: Literal["conf", "campaigns"]) -> Path:
    """Return the folder of the shipped groups or campaigns.

    The folder of a checkout is preferred: an editable install copies it once, and the copy becomes outdated.

    Args:
        what: `"conf"` for the groups, `"campaigns"` for the campaigns.
    """
    package = Path(__file__).resolve().parent.parent
    checkout = package.parent / what
    if (package.parent / "pyproject.toml").is_file() and checkout.is_dir():
        return checkout
    return package / what
