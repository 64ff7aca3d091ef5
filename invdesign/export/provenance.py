"""Provenance: the code and the package versions that produced a file."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

from invdesign.io.clock import now

PACKAGES = (
    "invdesign", "torch", "gpytorch", "botorch", "numpy", "scipy", "scikit-learn", "pandas", "rdkit", "selfies",
    "pymatgen", "spglib", "hydra-core", "omegaconf", "safetensors", "jinja2", "plotly", "umap-learn", "pebble",
)  # fmt: skip
PACKAGE_FOLDER = Path(__file__).parents[1]


def provenance() -> dict[str, Any]:
    """Return the provenance of what is written now.

    Returns:
        `made` (UTC time), `commit` (see `git_commit`), `python`, `platform`, and `versions` of the installed packages
        by name; a package that is not installed is left out.

    Example:
        >>> provenance()["versions"]["torch"] is not None
        True
    """
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "made": now(),
        "commit": git_commit(PACKAGE_FOLDER),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": versions,
    }


def git_commit(folder: Path) -> str | None:
    """Return the git commit of the checkout that contains a package.

    Args:
        folder: Folder of the package; a checkout has its `.git` beside it.

    Returns:
        The commit, followed by ` (with changes)` if tracked files differ from it; None outside a checkout or if git
        fails.
    """
    if not (folder.parent / ".git").exists():
        return None
    try:
        head = _git(folder, "rev-parse", "HEAD")
        changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return head + (" (with changes)" if changes else "")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
