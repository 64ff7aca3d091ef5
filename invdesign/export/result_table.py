"""Tables of results: one row per candidate of a list, or per step of an interpolation.

Both tables use the same headings for the same columns. Headings contain the units, and None is an unknown value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from invdesign.campaign import Step
from invdesign.core import Candidate, D, DesignSpace, Objective
from invdesign.core.capabilities import describe, label

Columns = dict[str, list[Any]]
"""Cells by heading; every column has one cell per row."""

VALUE_KINDS = ("measured", "predicted", "sd of predicted")


def candidate_table(
    candidates: Sequence[Candidate[D]],
    domain: DesignSpace[D],
    objectives: Sequence[Objective],
    *,
    name: str = "candidate",
    is_described: bool = True,
) -> Columns:
    """Return the columns of a list of candidates.

    Args:
        candidates: One row each.
        domain: Writes designs as text and identifies them.
        objectives: `m` objectives with their units.
        name: Prefix of the identifiers in the column `id`; the number of the row follows.
        is_described: Whether the domain identifies the designs, which takes longer than all the rest.

    Returns:
        Cells by heading: `id`, `design`, the domain's identity columns, values, status, density, origin and checks.
    """
    width = len(str(max(len(candidates), 100)))
    columns: Columns = {"id": [f"{name}-{i + 1:0{width}d}" for i in range(len(candidates))]}
    columns |= {"design": design_texts(candidates, domain)}
    if is_described:
        columns |= _without(identity_columns(candidates, domain), columns)
    columns |= value_columns(candidates, objectives)
    columns |= {
        "status": [c.status for c in candidates],
        "reason": [c.reason for c in candidates],
        "plausibility percentile [%]": [c.percentile for c in candidates],
        "log density": [c.log_density for c in candidates],
        "round": [c.round for c in candidates],
        "origin": [c.origin for c in candidates],
        "region": [c.region for c in candidates],
        "parents": ["; ".join(c.parents) for c in candidates],
        "acquisition": [c.acquisition for c in candidates],
    }
    return columns | check_columns(candidates)


def interpolation_table(steps: Sequence[Step[D]], domain: DesignSpace[D], objectives: Sequence[Objective]) -> Columns:
    """Return the columns of an interpolation, one row per step.

    Args:
        steps: Steps of the path, in order; `step.found` is None where the decoder returned no design.
        domain: Writes designs as text and identifies them.
        objectives: `m` objectives with their units.

    Returns:
        Cells by heading: the step, its design, densities of the design and of the proposal, values, status, checks and
        the domain's identity columns. Cells that describe a design are None in a step without one.
    """
    found = [step.found for step in steps]
    columns: Columns = {
        "step": [step.number for step in steps],
        "t": [round(step.t, 6) for step in steps],
        "design": design_texts(found, domain),
        "label": _cells(found, lambda c: label(domain, c.design)),
        "key": _cells(found, lambda c: c.key),
        "repeated": ["yes" if step.is_repeated else "no" for step in steps],
        "distance to proposal": [step.distance for step in steps],
        "log density": _cells(found, lambda c: c.log_density),
        "plausibility percentile [%]": _cells(found, lambda c: c.percentile),
        "log density of proposal": [step.log_density for step in steps],
        "plausibility percentile of proposal [%]": [step.percentile for step in steps],
    }
    columns |= value_columns(found, objectives, kinds=("predicted", "sd of predicted", "measured"))
    columns["status"] = ["nothing decoded" if c is None else _status(c) for c in found]
    columns["reason"] = _cells(found, lambda c: c.reason)
    columns |= check_columns(found)
    return columns | _without(identity_columns(found, domain), columns)


def design_texts(candidates: Sequence[Candidate[D] | None], domain: DesignSpace[D]) -> list[str | None]:
    """Return each design as the text that `domain.from_text` reads; None where there is no candidate."""
    return _cells(candidates, lambda c: domain.to_text(c.design))


def identity_columns(candidates: Sequence[Candidate[D] | None], domain: DesignSpace[D]) -> Columns:
    """Return the columns by which the domain identifies designs (InChIKey, formula, ...).

    Args:
        candidates: One row each; None where there is no design.
        domain: Describes the designs.
    """
    described = describe(domain, [c.design for c in candidates if c is not None])
    columns: Columns = {}
    for heading, values in described.items():
        remaining = iter(values)
        columns[heading] = [None if c is None else next(remaining) for c in candidates]
    return columns


def value_columns(
    candidates: Sequence[Candidate[D] | None],
    objectives: Sequence[Objective],
    *,
    kinds: Sequence[str] = VALUE_KINDS,
) -> Columns:
    """Return measured and predicted values of every objective, e.g. `measured hardness [GPa]`.

    Args:
        candidates: One row each; None where there is no design.
        objectives: `m` objectives with their units.
        kinds: Columns of each objective in their order: `"measured"`, `"predicted"`, `"sd of predicted"`.
    """
    columns: Columns = {}
    for j, objective in enumerate(objectives):
        unit = f" [{objective.unit}]" if objective.unit else ""
        for kind in kinds:
            columns[f"{kind} {objective.name}{unit}"] = [_value(c, kind, j) for c in candidates]
        if isinstance(objective.goal, tuple) and "measured" in kinds:
            columns[f"{objective.name} in window"] = [_in_window(c, objective, j) for c in candidates]
    return columns


def _in_window(candidate: Candidate[Any] | None, objective: Objective, j: int) -> str | None:
    value = _value(candidate, "measured", j)
    is_met = None if value is None else objective.is_met(value)
    return None if is_met is None else "yes" if is_met else "no"


def check_columns(candidates: Sequence[Candidate[D] | None]) -> Columns:
    """Return whether all checks passed, and result and detail of each check.

    Args:
        candidates: One row each; None where there is no design.

    Returns:
        Cells `"passed"` or `"failed"`, an empty text for a check that was not run, None without a design.
    """
    columns: Columns = {"all checks passed": _cells(candidates, lambda c: "yes" if c.is_valid else "no")}
    names = [check.name for c in candidates if c is not None for check in c.checks]
    for name in dict.fromkeys(names):
        cells = [_check_cells(c, name) for c in candidates]
        columns[f"check {name}"] = [result for result, _ in cells]
        columns[f"detail of {name}"] = [detail for _, detail in cells]
    return columns


def _without(columns: Columns, other: Columns) -> Columns:
    """Return the columns whose heading another table does not have."""
    return {heading: cells for heading, cells in columns.items() if heading not in other}


def _cells(candidates: Sequence[Candidate[D] | None], value: Callable[[Candidate[D]], Any]) -> list[Any]:
    """Return one value per candidate, None where there is no candidate."""
    return [None if c is None else value(c) for c in candidates]


def _value(candidate: Candidate[Any] | None, kind: str, j: int) -> float | None:
    """Return a value of the `j`-th property; None where there is none."""
    if candidate is None:
        return None
    values = {"measured": candidate.y, "predicted": candidate.mean, "sd of predicted": candidate.sd}[kind]
    return float(values[j]) if j < len(values) else None


def _check_cells(candidate: Candidate[Any] | None, name: str) -> tuple[str | None, str | None]:
    """Return result and detail of a check."""
    if candidate is None:
        return None, None
    check = {check.name: check for check in candidate.checks}.get(name)
    if check is None:
        return "", ""
    return "passed" if check.passed else "failed", check.detail


def _status(candidate: Candidate[Any]) -> str:
    """Return the status of a design on a path: an interpolation without an oracle leaves designs unmeasured."""
    return "not measured" if candidate.status == "pending" else candidate.status
