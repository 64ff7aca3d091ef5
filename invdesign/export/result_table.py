"""Tables of results: one row per candidate of a list, or per step of an interpolation.

Both tables use the same headings for the same columns. Headings contain the units, and None is an unknown value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

from invdesign.campaign import Step
from invdesign.core import Candidate, D, DesignSpace, Objective, Presentation, ValueKind
from invdesign.core.capabilities import describe, label
from invdesign.core.value_source import KINDS

Columns = dict[str, list[Any]]
"""Cells by heading; every column has one cell per row."""

MAX_DIGITS = {"predicted": 6, "surrogate": 5, "sd": 3, "density": 5, "acquisition": 4}
"""Significant digits of what is calculated; measured values are written as they are."""


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
        Cells by heading: `id`, `name` (where the user gave designs names), the design, values with standard errors and
        censoring, whether all checks passed, the domain's identity columns, status, density, origin and checks. A
        design whose text people do not read has its label beside the `id`.
    """
    width = len(str(max(len(candidates), 100)))
    columns: Columns = {"id": [f"{name}-{i + 1:0{width}d}" for i in range(len(candidates))]}
    if any(c.name for c in candidates):
        columns["name"] = [c.name for c in candidates]
    texts = {"design": design_texts(candidates, domain)}
    if isinstance(domain, Presentation) and texts["design"]:
        labels = [label(domain, c.design) for c in candidates]
        is_short = sum(map(len, labels)) < sum(len(text or "") for text in texts["design"])
        columns |= {"label": labels} if is_short else texts
    else:
        columns |= texts
    columns |= value_columns(candidates, objectives) | _accuracy_columns(candidates, objectives)
    columns |= neighbor_columns(candidates) | _anomaly_column(candidates) | texts
    if is_described:
        columns |= _without(identity_columns(candidates, domain), columns)
    columns |= {
        "status": [_status(c) for c in candidates],
        "reason": [c.reason for c in candidates],
        "plausibility percentile [%]": [round(c.percentile, 1) for c in candidates],
        "log density": [_round(c.log_density, "density") for c in candidates],
        "round": [c.round for c in candidates],
        "origin": [c.origin for c in candidates],
        "region": [c.region for c in candidates],
        "parents": ["; ".join(c.parents) for c in candidates],
        "acquisition": [_round(c.acquisition, "acquisition") for c in candidates],
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
        "log density": _cells(found, lambda c: _round(c.log_density, "density")),
        "plausibility percentile [%]": _cells(found, lambda c: round(c.percentile, 1)),
        "log density of proposal": [_round(step.log_density, "density") for step in steps],
        "plausibility percentile of proposal [%]": [round(step.percentile, 1) for step in steps],
    }
    columns |= value_columns(found, objectives) | _anomaly_column(found)
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


def value_columns(candidates: Sequence[Candidate[D] | None], objectives: Sequence[Objective]) -> Columns:
    """Return the values of every objective, named by what they are, e.g. `measured hardness [GPa]`.

    Values are `measured`, `computed` or `predicted` by the oracle. Those of the surrogate, made before the oracle was
    called, are `predicted` too where the oracle itself does not predict, and `surrogate` where it does; where their
    quantiles are known the ends of the 90 % interval have columns. The standard deviation of an oracle's prediction is
    its error on values that it was not fitted to.

    Args:
        candidates: One row each; None where there is no design.
        objectives: `m` objectives with their units. One with a window has a column that says who lies inside.
    """
    columns: Columns = {}
    for j, objective in enumerate(objectives):
        name = f"{objective.name} [{objective.unit}]" if objective.unit else objective.name
        kinds = {c.value_kind(j) for c in candidates if c is not None and j < len(c.y)}
        for kind in (k for k in KINDS if k in kinds or (k == "measured" and not kinds)):
            columns[_heading(kind, name)] = [_own_value(c, j, kind) for c in candidates]
        surrogate = "predicted"
        if "predicted" in kinds:
            surrogate = "surrogate"
            columns[f"sd of {_heading('predicted', name)}"] = [_error(c, j) for c in candidates]
        if isinstance(objective.goal, tuple):
            columns[f"{objective.name} in window"] = [_in_window(c, j, objective) for c in candidates]
        columns[f"{surrogate} {name}"] = [_surrogate_value(c, "mean", j) for c in candidates]
        columns[f"sd of {surrogate} {name}"] = [_surrogate_value(c, "sd", j) for c in candidates]
        if any(c is not None and c.quantiles for c in candidates):
            intervals = [None if c is None else c.interval(j) for c in candidates]
            for end, title in enumerate(("5 % quantile", "95 % quantile")):
                columns[f"{title} of {surrogate} {name}"] = [
                    None if interval is None else _round(interval[end], "surrogate") for interval in intervals
                ]
    return columns


