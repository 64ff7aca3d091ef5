"""What the terminal shows while work goes on: live bars where there is one, plain lines where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from invdesign.campaign import Campaign
from invdesign.core import Progress as Report

SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def progress() -> Iterator[Report]:
    """A progress callback `(stage, done, total)`, on standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=False) as bars:
        yield _Bars(bars)


class _Lines:
    """One line per stage when it begins and ends, and now and then between."""

    def __init__(self) -> None:
        self._stage = ""
        self._at = 0.0
        self._since = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        family = _family(stage)
        is_new, is_done = family != self._stage, 0 < total <= done
        if is_new:
            self._stage, self._since = family, now
        if (is_new and not is_done) or (is_done and now - self._since > 1) or now - self._at > SECONDS_BETWEEN_LINES:
            self._at = now
            print(f"{stage}: {done:,} of {total:,}", file=sys.stderr, flush=True)


class _Bars:
    """One bar per kind of stage."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        family = _family(stage)
        if family not in self._tasks:
            self._tasks[family] = self._bars.add_task(stage, total=total)
        self._bars.update(self._tasks[family], description=stage, completed=done, total=total)


def _family(stage: str) -> str:
    """The stage without its numbers: `round 3` and `round 4` share a line, and so do all waits."""
    return "oracle" if stage.startswith("waiting for") else stage.rstrip("0123456789 ")


def card(facts: Mapping[str, Any]) -> None:
    """Print what is known of a model: its data, and what it can and cannot do."""
    corpus, found = facts.get("corpus", {}), facts.get("diagnosis", {})
    print(f"trained on {corpus.get('designs', 0):,} designs of {corpus.get('name', 'an unknown corpus')}")
    for key, value in found.items():
        if isinstance(value, int | float):
            text = f"{value:.1%}" if isinstance(value, float) and 0 <= value <= 1 else f"{value:g}"
            print(f"  {key.replace('_', ' ')}: {text}")
    for warning in found.get("warnings", ()):
        print(f"warning: {warning}")


def table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows with the same headings, at least one, on standard output; what is unknown is left empty."""
    shown = Table(title=title, title_justify="left")
    for heading in rows[0]:
        shown.add_column(heading, overflow="fold", justify="left" if heading == "design" else "right")
    for row in rows:
        cells = ("" if value is None else value if isinstance(value, str) else f"{value:.4g}" for value in row.values())
        shown.add_row(*map(escape, cells))
    Console().print(shown)


def summary(facts: Mapping[str, Any], *, most: int = 10) -> None:
    """Print what a run found, on standard output: the best of its shortlist and where its files lie."""
    console = Console()
    found = facts["shortlist"]
    if found:
        table(f"best {min(most, len(found))} of {len(found)} candidates", found[:most])
    else:
        console.print("no measured design passed every validator")
    if facts["refused"]:
        said = ", ".join(f"{name} {n}" for name, n in facts["refused"].items())
        console.print(f"measured designs refused by checks (one may fail several): {said}", markup=False)
    for warning in facts["warnings"]:
        console.print(f"warning: {warning}", markup=False)
    console.print(f"{facts['calls']:,} oracle calls in {facts['rounds']} rounds", markup=False)
    for path in facts["files"]:
        console.print(path, markup=False, highlight=False, soft_wrap=True)


def print_interpolation(answer: Mapping[str, Any], campaign: Campaign[Any, Any]) -> None:
    """Print the steps, the notes and the files of an interpolation."""
    headings = ["step", "label", "density percentile [%]", "distance to proposal", "all checks passed"]
    for objective in campaign.objectives:
        unit = f" [{objective.unit}]" if objective.unit else ""
        headings[2:2] = [f"measured {objective.name}{unit}", f"predicted {objective.name}{unit}"]
    # What an earlier step found too is not said again; the table on disk has every step.
    distinct = [row for row in answer["steps"] if row.get("repeated") != "yes"]
    rows = [{heading: row[heading] for heading in headings} | _failed(row) for row in distinct]
    known = [heading for heading in headings if any(row[heading] is not None for row in rows)]
    names = {"label": "design"}
    title = f"{sum(row['label'] is not None for row in rows)} designs on {len(answer['steps'])} steps"
    rows = [row if row["label"] is not None else row | {"label": "nothing decoded"} for row in rows]
    table(title, [{names.get(heading, heading): row[heading] for heading in known} for row in rows])
    if answer["met"] is not None:
        print(f"the target was met at step {answer['met']}")
    for note in answer["notes"]:
        print(f"warning: {note}")
    for path in answer["files"]:
        print(path)


def _failed(row: Mapping[str, Any]) -> dict[str, str]:
    """What is said of checks: for each that failed the reason, and its name where it gives none."""
    names = [heading.removeprefix("check ") for heading, cell in row.items() if cell == "failed"]
    return {"all checks passed": "; ".join(row[f"detail of {name}"] or name for name in names)} if names else {}
