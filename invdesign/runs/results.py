"""Results of a run as tables, for the terminal and for notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Generic

from invdesign.core import Candidate, D, DesignSpace, Objective
from invdesign.core.capabilities import draw, label, svg_uri

MAX_DRAWN = 20


@dataclass(frozen=True, eq=False)
class Shortlist(Generic[D]):
    """Candidates of a run, best first; a notebook shows them as a table with drawings."""

    candidates: Sequence[Candidate[D]]
    """The candidates with their checks."""
    domain: DesignSpace[D]
    """Names and draws designs."""
    objectives: Sequence[Objective]
    """Objectives of the campaign."""

    def __len__(self) -> int:
        return len(self.candidates)

    def __getitem__(self, index: int) -> Candidate[D]:
        return self.candidates[index]

    def __iter__(self) -> Iterator[Candidate[D]]:
        return iter(self.candidates)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each candidate: the design and its measured properties."""
        return [
            {
                "design": label(self.domain, c.design),
                **{o.name: y for o, y in zip(self.objectives, c.y, strict=True)},
            }
            for c in self.candidates
        ]

    def _repr_html_(self) -> str:
        headings = ["", "design", *(_heading(o) for o in self.objectives), "plausibility percentile [%]"]
        rows = []
        for i, c in enumerate(self.candidates):
            picture = _image(draw(self.domain, c.design)) if i < MAX_DRAWN else ""
            values = [f"{y:.4g}" for y in c.y]
            rows.append([picture, escape(label(self.domain, c.design)), *values, f"{c.percentile:.0f}"])
        return _html_table(headings, rows)


@dataclass(frozen=True)
class Status:
    """State of a run in numbers; a notebook shows it as a table."""

    name: str
    """Name of the campaign."""
    folder: Path
    """Folder of the run."""
    round: int
    """Number of the newest round."""
    n_calls: int
    """Oracle calls spent, those of open suggestions included."""
    budget: int
    """Oracle calls in all."""
    n_open: int
    """Suggestions that wait for their measurement."""
    n_measured: int
    """Designs with measured properties."""
    n_failed: int
    """Designs whose measurement failed."""
    best: dict[str, float] = field(default_factory=dict)
    """Properties of the best design so far."""
    best_design: str = ""
    """The best design so far."""

    @property
    def is_finished(self) -> bool:
        """Whether the budget is spent and nothing is open."""
        return self.n_calls >= self.budget and not self.n_open

    def rows(self) -> list[tuple[str, str]]:
        """Return headings and values for people."""
        best = ", ".join(f"{name} {value:.4g}" for name, value in self.best.items())
        return [
            ("campaign", self.name),
            ("folder", str(self.folder)),
            ("round", str(self.round)),
            ("oracle calls", f"{self.n_calls - self.n_open:,} of {self.budget:,}"),
            ("open suggestions", f"{self.n_open:,}"),
            ("with values", f"{self.n_measured:,}"),
            ("failed", f"{self.n_failed:,}"),
            ("best", f"{best}: {self.best_design}" if best else "none yet"),
        ]

    def __str__(self) -> str:
        return "\n".join(f"{heading}: {value}" for heading, value in self.rows())

    def _repr_html_(self) -> str:
        return _html_table(None, [[escape(heading), escape(value)] for heading, value in self.rows()])


def _heading(objective: Objective) -> str:
    return escape(f"{objective.name} [{objective.unit}]" if objective.unit else objective.name)


def _image(svg: str) -> str:
    return f'<img src="{svg_uri(svg)}" style="max-height:120px;max-width:220px" alt="">'


def _html_table(headings: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> str:
    head = "" if headings is None else f"<tr>{''.join(f'<th>{h}</th>' for h in headings)}</tr>"
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{head}{body}</table>"
