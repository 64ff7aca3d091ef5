"""Provenance: which code made a file, on what."""

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


def provenance() -> dict[str, Any]:
    """Which code made this, on what: time, commit, versions."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "made": now(),
        "commit": commit(Path(__file__).parent),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": versions,
    }


def commit(folder: Path) -> str | None:
    """The git commit of the checkout that holds this package, marked where files differ from it; None without one."""
    if not (folder.parent / ".git").exists():
        return None
    try:
        head = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return head + (" (with changes)" if changed else "")


def _git(folder: Path, *words: str) -> str:
    answer = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=True)
    return answer.stdout.strip()
