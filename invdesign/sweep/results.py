"""Results of a sweep: what its runs measured, as tables and as one page that compares them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from invdesign.core import GIVEN, Array, Objective
from invdesign.core.errors import InvdesignError
from invdesign.io.atomic import write_atomically
from invdesign.io.tables import read_table, write_table
from invdesign.ledger.summary import Entry, summarize
from invdesign.report.comparison import Comparison, RunResult
from invdesign.report.comparison_page import Facts, write_comparison
from invdesign.runs import folders
from invdesign.runs.quick_status import combination, objectives_of
from invdesign.sweep.index import Index, Job

REPORT = "report.html"


@dataclass(frozen=True)
class Written:
    """What a comparison wrote."""

    page: Path
    """The page."""
    tables: tuple[Path, ...]
    """The tables."""
    reference: str
    """The setting that the others are compared with."""


def compare(index: Index) -> Comparison:
    """Return the finished runs of a sweep as a comparison.

    Raises:
        InvdesignError: No run is finished, or the runs have different objectives.
    """
    done = [job for job in index.jobs() if job.state == "done"]
    if not done:
        raise InvdesignError(f"{index.folder}: expected a finished run to compare, got none yet. Wait for one")
    configs = [folders.read_config(index.folder_of(job)) for job in done]
    objectives = objectives_of(configs[0].config)
    for job, config in zip(done, configs, strict=True):
        if objectives_of(config.config) != objectives:
            raise InvdesignError(
                f"{index.folder}: expected runs with the same objectives, got others in {job.folder_name}. "
                "Vary only settings of the search"
            )
    runs = [_result(index, job, objectives) for job in done]
    return Comparison(index.about()["name"], objectives, runs, combine=combination(configs[0]))


def write_results(index: Index, *, reference: str = "", out: Path | None = None) -> Written:
    """Write the comparison of a sweep: a page, and its tables as .csv and, where pyarrow is installed, as Parquet.

    Args:
        index: The sweep.
        reference: Setting that the others are compared with, e.g. `search.acquire.beta=4`; by default the first one.
        out: Folder; by default that of the sweep.

    Raises:
        InvdesignError: No run is finished, there is no such setting, or the folder cannot be written.
    """
    comparison = compare(index)
    if reference and reference not in comparison.settings:
        known = "; ".join(list(comparison.settings)[:20])
        raise InvdesignError(f"--reference: expected one of the settings, got {reference!r}. They are {known}")
    reference = reference or next(iter(comparison.settings))
    folder = out or index.folder
    tables = {
        "runs": comparison.table,
        "curves": _curve_rows(comparison),
        "settings": _setting_rows(comparison, reference),
        "candidates": comparison.union(),
    }
    written = [path for name, rows in tables.items() for path in _write_rows(rows, folder / name)]
    about = index.about()
    unfinished = [f"{j.folder_name} ({j.label}): {j.state} {j.reason}" for j in index.jobs() if j.state != "done"]
    facts = Facts(about["command"], about["version"], unfinished=unfinished)
    page = write_comparison(comparison, folder / REPORT, reference=reference, facts=facts)
    return Written(page, tuple(written), reference)


def _result(index: Index, job: Job, objectives: Sequence[Objective]) -> RunResult:
    folder = index.folder_of(job)
    summary = json.loads((folder / folders.FINISHED).read_text(encoding="utf-8"))
    given, Y = read_properties(folder, len(objectives))
    figures = {"candidates": len(summary["shortlist"]), "seconds": job.seconds, **summary.get("quality", {})}
    return RunResult(
        job.folder_name,
        job.setting,
        job.seed,
        Y,
        given,
        figures,
        _shortlist(folder, summary["shortlist"]),
    )


def _shortlist(folder: Path, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the shortlist of a run with the full texts of its designs, which its table of candidates has."""
    path = folder / "candidates.csv"
    texts = read_table(path).get("design", []) if path.is_file() else []
    if len(texts) != len(rows):
        return [dict(row) for row in rows]
    return [{**row, "text": text} for row, text in zip(rows, texts, strict=True)]


def read_properties(folder: Path, m: int) -> tuple[Array, Array]:
    """Return the `k x m` properties that were known before the first oracle call of a run, and `n x m` of its calls.

    Raises:
        InvdesignError: The run has no ledger, or it cannot be read.
    """
    entries = [entry for entry in summarize(folder / folders.LEDGER).entries if entry.status != "pending"]
    is_given = [entry.origin == GIVEN for entry in entries]
    Y = _properties(entries, m)
    return Y[is_given], Y[np.logical_not(is_given)]


def _properties(entries: Sequence[Entry], m: int) -> Array:
    rows = [e.outcome.y if e.status == "measured" and len(e.outcome.y) == m else (np.nan,) * m for e in entries]
    return np.array(rows, dtype=np.float64).reshape(-1, m)


def _curve_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the best value after each oracle call of each run, where it changes, and at the end."""
    rows = []
    for run, curve in zip(comparison.runs, comparison.curves, strict=True):
        for i, value in enumerate(curve):
            if i in (0, len(curve) - 1) or value != curve[i - 1]:
                rows.append({"run": run.name, **run.setting, "seed": run.seed, "call": i + 1, "best": float(value)})
    return rows


def _setting_rows(comparison: Comparison, reference: str) -> list[dict[str, Any]]:
    """Return a row for each setting and figure: mean, and the difference from the reference with its interval."""
    rows = []
    for label in comparison.ranked():
        for metric in comparison.metrics:
            values = list(comparison.values(metric.name, label).values())
            difference = comparison.difference(metric, label, reference)
            rows.append(
                {
                    "setting": label,
                    "figure": metric.name,
                    "mean": float(np.mean(values)) if values else None,
                    "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
                    "n": len(values),
                    "difference": difference.mean,
                    "low": difference.low,
                    "high": difference.high,
                    "verdict": difference.verdict,
                }
            )
    return rows


def _write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> list[Path]:
    """Write rows as .csv and, where pyarrow is installed, as Parquet."""
    headings = list(dict.fromkeys(heading for row in rows for heading in row))
    columns = {heading: [row.get(heading) for row in rows] for heading in headings}
    written = [write_table(columns, path.with_suffix(".csv"))]
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        return written
    table = arrow.table(columns)
    return [*written, write_atomically(path.with_suffix(".parquet"), lambda file: parquet.write_table(table, file))]
