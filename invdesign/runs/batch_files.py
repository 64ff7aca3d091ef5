"""Files of the open batch: a table to fill in, the domain's own formats beside it, and the campaign's deliverables."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from invdesign.campaign import Campaign, State
from invdesign.core import Candidate, D, DesignSpace, InvdesignError, Objective
from invdesign.export.candidates import write_deliverables, write_formats
from invdesign.export.result_table import Columns, candidate_table
from invdesign.io.cells import plain_cell
from invdesign.io.csv_records import detect_delimiter
from invdesign.io.design_tables import table_text
from invdesign.io.tables import write_table
from invdesign.ledger.tables import design_id
from invdesign.runs.audits import with_anomalies

FAILURE = "failure"
"""Heading under which a laboratory writes why a measurement failed."""
NOTE = "note"
"""Heading of its remarks."""
LEFT_OUT = ("status", "reason", "log density", "round", "region")
"""Columns of a list of candidates that a batch to measure does not need."""


@dataclass(frozen=True)
class BatchFiles:
    """Files of the open batch."""

    files: tuple[Path, ...]
    """The tables, then the domain's own formats, then deliverables."""
    warnings: tuple[str, ...] = ()
    """Formats and deliverables that could not be written, and tables that were left as they are."""


def identifiers(state: State[Any]) -> dict[str, str]:
    """Return the identifier of every design of a run by its key: its number in the order of selection.

    A substitute has the identifier of the design that it was made for. Identifiers never change.
    """
    return {key: design_id(number) for number, key in enumerate(state.selected, start=1)}


def value_heading(objective: Objective) -> str:
    """Return the heading of an objective's values."""
    return f"{objective.name} [{objective.unit}]" if objective.unit else objective.name


def batch_table(
    candidates: Sequence[Candidate[D]],
    names: Mapping[str, str],
    domain: DesignSpace[D],
    objectives: Sequence[Objective],
) -> Columns:
    """Return the columns of a batch: what the designs are, empty cells for the results, and why they were selected.

    Args:
        candidates: One row each.
        names: Identifier of each key.
        domain: Writes designs as text and identifies them.
        objectives: `m` objectives with their units.
    """
    known = candidate_table(candidates, domain, objectives)
    values = [heading for heading in known if heading.startswith(("measured ", "standard error of ", "censoring of "))]
    kept = {heading: cells for heading, cells in known.items() if heading not in (*values, *LEFT_OUT)}
    kept["id"] = [names[c.key] for c in candidates]
    first = next(heading for heading in kept if heading.startswith("predicted "))
    place = list(kept).index(first)
    empty: Columns = {heading: [None] * len(candidates) for heading in _result_headings(objectives)}
    items = list(kept.items())
    return {**dict(items[:place]), **empty, **dict(items[place:])}


def write_batch(
    state: State[D], campaign: Campaign[D, Any], folder: Path, *, p_values: Mapping[str, float] | None = None
) -> BatchFiles:
    """Write the open designs into `batch-NNN.csv` and the domain's formats; NNN is the round of the batch.

    The campaign's deliverables (plate maps, orders) are written into the folder `batch-NNN`; their identifiers end
    with those of the run.

    A table into which somebody wrote is never written again: designs that it does not contain are written into a
    further table `batch-NNN-2.csv`.

    Args:
        state: State of the run.
        campaign: The campaign.
        folder: Folder of the run.
        p_values: p-values of the audit by key, where designs were audited.

    Raises:
        InvdesignError: The folder cannot be written.
    """
    if not state.open:
        return BatchFiles(())
    domain, objectives = campaign.domain, campaign.objectives
    names = identifiers(state)
    opened = with_anomalies(state.open, p_values or {})
    stem = f"batch-{min(c.round for c in state.pending):03d}"
    tables: list[Path] = []
    warnings: list[str] = []
    left = list(opened)
    number = 1
    while left:
        path = folder / (f"{stem}.csv" if number == 1 else f"{stem}-{number}.csv")
        number += 1
        entered = _entered(path, objectives)
        if entered is None:
            write_table(batch_table(left, names, domain, objectives), path)
            left = []
        else:
            warnings.append(f"{path} contains entries, so it was left as it is")
            left = [c for c in left if names[c.key] not in entered]
        tables.append(path)
    columns = batch_table(opened, names, domain, objectives)
    empty = _result_headings(objectives)
    columns = {heading: cells for heading, cells in columns.items() if heading not in empty}
    more, failed = write_formats(opened, domain, columns, folder / stem)
    named = [replace(c, name=names[c.key]) for c in opened]
    delivered, failures = write_deliverables(named, folder / stem, campaign.output.deliverables)
    files = (*tables, *more, *(path for paths in delivered.values() for path in paths))
    return BatchFiles(files, (*warnings, *failed, *failures))


def _result_headings(objectives: Sequence[Objective]) -> list[str]:
    return [*(value_heading(objective) for objective in objectives), FAILURE, NOTE]


def _entered(path: Path, objectives: Sequence[Objective]) -> frozenset[str] | None:
    """Return the identifiers in a table into which somebody wrote; None for one that may be written again."""
    if not path.exists():
        return None
    try:
        text = table_text(path)
        rows = list(csv.reader(io.StringIO(text), delimiter=detect_delimiter(text)))
    except (InvdesignError, csv.Error):
        return frozenset()
    header = rows[0] if rows else []
    own = _result_headings(objectives)
    if "id" not in header:
        return frozenset()
    if any(heading not in header for heading in own):
        own = header
    places = [header.index(heading) for heading in own]
    is_filled = any(i >= len(row) or row[i].strip() for row in rows[1:] for i in places)
    ids = header.index("id")
    return frozenset(plain_cell(row[ids]) for row in rows[1:] if ids < len(row)) if is_filled else None
