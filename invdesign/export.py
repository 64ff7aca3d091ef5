"""Candidate lists for people who make things: a table, the domain's own files, and a manifest of their origin."""

from __future__ import annotations

import csv
import importlib.metadata
import json
import math
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invdesign.core import B, Candidate, D, Domain, InvdesignError, Objective
from invdesign.ledger import sha256_of, to_plain, write_atomically
from invdesign.ledger.files import now

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
PACKAGES = (
    "invdesign", "torch", "gpytorch", "botorch", "numpy", "scipy", "scikit-learn", "pandas", "rdkit", "selfies",
    "pymatgen", "spglib", "hydra-core", "omegaconf", "safetensors", "jinja2", "plotly", "umap-learn", "pebble",
)  # fmt: skip


@dataclass(frozen=True)
class Exported:
    """The files of an export, the table first and the manifest last, and what could not be written and why."""

    files: tuple[Path, ...]
    warnings: tuple[str, ...] = ()


def export(
    candidates: Sequence[Candidate[D]],
    domain: Domain[D, B],
    objectives: Sequence[Objective],
    folder: Path,
    *,
    name: str = "candidates",
    history: Sequence[Candidate[D]] = (),
    run: Mapping[str, Any] | None = None,
    formats: Sequence[str] | None = None,
) -> Exported:
    """Write a shortlist as a table and in every format of its domain, with a manifest.

    Each file is whole or absent. A format that fails is left out and named; the table is always written.

    Args:
        candidates: best first; their place in this order is their id.
        domain: writes its own formats and identifies designs.
        objectives: `m`, with their units.
        folder: made where it does not exist.
        name: of the files.
        history: every evaluated design, for a second table `evaluated.csv`; none is written where empty.
        run: what is known of the run, for the manifest: config, seed, command, checksums of data and model.
        formats: suffixes to write instead of all those of the domain.

    Raises:
        InvdesignError: the folder cannot be written.
    """
    folder = Path(folder)
    columns = table(candidates, domain, objectives, name=name)
    files = [write_table(columns, folder / f"{name}.csv")]
    warnings: list[str] = []
    for suffix in domain.formats if formats is None else formats:
        if suffix == ".csv" or not candidates:
            continue
        named = {heading: cells for heading, cells in columns.items() if heading != "design"}
        designs = [c.design for c in candidates]
        try:
            path = write_atomically(folder / f"{name}{suffix}", lambda p: domain.write(designs, p, columns=named))  # noqa: B023
        except Exception as error:  # a domain is a plug-in, and the other formats are of use without this one
            warnings.append(f"{name}{suffix} was not written: {type(error).__name__}: {error}")
        else:
            files.append(path)
    if history:
        files.append(write_table(table(history, domain, objectives), folder / "evaluated.csv"))
    about = {
        **provenance(),
        "objectives": to_plain(list(objectives)),
        "run": to_plain(run or {}),
        "n_candidates": len(candidates),
        "warnings": warnings,
        "files": {path.name: {"sha256": sha256_of(path), "bytes": path.stat().st_size} for path in files},
    }
    text = json.dumps(about, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    files.append(write_atomically(folder / "manifest.json", lambda path: path.write_text(text, encoding="utf-8")))
    return Exported(tuple(files), tuple(warnings))


def table(
    candidates: Sequence[Candidate[D]],
    domain: Domain[D, B],
    objectives: Sequence[Objective],
    *,
    name: str = "candidate",
) -> dict[str, list[Any]]:
    """The columns of a candidate list, by heading; units stand in the headings.

    Args:
        candidates: one row each.
        domain: identifies designs.
        objectives: `m`, with their units.
        name: ids are this name and the row's number.
    """
    width = len(str(max(len(candidates), 100)))
    columns: dict[str, list[Any]] = {
        "id": [f"{name}-{i + 1:0{width}d}" for i in range(len(candidates))],
        "design": [domain.to_text(c.design) for c in candidates],
    }
    for heading, cells in domain.describe([c.design for c in candidates]).items():
        columns.setdefault(heading, list(cells))
    for j, objective in enumerate(objectives):
        unit = f" [{objective.unit}]" if objective.unit else ""
        columns[f"measured {objective.name}{unit}"] = [_at(c.y, j) for c in candidates]
        columns[f"predicted {objective.name}{unit}"] = [_at(c.mean, j) for c in candidates]
        columns[f"sd of predicted {objective.name}{unit}"] = [_at(c.sd, j) for c in candidates]
    columns |= {
        "status": [c.status for c in candidates],
        "reason": [c.reason for c in candidates],
        "density percentile [%]": [c.percentile for c in candidates],
        "log density": [c.log_density for c in candidates],
        "round": [c.round for c in candidates],
        "origin": [c.origin for c in candidates],
        "region": [c.region for c in candidates],
        "parents": ["; ".join(c.parents) for c in candidates],
        "acquisition": [c.acquisition for c in candidates],
        "all checks passed": ["yes" if c.is_valid else "no" for c in candidates],
    }
    for check in dict.fromkeys(check.name for c in candidates for check in c.checks):
        found = [{k.name: k for k in c.checks}.get(check) for c in candidates]
        columns[f"check {check}"] = ["" if k is None else "passed" if k.passed else "failed" for k in found]
        columns[f"detail of {check}"] = ["" if k is None else k.detail for k in found]
    return columns


def write_table(columns: Mapping[str, Sequence[Any]], path: Path) -> Path:
    """Write columns as a .csv that a spreadsheet takes for what it is; `read_table` gives back the same texts."""

    def write(beside: Path) -> None:
        with beside.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow([safe_cell(heading) for heading in columns])
            rows.writerows([safe_cell(cell) for cell in row] for row in zip(*columns.values(), strict=True))

    return write_atomically(path, write)


def read_table(path: Path) -> dict[str, list[str]]:
    """The columns of a table that `write_table` wrote, as texts; empty cells are unknown values.

    Raises:
        InvdesignError: a row has another number of cells than the heading.
    """
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        rows = [[plain_cell(cell) for cell in row] for row in csv.reader(file)]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise InvdesignError(
                f"{path}, row {number}: expected {len(rows[0])} cells as in the heading, got {len(row)}; mend the row"
            )
    return {heading: [row[j] for row in rows[1:]] for j, heading in enumerate(rows[0])} if rows else {}


def safe_cell(value: Any) -> str:
    """A cell that no spreadsheet takes for a formula: text that could start one is led by an apostrophe.

    Numbers stay what they are, negative ones and those written as text too; NaN and None are empty.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    text = repr(float(value)) if isinstance(value, float) else str(value)
    is_formula = text.startswith(FORMULA_STARTS) and not NUMBER.fullmatch(text) and not isinstance(value, float)
    return f"'{text}" if is_formula or text.startswith("'") else text


def plain_cell(text: str) -> str:
    """What `safe_cell` was given, as text."""
    return text.removeprefix("'")


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


def _at(values: Sequence[float], j: int) -> float | None:
    return float(values[j]) if j < len(values) else None