def _accuracy_columns(candidates: Sequence[Candidate[D]], objectives: Sequence[Objective]) -> Columns:
    """Return standard errors and censoring (`>` or `<`) of measured values, of the objectives that have any."""
    columns: Columns = {}
    for j, objective in enumerate(objectives):
        unit = f" [{objective.unit}]" if objective.unit else ""
        errors = [c.error[j] if j < len(c.error) else None for c in candidates]
        marks = [{1: ">", -1: "<"}.get(c.bound[j], "") if j < len(c.bound) else "" for c in candidates]
        if any(error == error and error is not None for error in errors):
            columns[f"standard error of measured {objective.name}{unit}"] = errors
        if any(marks):
            columns[f"censoring of {objective.name}"] = marks
    return columns


def neighbor_columns(candidates: Sequence[Candidate[D]]) -> Columns:
    """Return the nearest known design of each candidate, and how near it is; none where it was not looked for."""
    if not any(c.nearest for c in candidates):
        return {}
    return {
        "nearest known design": [c.nearest.label if c.nearest else None for c in candidates],
        "similarity": [c.nearest.similarity if c.nearest else None for c in candidates],
        "nearest is in": [c.nearest.group if c.nearest else None for c in candidates],
    }


def _anomaly_column(candidates: Sequence[Candidate[D] | None]) -> Columns:
    """Return the p-value of the audit of each candidate; no column where none was audited."""
    p_values = [None if c is None else c.anomaly_p for c in candidates]
    if all(p is None for p in p_values):
        return {}
    return {"anomaly_p": [None if p is None else _round(p, "sd") for p in p_values]}


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


def _own_value(candidate: Candidate[Any] | None, j: int, kind: ValueKind) -> float | None:
    """Return the `j`-th property; None where it is of another kind or there is none."""
    if candidate is None or j >= len(candidate.y) or candidate.value_kind(j) != kind:
        return None
    value = float(candidate.y[j])
    return value if kind == "measured" else _round(value, "predicted")


def _error(candidate: Candidate[Any] | None, j: int) -> float | None:
    """Return the error of the `j`-th property where the oracle predicted it."""
    if candidate is None or j >= len(candidate.y) or candidate.value_kind(j) != "predicted":
        return None
    return _round(candidate.value_error(j), "sd")


def _surrogate_value(candidate: Candidate[Any] | None, field: Literal["mean", "sd"], j: int) -> float | None:
    """Return the surrogate's prediction of the `j`-th property or its standard deviation; None where there is none."""
    values: tuple[float, ...] = () if candidate is None else getattr(candidate, field)
    return _round(float(values[j]), "surrogate" if field == "mean" else "sd") if j < len(values) else None


def _in_window(candidate: Candidate[Any] | None, j: int, objective: Objective) -> str | None:
    if candidate is None or j >= len(candidate.y) or not math.isfinite(candidate.y[j]):
        return None
    return "yes" if objective.is_inside(candidate.y[j]) else "no"


def _round(value: float, kind: str) -> float:
    """Return a value with the significant digits of its kind."""
    return float(f"{value:.{MAX_DIGITS[kind]}g}")


def _check_cells(candidate: Candidate[Any] | None, name: str) -> tuple[str | None, str | None]:
    """Return result and detail of a check."""
    if candidate is None:
        return None, None
    check = {check.name: check for check in candidate.checks}.get(name)
    if check is None:
        return "", ""
    return "passed" if check.passed else "failed", check.detail


def _heading(kind: ValueKind, name: str) -> str:
    """Return the heading of an oracle's values; a property that is named by what its values are keeps its name."""
    return name if name.startswith((f"{kind}_", f"{kind} ")) else f"{kind} {name}"


def _status(candidate: Candidate[Any]) -> str:
    """Return the status of a design; a value that no laboratory measured is not called measured.

    An interpolation without an oracle leaves designs unmeasured.
    """
    if candidate.status == "measured":
        kinds = {candidate.value_kind(j) for j in range(len(candidate.y))}
        return next((kind for kind in reversed(KINDS) if kind in kinds), "measured")
    return "not measured" if candidate.status == "pending" else candidate.status
