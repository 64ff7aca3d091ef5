"""Terminal output: progress as bars or plain lines, tables and summaries."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from contextvars import ContextVar
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from invdesign.config.explain import Option
    from invdesign.core import Objective
    from invdesign.core import Progress as Report

SECONDS_BETWEEN_LINES = 5.0
_json_stream: ContextVar[IO[str] | None] = ContextVar("where JSON is printed", default=None)
SEPARATOR = " · "
"""Separates the parts of a stage that names its own counts, which are then not printed again."""


@contextmanager
def progress() -> Iterator[Report]:
    """Provide a progress callback `(stage, done, total)`: bars on a terminal or in a notebook, else plain lines."""
    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter):
        yield _Lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=False) as bars:
        yield _Bars(bars)


@contextmanager
def json_alone() -> Iterator[None]:
    """Keep standard output for `print_json`; all else that is written there goes to standard error."""
    stream: IO[str] = sys.stdout
    saved: int | None = None
    with suppress(OSError, ValueError):  # no file: a notebook, a test
        if sys.stdout.fileno() == 1:
            sys.stdout.flush()
            saved = os.dup(1)
            os.dup2(2, 1)
            stream = os.fdopen(os.dup(saved), "w", encoding="utf-8")
    token = _json_stream.set(stream)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _json_stream.reset(token)
        if saved is not None:
            with suppress(BrokenPipeError):
                stream.close()
            os.dup2(saved, 1)
            os.close(saved)


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output; a number that is not finite is null."""
    print(json.dumps(_finite(value), indent=1, allow_nan=False), file=_json_stream.get(), flush=True)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class _Lines:
    """One line when a stage starts and ends, and every few seconds between."""

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
            counts = "" if SEPARATOR in stage else f": {done:,} of {total:,}"
            print(f"{stage}{counts}", file=sys.stderr, flush=True)


class _Bars:
    """One bar for each kind of stage."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        family = _family(stage)
        if family not in self._tasks:
            self._tasks[family] = self._bars.add_task(stage, total=total)
        self._bars.update(self._tasks[family], description=stage, completed=done, total=total)


def _family(stage: str) -> str:
    """Return a stage without its numbers: all rounds share a line, and so do all waits."""
    if "waiting for" in stage:
        return "oracle"
    head = stage.split(SEPARATOR)[0]
    words = [word for word in head.split() if not any(character.isdigit() for character in word)]
    return " ".join(words) + (SEPARATOR if SEPARATOR in stage else "")


def print_model_card(card: Mapping[str, Any]) -> None:
    """Print what is known of a model: its data, and its diagnosis."""
    from invdesign.latent.diagnosis import describe
    from invdesign.latent.leakage import describe_leakage

    corpus, diagnosis = card.get("corpus", {}), card.get("diagnosis", {})
    print(f"trained on {corpus.get('designs', 0):,} designs of {corpus.get('name', 'an unknown corpus')}")
    if corpus.get("parts"):
        parts = ", ".join(f"{name} {n:,}" for name, n in corpus["parts"].items())
        print(f"measured on a part of these designs, which lie on disk: {parts}")
    if card.get("writes"):
        print(f"writes {card['writes']}")
    for line in describe(diagnosis) if diagnosis else ():
        print(line if line.startswith("warning") else f"  {line}")
    for line in describe_leakage(card["leakage"]) if "leakage" in card else ():
        print(f"  {line}")


def table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows with the same headings, at least one, on standard output; unknown values are empty."""
    shown = Table(title=title, title_justify="left")
    for heading in rows[0]:
        is_text = all(row[heading] is None or isinstance(row[heading], str) for row in rows)
        shown.add_column(heading, overflow="fold", justify="left" if is_text else "right")
    for row in rows:
        cells = ("" if value is None else value if isinstance(value, str) else f"{value:.4g}" for value in row.values())
        shown.add_row(*map(escape, cells))
    Console().print(shown)


def print_settings(title: str, options: Sequence[Option]) -> None:
    """Print settings, each with its type, its default and one line of help; keys are never broken."""
    print(title)
    width = max(40, min(shutil.get_terminal_size().columns, 120))
    for option in options:
        print(f"\n{option.key}: {option.type} = {option.default}")
        if option.doc:
            print(textwrap.fill(option.doc, width, initial_indent="    ", subsequent_indent="    "))


