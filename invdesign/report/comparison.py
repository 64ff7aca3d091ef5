"""Comparison of several runs: curves, figures of merit, and differences with intervals over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from invdesign.campaign import State
from invdesign.core import Array, Combine, Objective, rank, utilities
from invdesign.report.data import ReportData, Score, best_so_far, score

N_RESAMPLES = 4000
LEVEL = 0.95
"""Level of the intervals."""
MIN_SEEDS = 3
"""Seeds below which no interval is stated."""
Verdict = Literal["better", "worse", "no difference shown", "too few seeds", "reference"]


@dataclass(frozen=True, eq=False)
class RunResult:
    """Results of one run."""

    name: str
    """Name of its folder."""
    setting: Mapping[str, str]
    """Its values of the settings that vary."""
    seed: int | None
    """Its seed."""
    Y: Array
    """`n x m` properties of its oracle calls in their order, NaN where not measured."""
    given: Array
    """`k x m` properties that were known before its first call."""
    figures: Mapping[str, float | None] = field(default_factory=dict)
    """Further figures: candidates, validity, novelty, diversity, seconds."""
    shortlist: Sequence[Mapping[str, Any]] = ()
    """Rows of its shortlist, best first: the design, its full text where that is another one, and its properties."""

    @property
    def label(self) -> str:
        """Its setting for people."""
        return " ".join(f"{key}={value}" for key, value in self.setting.items()) or "as the campaign"


@dataclass(frozen=True)
class Metric:
    """A figure of merit of a run."""

    name: str
    """Column of the tables."""
    title: str
    """Name for people."""
    more_is_better: bool | None
    """Whether a larger number is better; None for a figure without a direction."""


@dataclass(frozen=True)
class Difference:
    """Difference of a setting from the reference, over the seeds that both have."""

    mean: float
    """Mean of the paired differences; positive where the setting is larger."""
    low: float
    """Lower end of the interval; NaN where there are too few seeds."""
    high: float
    """Upper end."""
    n: int
    """Number of seeds."""
    verdict: Verdict
    """What it shows."""


@dataclass(frozen=True)
class Importance:
    """Share of the variance of a figure of merit that a setting explains by itself."""

    key: str
    """The setting; `interactions` and `seeds` for what is left."""
    share: float
    """Share of the variance, from 0 to 1."""


class Comparison:
    """Runs of one campaign with different settings."""

    def __init__(
        self, name: str, objectives: Sequence[Objective], runs: Sequence[RunResult], *, combine: Combine = "pareto"
    ) -> None:
        """Compute the curves of all runs; hypervolumes are shares of the box that all of them span."""
        self.name = name
        self.objectives = tuple(objectives)
        self.runs = tuple(runs)
        self.combine = combine
        none = np.zeros((0, len(objectives)))
        everything = np.concatenate([none, *(part for run in runs for part in (run.given, run.Y))])
        data = _data(objectives, everything, combine)
        self.score: Score = score(data)
        self.curves = [best_so_far(data, np.concatenate([run.given, run.Y]))[len(run.given) :] for run in runs]
        self.settings: dict[str, list[int]] = {}
        for i, run in enumerate(self.runs):
            self.settings.setdefault(run.label, []).append(i)
        self.metrics = _metrics(self.score)
        self.table = [_row(run, curve) for run, curve in zip(self.runs, self.curves, strict=True)]
        """One row for each run: its setting, seed and figures."""
        self._differences: dict[tuple[str, str, str], Difference] = {}

    def values(self, metric: str, label: str) -> dict[Any, float]:
        """Return a figure of the runs of a setting by seed; a run without a seed has its position."""
        found = {}
        for position, i in enumerate(self.settings[label]):
            value = self.table[i][metric]
            if value is not None and math.isfinite(value):
                found[position if self.runs[i].seed is None else self.runs[i].seed] = float(value)
        return found

    def ranked(self, metric: str = "auc") -> list[str]:
        """Return the settings by their mean, best first; those without a value last."""

        def key(label: str) -> float:
            values = list(self.values(metric, label).values())
            mean = float(np.mean(values)) if values else math.nan
            return math.inf if math.isnan(mean) else (-mean if self.score.more_is_better else mean)

        return sorted(self.settings, key=key)

    def difference(self, metric: Metric, label: str, reference: str) -> Difference:
        """Return the paired difference of a setting from the reference with its bootstrap interval over seeds."""
        key = (metric.name, label, reference)
        if key not in self._differences:
            self._differences[key] = self._difference(metric, label, reference)
        return self._differences[key]

    def _difference(self, metric: Metric, label: str, reference: str) -> Difference:
        ours, theirs = self.values(metric.name, label), self.values(metric.name, reference)
        d = np.array([ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys(), key=str)])
        if label == reference:
            return Difference(0.0, math.nan, math.nan, len(d), "reference")
        return paired_difference(d, metric)

    def importance(self, metric: str = "auc") -> list[Importance]:
        """Return the share of the variance that each varied setting explains, corrected for noise (epsilon squared).

        What is left is split into interactions of settings and differences between seeds of one setting.
        """
        rows = [row for row in self.table if row[metric] is not None and math.isfinite(row[metric])]
        keys = [key for key in (self.runs[0].setting if self.runs else ()) if len({row[key] for row in rows}) > 1]
        y = np.array([row[metric] for row in rows], dtype=np.float64)
        total = float(((y - y.mean()) ** 2).sum()) if len(y) else 0.0
        if total <= 0 or not keys:
            return []
        within, n_within = _within([tuple(row[key] for key in self.runs[0].setting) for row in rows], y)
        noise = within / n_within if n_within else 0.0
        shares = []
        for key in keys:
            levels = [row[key] for row in rows]
            between = total - _within([(level,) for level in levels], y)[0]
            shares.append(Importance(key, max(0.0, (between - noise * (len(set(levels)) - 1)) / total)))
        rest = max(0.0, 1 - within / total - sum(item.share for item in shares))
        ordered = sorted(shares, key=lambda item: -item.share)
        return [*ordered, Importance("interactions", rest), Importance("seeds", within / total)]

    def union(self) -> list[dict[str, Any]]:
        """Return the designs of all shortlists once each, best first, with the runs that found them."""
        found: dict[str, dict[str, Any]] = {}
        for run in self.runs:
            for row in run.shortlist:
                known = found.setdefault(str(row.get("text", row["design"])), {**row, "runs": 0, "found by": ""})
                known["runs"] += 1
                known["found by"] = known["found by"] or f"{run.name} ({run.label})"
        rows = list(found.values())
        if not rows:
            return []
        Y = np.array([[_number(row.get(o.name)) for o in self.objectives] for row in rows], dtype=np.float64)
        return [rows[i] for i in rank(utilities(self.objectives, Y, combine=self.combine))]

    def band(self, label: str, *, n_points: int = 120) -> tuple[Array, Array, Array, Array]:
        """Return calls, mean, and the ends of the interval over seeds of the best-so-far curves of a setting."""
        curves = [self.curves[i] for i in self.settings[label] if len(self.curves[i])]
        longest = max((len(curve) for curve in curves), default=0)
        if not longest:
            return np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0)
        calls = np.unique(np.linspace(0, longest - 1, n_points).astype(int))
        held = np.array([[curve[min(i, len(curve) - 1)] for i in calls] for curve in curves], dtype=np.float64)
        if len(curves) < MIN_SEEDS:
            return calls + 1.0, held.mean(axis=0), held.min(axis=0), held.max(axis=0)
        low, high = _resampled_means(held)
        return calls + 1.0, held.mean(axis=0), low, high


FURTHER = ("candidates", "validity", "novelty", "diversity", "seconds")


def _row(run: RunResult, curve: Array) -> dict[str, Any]:
    known = curve[np.isfinite(curve)]
    # Before its first value a run counts as what its first value is.
    filled = np.where(np.isfinite(curve), curve, known[0]) if len(known) else curve
    return {
        "run": run.name,
        **run.setting,
        "seed": run.seed,
        "final": float(known[-1]) if len(known) else None,
        "auc": float(filled.mean()) if len(known) else None,
        "calls": len(curve),
        **{name: run.figures.get(name) for name in FURTHER},
    }


def best_curve(objectives: Sequence[Objective], Y: Array, *, combine: Combine, box: Array) -> Array:
    """Return the best score after each row of `n x m` properties (see `report.data.best_so_far`).

    Args:
        objectives: `m` objectives.
        Y: Properties in the order of measurement, NaN where not measured.
        combine: How several objectives become utilities.
        box: `k x m` measured properties that span the box of hypervolumes.
    """
    return best_so_far(_data(objectives, box, combine), Y)


def _data(objectives: Sequence[Objective], box: Array, combine: Combine) -> ReportData[Any]:
    """Return the data of a report with nothing but objectives and the measurements that span the box of utilities."""
    box = box[np.isfinite(box).all(axis=1)]
    if len(box):
        U = utilities(objectives, box, combine=combine)
        box = box[np.unique([*U.argmin(axis=0), *U.argmax(axis=0)])]
    return ReportData("", _NoDomain(), objectives, State(), combine=combine, reference=box)


def paired_difference(d: Array, metric: Metric) -> Difference:
    """Return the mean of paired differences with its interval, and what it shows."""
    if not len(d):
        return Difference(math.nan, math.nan, math.nan, 0, "too few seeds")
    low, high = bootstrap_interval(d)
    return Difference(float(d.mean()), low, high, len(d), _verdict(low, high, metric))


def bootstrap_interval(d: Array) -> tuple[float, float]:
    """Return the bootstrap interval of a mean; NaN for fewer than three values.

    Deviations of the resampled means are scaled by `sqrt(n / (n - 1))`, since those of few values are too small.

    Example:
        >>> low, high = bootstrap_interval(np.array([1.0, 1.2, 0.9, 1.1, 1.0]))
        >>> 0.9 < low < 1.04 < high < 1.2
        True
    """
    if len(d) < MIN_SEEDS:
        return math.nan, math.nan
    low, high = _resampled_means(np.asarray(d, dtype=np.float64)[:, None])
    return float(low[0]), float(high[0])


def _resampled_means(rows: Array) -> tuple[Array, Array]:
    """Return the ends of the interval of the mean of `n x k` rows over resampled rows."""
    n = len(rows)
    weights = _resampling_weights(n)
    mean = rows.mean(axis=0)
    means = mean + (weights @ rows - mean) * math.sqrt(n / (n - 1))
    tail = (1 - LEVEL) / 2
    return np.quantile(means, tail, axis=0), np.quantile(means, 1 - tail, axis=0)


@lru_cache(maxsize=16)
def _resampling_weights(n: int) -> Array:
    """Return how often each of `n` rows is drawn in each resample, divided by `n`."""
    weights: Array = np.random.default_rng(0).multinomial(n, [1 / n] * n, size=N_RESAMPLES) / n
    return weights


def _verdict(low: float, high: float, metric: Metric) -> Verdict:
    if math.isnan(low):
        return "too few seeds"
    if low <= 0 <= high:
        return "no difference shown"
    return "better" if (low > 0) == (metric.more_is_better is not False) else "worse"


def _within(groups: Sequence[tuple[Any, ...]], y: Array) -> tuple[float, int]:
    """Return the sum of squares within groups, and its degrees of freedom."""
    members: dict[tuple[Any, ...], list[float]] = {}
    for group, value in zip(groups, y, strict=True):
        members.setdefault(group, []).append(value)
    squares = sum(float(((np.array(v) - np.mean(v)) ** 2).sum()) for v in members.values())
    return squares, len(y) - len(members)


def _metrics(axis: Score) -> list[Metric]:
    unit = f" ({axis.unit})" if axis.unit else ""
    return [
        Metric("final", f"final {axis.label}{unit}", axis.more_is_better),
        Metric("auc", f"mean over the calls{unit}", axis.more_is_better),
        Metric("candidates", "candidates", True),
        Metric("validity", "valid share", True),
        Metric("novelty", "novelty", None),
        Metric("diversity", "diversity", None),
        Metric("calls", "oracle calls", None),
        Metric("seconds", "seconds", False),
    ]


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


@dataclass(frozen=True)
class _NoDomain:
    """Stands for a domain where only numbers are compared."""

    name: str = "several runs"

    def key(self, design: str) -> str:
        return design

    def to_text(self, design: str) -> str:
        return design

    def from_text(self, text: str) -> str:
        return text