def print_summary(summary: Mapping[str, Any], *, max_rows: int = 10) -> None:
    """Print the result of a run: the best of its shortlist, the failed checks, and its files."""
    console = Console()
    candidates = summary["shortlist"]
    if candidates:
        kinds = [kind for kind in dict.fromkeys(summary["values"]) if kind != "measured"]
        what = f" ({' and '.join(kinds)} values)" if kinds else ""
        table(f"best {min(max_rows, len(candidates))} of {len(candidates)} candidates{what}", candidates[:max_rows])
    else:
        console.print(f"no candidates: {summary['no_candidates']}", markup=False)
    if summary["failed_checks"]:
        counts = ", ".join(f"{name} {n}" for name, n in summary["failed_checks"].items())
        console.print(f"evaluated designs that failed checks (one may fail several): {counts}", markup=False)
    for note in summary["notes"]:
        console.print(note, markup=False)
    for warning in summary["warnings"]:
        console.print(f"warning: {warning}", markup=False)
    baseline = f", and {summary['baseline_calls']:,} of the random search" if summary["baseline_calls"] else ""
    console.print(f"{summary['calls']:,} oracle calls in {summary['rounds']} rounds{baseline}", markup=False)
    for path in summary["files"]:
        console.print(path, markup=False, highlight=False, soft_wrap=True)


def print_interpolation(facts: Mapping[str, Any], objectives: Sequence[Objective]) -> None:
    """Print the steps, the notes and the files of an interpolation."""
    headings = ["step", "label", "plausibility percentile [%]", "distance to proposal", "all checks passed"]
    for objective in objectives:
        unit = f" [{objective.unit}]" if objective.unit else ""
        name = f"{objective.name}{unit}"
        known = [
            heading for heading in facts["steps"][0] if heading.endswith(name) and not heading.startswith("sd of ")
        ]
        headings[2:2] = known
    if "anomaly_p" in facts["steps"][0]:
        headings.insert(-2, "anomaly_p")
    # A design that an earlier step found is not printed again; the table on disk has every step.
    distinct = [row for row in facts["steps"] if row.get("repeated") != "yes"]
    rows = [{heading: row[heading] for heading in headings} | _failed_checks(row) for row in distinct]
    shown = [heading for heading in headings if any(row[heading] is not None for row in rows)]
    title = f"{sum(row['label'] is not None for row in rows)} designs on {len(facts['steps'])} steps"
    rows = [row if row["label"] is not None else row | {"label": "nothing decoded"} for row in rows]
    names = {
        "label": "design",
        "plausibility percentile [%]": "plausible %",
        "distance to proposal": "distance",
        "all checks passed": "checks",
    }
    table(title, [{names.get(heading, heading): row[heading] for heading in shown} for row in rows])
    if facts["met"] is not None or facts["crossing"] is not None:
        print(facts["summary"][-1])
    for note in facts["notes"]:
        print(f"warning: {note}")
    for path in facts["files"]:
        print(path)


def print_populations(facts: Mapping[str, Any]) -> None:
    """Print the steps and the files of an interpolation between populations."""
    rows = [{key: value for key, value in step.items() if key != "traits"} for step in facts["steps"]]
    table(f"{facts['pairs']:,} matched pairs", [row | {"valid": f"{row['valid']:.0%}"} for row in rows])
    for path in facts["files"]:
        print(path)


def print_barycentre(facts: Mapping[str, Any]) -> None:
    """Print the distances, the medians and the files of a population between several ones."""
    rows = [{"file": name, "distance": value} for name, value in facts["distances"].items()]
    table("distance of the designs from each file", rows)
    print(f"{facts['designs']:,} designs; {facts['valid']:.0%} of the points between the files decode to one")
    for name, value in facts["medians"].items():
        print(f"median {name}: {value:.4g}")
    for path in facts["files"]:
        print(path)


def _failed_checks(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the details of the checks that failed, or their names where they give none."""
    names = [heading.removeprefix("check ") for heading, cell in row.items() if cell == "failed"]
    return {"all checks passed": "; ".join(row[f"detail of {name}"] or name for name in names)} if names else {}
